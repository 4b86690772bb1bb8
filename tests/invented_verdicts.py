"""Invented verdicts for the tests of the replication, its claims and its pictures."""

import numpy as np
import pandas as pd


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def frame(answers: dict, traces: dict | None = None, seeds=(1,), dataset="babi", size=1000) -> pd.DataFrame:
    """Verdicts from ``{condition: [right?, ...]}`` over the same problems, the same in every seed."""
    rows = [
        {"student": "s", "source": "invented", "dataset": dataset, "condition": c, "seed": seed,
         "training_problems": 0 if c == "prompted" or "few_shot" in c else size, "id": f"p{i}",
         "teacher": "templated" if c in ("r1", "swapped") else "", "answerable": True, "declined": False,
         "category": "all of them", "status": "truncated" if c == "r1" and i == 0 else "ok", "repetition": 0.0,
         "answer_correct": bool(right), "answer_contains": bool(right), "pub_answer_correct": True,
         "trace_correct": bool((traces or {}).get(c, [0] * len(given))[i]), "classification_correct": False,
         "retrieval_correct": False}
        for c, given in answers.items() for seed in seeds for i, right in enumerate(given)
    ]  # fmt: skip
    return pd.DataFrame(rows)
