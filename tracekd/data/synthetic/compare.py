"""Real and generated problems side by side: category shares and sizes, as ``figures/data/generated_vs_real.csv``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tracekd.data.problems import load


def compare(folder: str | Path, seed: int = 121) -> pd.DataFrame:
    """Compare the real files with as many generated problems: CoTempQA's test split, and all of bAbI.

    Args:
        folder: holds ``cotempqa/`` and ``babi/``.
        seed: of the generators.

    Returns:
        One row per data set, category ("all" for the whole set) and measure (``share`` of the set, and means of
        ``facts``, ``evidence``, ``answers`` and ``prompt_words``), with the columns ``real`` and ``generated``.
    """
    tables = {}
    for side, source in (("real", str(folder)), ("generated", "generated")):
        found = [p for p in load("cotempqa", source, seed=seed) if p.split == "test"] + load("babi", source, seed=seed)
        frame = pd.DataFrame(
            {
                "dataset": [p.dataset for p in found],
                "category": [p.category for p in found],
                "facts": [len(p.context) for p in found],
                "evidence": [len(p.evidence) for p in found],
                "answers": [len(p.answers) for p in found],
                "prompt_words": [len(" ".join((*p.context, p.question)).split()) for p in found],
            }
        )
        sizes = frame.groupby("dataset").category.transform("size")
        parts = pd.concat([frame.assign(share=1 / sizes), frame.assign(share=1 / sizes, category="all")])
        groups = parts.groupby(["dataset", "category"])
        table = groups[["facts", "evidence", "answers", "prompt_words"]].mean().assign(share=groups.share.sum())
        tables[side] = table.rename_axis(columns="measure").stack()
    return pd.DataFrame(tables).reset_index()
