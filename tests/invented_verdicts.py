"""Invented verdicts and printed numbers for the tests of the replication, its claims and the ledger."""

import numpy as np
import pandas as pd


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def frame(answers: dict, traces: dict | None = None, seeds=(1,), dataset="babi", size=1000) -> pd.DataFrame:
    """Verdicts from ``{condition: [right?, ...]}`` over the same problems, the same in every seed."""
    rows = [
        {"student": "s", "source": "invented", "dataset": dataset, "condition": c, "seed": seed,
         "training_problems": 0 if c == "prompted" else size, "id": f"p{i}",
         "teacher": "templated" if c in ("r1", "swapped") else "", "answerable": True, "declined": False,
         "category": "all of them", "status": "truncated" if c == "r1" and i == 0 else "ok", "repetition": 0.0,
         "answer_correct": bool(right), "answer_contains": bool(right),
         "trace_correct": bool((traces or {}).get(c, [0] * len(given))[i]), "classification_correct": False,
         "retrieval_correct": False}
        for c, given in answers.items() for seed in seeds for i, right in enumerate(given)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def checked() -> pd.DataFrame:
    """Five printed numbers, as ``paper_check.check`` returns them."""
    about = {"dataset": "babi", "category": "all", "student": "theirs", "condition": "correct", "seed": "", "unit": ""}
    rows = [
        {**about, "kind": "answer metric", "measure": "acc", "printed": 90.0, "verdict": "follows to the digit"},
        {**about, "kind": "answer metric", "measure": "f1", "printed": 91.0, "verdict": "follows to the digit"},
        {**about, "kind": "matrix", "measure": "trace both", "printed": 86, "verdict": "follows to the digit"},
        {**about, "kind": "matrix", "measure": "answer correct", "printed": 355, "verdict": "follows to the digit"},
        {**about, "kind": "study", "condition": "r1", "measure": "load", "printed": 4.59, "verdict": "cannot be: x"},
    ]
    return pd.DataFrame(rows).assign(as_published=np.nan, aligned=np.nan)
