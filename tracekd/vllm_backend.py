"""vLLM as another way to the same outputs, for large grids on a GPU: its parity is measured before it is used.

Optional and never installed by us: ``pip install vllm`` on a machine with a GPU. We have not run it; what keeps its
numbers honest is ``agreed``, which lets both ways answer the same problems first and refuses where verdicts differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tracekd import generate, sft, students
from tracekd.problems import Problem
from tracekd.profiles import Recipe
from tracekd.records import write_json

ALLOWED = 0.02  # share of verdicts that may differ: batch sizes alone tip a near tie now and then


class VllmUnavailable(RuntimeError):
    """vLLM cannot be used here; the message says why."""


class Engine:
    """A student in vLLM, its adapters put on by request, unmerged."""

    def __init__(self, student: str, recipe: Recipe):
        """Load the student, in NF4 where the recipe says so.

        Raises:
            VllmUnavailable: vLLM is not installed.
        """
        try:
            from vllm import LLM
        except ImportError as error:
            raise VllmUnavailable(
                f"vLLM cannot be imported ({error}): pip install vllm (it needs a GPU), or leave --backend at "
                "transformers, whose outputs are the reference"
            ) from error
        self.tokenizer = students.load_tokenizer(student)
        self.model = LLM(
            students.resolve(student), enable_lora=True, max_lora_rank=recipe.lora_r, enable_prefix_caching=True,
            quantization="bitsandbytes" if recipe.quantise else None, seed=0,
        )  # fmt: skip

    def answer(
        self, problems: Sequence[Problem], adapter: Path | None, limit: int, before: Sequence = ()
    ) -> Iterator[list[tuple[Problem, list[int], bool]]]:
        """Answer greedily, in at most ``limit`` new tokens; yields one list, in the form of ``generate.answer``."""
        from vllm import SamplingParams
        from vllm.lora.request import LoRARequest

        end = sft.end_token(self.tokenizer)
        ordered = generate.in_order(self.tokenizer, problems, before)
        greedy = SamplingParams(temperature=0, max_tokens=limit, stop_token_ids=[end], detokenize=False)
        lora = LoRARequest(str(adapter), abs(hash(str(adapter))) % 2**31 + 1, str(adapter)) if adapter else None
        made = self.model.generate([{"prompt_token_ids": ids} for _, ids in ordered], greedy, lora_request=lora)
        yield [(p, *_cut(list(one.outputs[0].token_ids), end)) for (p, _), one in zip(ordered, made, strict=True)]


def _cut(tokens: list[int], end: int) -> tuple[list[int], bool]:
    return (tokens[: tokens.index(end)], True) if end in tokens else (tokens, False)


def agreed(mine: dict, other: dict, problems: Sequence[Problem], tokenizer, report: Path) -> dict:
    """Compare two ways' outputs of the same problems, write ``report`` (JSON), and refuse where they differ too much.

    Args:
        mine: the reference's outputs by problem id, as (token ids, ended).
        other: the other backend's, in the same form.
        problems: those to compare.
        tokenizer: the student's.
        report: where the counts are written, before anything is refused.

    Returns:
        ``bench_generate.differences``: n, text and verdict (how many differ).

    Raises:
        ValueError: more than ``ALLOWED`` of the verdicts differ, or no problem was answered by both.
    """
    from tracekd.bench_generate import differences

    found = differences(problems, mine, other, tokenizer)
    write_json(report, found)
    if not found["n"] or found["verdict"] > ALLOWED * found["n"]:
        raise ValueError(
            f"{found['verdict']} of {found['n']} verdicts differ between the backends, at most {ALLOWED:.0%} may: its "
            f"outputs are not used; see {report}, or leave --backend at transformers"
        )
    return found
