"""Generation: batched greedy decoding, outputs written as they come."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch

from tracekd import machine, progress
from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.data.problems import label_of
from tracekd.io.locks import locked
from tracekd.io.records import append_jsonl, recover_jsonl, write_jsonl
from tracekd.students import memory, registry, sft
from tracekd.students.adapters import adapter_path, damaged, read_record
from tracekd.students.decode import greedy
from tracekd.students.outputs import UNTRAINED, Turns, limit_of, output_key, outputs_path, turns
from tracekd.traces import templates

Batch = Sequence[tuple[Problem, list[int]]]  # problems with their prompts' token ids


def batches(
    tokenizer, config, problems: Sequence[Problem], *, limit: int, batch: int, before: Turns = ()
) -> Iterator[Batch]:
    """Cut prompts, the longest first, into batches of ``batch``, or fewer if memory holds fewer.

    A resumed run cuts them the same way. ``before``: the turns of worked examples, see ``outputs.turns``.
    """
    prompts = [(p, sft.prompt_ids(tokenizer, templates.prompt(p), before)) for p in problems]
    prompts.sort(key=lambda pair: -len(pair[1]))
    size, first = 2 if machine.has_gpu() else 4, 0
    while first < len(prompts):
        many = min(batch, memory.rows_at_once(config, size, len(prompts[first][1]) + limit))
        yield prompts[first : first + many]
        first += many


def answer(model, tokenizer, cut: Iterable[Batch], limit: int) -> Iterator[list[tuple[Problem, list[int], bool]]]:
    """Answer batches greedily: yields lists of (problem, new token ids without the end token, whether that came)."""
    end = sft.end_token(tokenizer)
    for part in cut:
        made = greedy(model, [ids for _, ids in part], end=end, pad=tokenizer.pad_token_id, limit=limit)
        yield [(p, tokens, ended) for (p, _), (tokens, ended) in zip(part, made, strict=True)]


def answer_job(run, asker: Asker, problems: dict[str, list[Problem]], dataset: str, condition: str, seed: int) -> Path:
    """Let one student of the run answer the problems that it has not answered yet; return the outputs file."""
    path = outputs_path(run, dataset, condition, seed)
    about = {"student": run.student, "dataset": dataset, "condition": condition, "seed": seed}
    about["source"] = label_of(dataset, run.source)
    adapter = None if condition in UNTRAINED else adapter_path(run, dataset, condition, seed)
    asker.complete(path, problems[dataset], adapter, about, turns(run, dataset, condition))
    return path


def loaded(student: str, quantise: bool = True):
    """The student in evaluation mode."""
    model = registry.load_base(student, quantise).eval()
    # The states at the last places are a slice. Of a slice torch makes one product a row, each with a copy of the
    # weights of the whole vocabulary: half the time and a GiB of memory at 8 rows of SmolLM2-135M in bf16.
    model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))
    return model


def adapted(model, adapter: Path):
    """A model in evaluation mode that answers as ``model`` with ``adapter`` on it; ``model`` must not be used beside.

    In fp32 the adapter is added to a copy of the weights: the same function up to rounding, and fewer products. Weights
    in fewer bits would be rounded anew by that: there the adapter stays beside them, to be taken off by ``unload``.
    """
    from peft import PeftModel

    exact = all(weight.dtype == torch.float32 for weight in model.parameters())
    plain_bf16 = all(weight.dtype == torch.bfloat16 for weight in model.parameters())
    base = copy.deepcopy(model) if exact else model
    wrapped = PeftModel.from_pretrained(base, str(adapter), autocast_adapter_dtype=not plain_bf16)
    return (wrapped.merge_and_unload() if exact else wrapped).eval()


class Asker:
    """A student that is loaded when first asked, and changes adapters without loading the base again."""

    def __init__(self, student: str, recipe: Recipe):
        """Remember the student and the recipe; load nothing yet."""
        self.student, self.recipe = student, recipe
        self.base = self.asked = self.tokenizer = None

    def complete(
        self, path: Path, problems: Sequence[Problem], adapter: Path | None, about: dict, before: Turns = ()
    ) -> None:
        """Fill ``path`` until it has an output for each problem, and replace those under another ``output_key``.

        ``adapter`` None asks the student as it is, after the worked examples ``before``. An unfinished batch is
        generated whole, as its other problems can tip a near tie.

        Raises:
            FileNotFoundError: the adapter has not been trained, or is damaged.
        """
        record = {"key": "prompted"} if adapter is None else read_record(adapter)
        if record is None:
            raise FileNotFoundError(f"no finished adapter at {adapter}: run notebook 03_qlora_train first")
        if adapter and (wrong := damaged(adapter, record)):
            raise FileNotFoundError(f"the adapter at {adapter} is damaged ({wrong}): `tracekd train` trains it again")
        key = output_key(registry.identity(self.student), record, self.recipe, problems, before)
        with locked(path):
            done = {row["id"]: row for row in recover_jsonl(path) if row.get("key") == key}
            if all(p.id in done for p in problems):
                return
            self.tokenizer = self.tokenizer or registry.load_tokenizer(self.student)
            config, limit = registry.load_config(self.student), limit_of(self.recipe, record)
            how = {"limit": limit, "batch": self.recipe.generate_batch, "before": before}
            cut = batches(self.tokenizer, config, problems, **how)
            left = [part for part in cut if any(p.id not in done for p, _ in part)]
            again = {p.id for part in left for p, _ in part}
            write_jsonl(path, [row for i, row in done.items() if i not in again])
            self._answer(path, left, adapter, limit, {**about, "key": key})

    def _answer(self, path: Path, left: list[Batch], adapter: Path | None, limit: int, about: dict) -> None:
        model, tokens, done = self.with_adapter(adapter), 0, 0
        label = f"{about['dataset']}/{about['condition']}/{about['seed']}"
        with progress.Bar(label, sum(map(len, left)), unit="problem") as bar:
            for part in answer(model, self.tokenizer, left, limit):
                rows = []
                for p, ids, finished in part:
                    text = self.tokenizer.decode(ids, skip_special_tokens=True)
                    rows.append({"id": p.id, "text": text, "finished": finished, "n_tokens": len(ids), **about})
                append_jsonl(path, rows)
                tokens, done = tokens + sum(row["n_tokens"] for row in rows), done + len(part)
                bar.at(done, tokens)

    def with_adapter(self, adapter: Path | None):
        """The student with ``adapter`` on it (see ``adapted``), or without; loads the base at the first call."""
        from peft import PeftModel

        if self.base is None:
            self.tokenizer = self.tokenizer or registry.load_tokenizer(self.student)
            self.base = loaded(self.student, self.recipe.quantise)
        self.asked = self.asked.unload() if isinstance(self.asked, PeftModel) else None
        self.asked = self.base if adapter is None else adapted(self.base, adapter)
        return self.asked
