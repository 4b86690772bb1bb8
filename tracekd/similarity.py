"""Likeness of stated traces to gold traces, and of free-text answers: BLEU and ROUGE-L, as the paper reports them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import sacrebleu

from tracekd.problems import Problem
from tracekd.records import read_jsonl
from tracekd.score import split_output
from tracekd.text import rouge_l
from tracekd.traces import render


def answer_rouge(problem: Problem, answer: str | None) -> float:
    """ROUGE-L of a free-text answer, best over the references, in 0..1; 0 where there is no answer."""
    return max((rouge_l(answer, gold) for gold in problem.answers), default=0.0) if answer else 0.0


def trace_likeness(
    problems: Iterable[Problem], paths: Iterable[Path], tokenizer=None, limit: int = 300
) -> pd.DataFrame:
    """Likeness and length of traces, one row an outputs file.

    Args:
        problems: the problems asked.
        paths: outputs files.
        tokenizer: counts the tokens of the trace; without it they are NaN.
        limit: at most so many outputs a file are compared, evenly spaced (ROUGE-L takes milliseconds each).

    Returns:
        columns dataset, condition, seed, outputs (compared), traces (outputs that have one), bleu (corpus BLEU of
        the stated against the gold traces, 0..100, sacrebleu), rouge_l (mean, 0..1), words, words_sd, tokens (of the
        trace; mean over traces), new_tokens (mean of all that was generated), answer_rouge_l (MARCO: mean over
        outputs, else NaN).
    """
    known = {p.id: p for p in problems}
    rows = []
    for path in paths:
        outputs = [output for output in read_jsonl(path) if output.get("id") in known]
        first = outputs[0] if outputs else {}
        about = {name: first.get(name) for name in ("dataset", "condition", "seed")}
        rows.append({**about, **likeness(known, outputs[:: max(1, -(-len(outputs) // limit))], tokenizer)})
    return pd.DataFrame(rows)


def likeness(problems: Mapping[str, Problem], outputs: Iterable[Mapping], tokenizer=None) -> dict[str, float]:
    """The measures of ``trace_likeness`` over the outputs whose id is in ``problems``; what has no case is NaN."""
    stated, gold, lengths, answers = [], [], [], []
    for output in outputs:
        problem = problems.get(output.get("id"))
        if problem is None:
            continue
        _, trace, answer = split_output(output["text"], output.get("finished", True))
        lengths.append(output.get("n_tokens", np.nan))
        answers.append(answer_rouge(problem, answer) if problem.dataset == "marco" else np.nan)
        if trace:
            stated.append(trace)
            gold.append(render(problem.dataset, problem.category, problem.facts))
    words = [len(text.split()) for text in stated]
    rouges = [rouge_l(*pair) for pair in zip(stated, gold, strict=True)]
    tokens = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in stated] if tokenizer else []
    return {
        "outputs": len(answers), "traces": len(stated),
        "bleu": sacrebleu.corpus_bleu(stated, [gold]).score if stated else np.nan,
        "rouge_l": _mean(rouges), "words": _mean(words), "words_sd": float(np.std(words)) if words else np.nan,
        "tokens": _mean(tokens), "new_tokens": _mean(lengths), "answer_rouge_l": _mean(answers),
    }  # fmt: skip


def _mean(values: list[float]) -> float:
    known = [v for v in values if v == v]
    return float(np.mean(known)) if known else np.nan
