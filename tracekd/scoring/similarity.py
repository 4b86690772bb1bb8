"""Likeness of stated traces to gold traces, and their lengths: BLEU and ROUGE-L, as the paper reports them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import sacrebleu

from tracekd.data.problem import Problem
from tracekd.io.records import read_jsonl
from tracekd.scoring.aligned import spread
from tracekd.scoring.reading import split_output
from tracekd.text import rouge_l
from tracekd.traces.templates import render


def trace_likeness(
    problems: Iterable[Problem], paths: Iterable[Path], tokenizer=None, limit: int = 300
) -> pd.DataFrame:
    """Likeness and length of traces, one row per outputs file.

    At most ``limit`` outputs of a file are compared, evenly spaced: ROUGE-L takes milliseconds each.

    Returns:
        dataset, condition, seed, outputs (compared), traces (outputs that have one), bleu (corpus BLEU against the gold
        traces, 0..100, sacrebleu), rouge_l (mean, 0..1), words, words_sd, tokens (of the trace; mean over traces; NaN
        without ``tokenizer``), new_tokens (mean of all that was generated), answer_rouge_l (MS MARCO: mean of the best
        over references, 0 without an answer). What has no case is NaN.
    """
    known, rows = {p.id: p for p in problems}, []
    for path in paths:
        outputs = [output for output in read_jsonl(path) if output.get("id") in known]
        about = {name: outputs[0].get(name) if outputs else None for name in ("dataset", "condition", "seed")}
        rows.append({**about, **_likeness(known, spread(outputs, limit), tokenizer)})
    return pd.DataFrame(rows)


def _likeness(known: Mapping[str, Problem], outputs: Sequence[Mapping], tokenizer) -> dict[str, float]:
    stated, gold, answers = [], [], []
    for output in outputs:
        problem = known[output["id"]]
        _, trace, answer = split_output(output["text"], output.get("finished", True))
        if problem.dataset == "marco":
            answers.append(max(rouge_l(answer, one) if answer else 0.0 for one in problem.answers))
        if trace:
            stated.append(trace)
            gold.append(render(problem.dataset, problem.category, problem.facts))
    words = [len(text.split()) for text in stated]
    tokens = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in stated] if tokenizer else []
    return {
        "outputs": len(outputs),
        "traces": len(stated),
        "bleu": sacrebleu.corpus_bleu(stated, [gold]).score if stated else np.nan,
        "rouge_l": _mean([rouge_l(*pair) for pair in zip(stated, gold, strict=True)]),
        "words": _mean(words),
        "words_sd": float(np.std(words)) if words else np.nan,
        "tokens": _mean(tokens),
        "new_tokens": _mean([output.get("n_tokens", np.nan) for output in outputs]),
        "answer_rouge_l": _mean(answers),
    }


def _mean(values: list[float]) -> float:
    """Mean of the numbers among ``values``; NaN where there is none."""
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else np.nan
