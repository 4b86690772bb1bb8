"""Generation against its peers, in turns within one process; and what the batch size does to outputs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from tracekd import generate, meter, nf4, sft, students, traces
from tracekd.problems import Problem
from tracekd.score import verdict

PEERS = ("plain", "authors")
Outputs = dict[str, tuple[list[int], bool]]


def loaded(student: str, adapter: Path | None, *, ours: bool):
    """The student with its adapter on: as we ask it, or as the peers do (NF4 as loaded, the adapter beside it)."""
    from peft import PeftModel

    if ours:
        model = generate.loaded(student)
        return model if adapter is None else nf4.adapted(model, adapter)
    model = students.load_model(student)
    if adapter is not None:
        with students.quiet():
            model = PeftModel.from_pretrained(model, str(adapter))
    return model.eval()


def ours(model, tokenizer, problems: Sequence[Problem], limit: int, batch: int) -> Outputs:
    """``generate.answer``: sorted, cached, the prompts' beginning run once, finished rows leave."""
    return generate.by_id(generate.answer(model, tokenizer, problems, max_new_tokens=limit, batch=batch))


@torch.inference_mode()
def plain(model, tokenizer, problems: Sequence[Problem], limit: int, batch: int, *, cache: bool = True) -> Outputs:
    """``model.generate`` on batches in the order given, left-padded."""
    from tracekd.decode import left_padded

    end, pad, found = sft.end_token(tokenizer), tokenizer.pad_token_id, {}
    for first in range(0, len(problems), batch):
        part = problems[first : first + batch]
        ids, mask = left_padded([sft.prompt_ids(tokenizer, traces.prompt(p)) for p in part], pad, model.device)
        made = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=limit, do_sample=False, temperature=None, top_p=None,
            top_k=None, eos_token_id=end, pad_token_id=pad, use_cache=cache,
        )[:, ids.shape[1] :].tolist()  # fmt: skip
        for problem, row in zip(part, made, strict=True):
            found[problem.id] = (row[: row.index(end)], True) if end in row else (row, False)
    return found


def authors(model, tokenizer, problems: Sequence[Problem], limit: int, batch: int) -> Outputs:
    """One problem at a time with the cache off, as the paper's authors did; ``batch`` plays no part."""
    return plain(model, tokenizer, problems, limit, 1, cache=False)


WAYS = {"ours": ours, "plain": plain, "authors": authors}


def turn(name: str, model, tokenizer, problems: Sequence[Problem], limit: int, batch: int) -> tuple[dict, Outputs]:
    """One contender's turn.

    Returns:
        The row: way, n, tokens (made, end tokens not counted), seconds, tokens_per_second, problems_per_second,
        peak_gib (above the loaded model), and the outputs by problem id.
    """
    memory = meter.Memory()
    with memory.watched():
        meter.synchronise()
        started = time.perf_counter()
        outputs = WAYS[name](model, tokenizer, problems, limit, batch)
        meter.synchronise()
        seconds = time.perf_counter() - started
    tokens = sum(len(ids) for ids, _ in outputs.values())
    row = {
        "way": name, "n": len(problems), "tokens": tokens, "seconds": seconds, "tokens_per_second": tokens / seconds,
        "problems_per_second": len(problems) / seconds, "peak_gib": memory.gib,
    }  # fmt: skip
    return row, outputs


def differences(problems: Sequence[Problem], first: Outputs, second: Outputs, tokenizer) -> dict:
    """How many outputs differ between two ways, in text and in what the scorer says of them.

    Returns:
        A dictionary: n (problems in both), text, verdict (counts of problems whose token ids differ, and whose
        status, step or answer verdicts differ).
    """
    both = [p for p in problems if p.id in first and p.id in second]
    judged = [[_verdict(p, outputs[p.id], tokenizer) for p in both] for outputs in (first, second)]
    return {
        "n": len(both),
        "text": sum(first[p.id] != second[p.id] for p in both),
        "verdict": sum(a != b for a, b in zip(*judged, strict=True)),
    }


def _verdict(problem: Problem, output: tuple[list[int], bool], tokenizer) -> tuple:
    found = verdict(problem, tokenizer.decode(output[0], skip_special_tokens=True), output[1])
    return tuple(found[name] for name in ("status", "classification_correct", "retrieval_correct", "answer_correct"))


def invariance(student: str, adapter: Path | None, problems: Sequence[Problem], limit: int, sizes: Sequence[int]):
    """Rows of ``differences`` between each batch size and the first one: what batching does to outputs.

    The same sums are added in another order in matrices of another shape, so that logits differ in their last bits
    and a near tie may fall the other way.
    """
    tokenizer, model = students.load_tokenizer(student), loaded(student, adapter, ours=True)
    made = {size: ours(model, tokenizer, problems, limit, size) for size in sizes}
    return [
        {"batch": size, "against": sizes[0], **differences(problems, made[sizes[0]], made[size], tokenizer)}
        for size in sizes[1:]
    ]
