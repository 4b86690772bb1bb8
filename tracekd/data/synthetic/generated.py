"""Generated problems: seeded stand-ins for the three sets, offline, with planted truth.

Every problem is made up. Answers and evidence are computed from the planted world, never guessed from the text.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tracekd.data.problem import CATEGORIES, DATASETS, Problem
from tracekd.data.synthetic import babi, cotempqa, marco
from tracekd.data.synthetic.draws import VOCABULARY, quotas

SHARES: dict[str, dict[str, float]] = VOCABULARY["shares"]
_MAKERS = {"cotempqa": cotempqa.make, "marco": marco.make, "babi": babi.make}
# A draw that repeats an earlier problem is drawn again; this many times in a row means that the space is used up.
_TRIES = 2000


def generate(dataset: str, size: int, seed: int, split_share: float = 0.2) -> list[Problem]:
    """Make ``size`` problems of one set, category after category in the order of ``CATEGORIES``.

    Args:
        dataset: a name in ``DATASETS``.
        size: problems in all, at least two per category.
        seed: the same seed gives the same problems.
        split_share: share of each category that goes to the test split, between 0 and 1 (the paper: 0.2).

    Returns:
        Problems with ids ``dataset/category/number`` (bAbI: ``babi/category/train-number``), no two of which have the
        same question and context.

    Raises:
        ValueError: an unknown set, a size too small or too large for its categories, or a share outside (0, 1).
    """
    if dataset not in DATASETS:
        raise ValueError(f"no generator for dataset {dataset!r}: expected one of {', '.join(DATASETS)}")
    if not 0 < split_share < 1:
        raise ValueError(f"split_share is {split_share}: expected a share between 0 and 1, such as 0.2")
    counts = quotas(size, SHARES[dataset], least=2)
    problems, seen = [], set()
    for number, category in enumerate(CATEGORIES[dataset]):
        # One stream per category: the mix of the others does not change what it draws.
        rng = np.random.default_rng([seed, DATASETS.index(dataset), number])
        drawn = [_fresh(dataset, category, rng, seen) for _ in range(counts[category])]
        problems += _named(dataset, category, drawn, split_share)
    return problems


def _fresh(dataset: str, category: str, rng: np.random.Generator, seen: set) -> dict:
    for _ in range(_TRIES):
        parts = _MAKERS[dataset](category, rng)
        key = (frozenset(parts["context"]), parts["question"])
        if key not in seen:
            seen.add(key)
            return parts
    raise ValueError(f"{_TRIES} draws gave no new {dataset} problem of category {category!r}: ask for a smaller size")


def _named(dataset: str, category: str, drawn: list[dict], split_share: float) -> list[Problem]:
    """Give ids and splits; the test share is drawn as in the paper, with at least one problem on each side."""
    n_test = min(max(round(split_share * len(drawn)), 1), len(drawn) - 1)
    tested = set(pd.DataFrame(index=range(len(drawn))).sample(n=n_test, random_state=42).index)
    problems, counters = [], {"train": 0, "test": 0}
    for row, parts in enumerate(drawn):
        split = "test" if row in tested else "train"
        number = f"{split}-{counters[split]:04d}" if dataset == "babi" else f"{row:04d}"
        counters[split] += 1
        name = f"{dataset}/{category}/{number}"
        problems.append(Problem(id=name, dataset=dataset, category=category, split=split, **parts))
    return problems
