"""Generated problems: seeded stand-ins for the three sets, offline, with planted truth.

Every problem is made up. Answers and evidence are computed from the planted world, never guessed from the text.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from tracekd.data.problem import CATEGORIES, DATASETS, Problem
from tracekd.data.splits import paper_split
from tracekd.data.synthetic import babi, cotempqa, marco
from tracekd.data.synthetic.draws import VOCABULARY, quotas

SHARES: dict[str, dict[str, float]] = VOCABULARY["shares"]
_MAKERS = {"cotempqa": cotempqa.make, "marco": marco.make, "babi": babi.make}
# A draw that repeats an earlier problem is drawn again; this many times in a row means that the space is used up.
_TRIES = 2000


def generate(dataset: str, size: int, seed: int) -> list[Problem]:
    """Make ``size`` problems of one set, at least two per category, in the order of ``CATEGORIES``.

    Ids are ``dataset/category/number`` (bAbI: ``babi/category/train-number``), no two problems have the same question
    and context, and the paper's split gives a fifth of each category to the test. ``ValueError`` for an unknown set, or
    a size too small or too large for its categories.
    """
    if dataset not in DATASETS:
        raise ValueError(f"no generator for dataset {dataset!r}: expected one of {', '.join(DATASETS)}")
    counts = quotas(size, SHARES[dataset], least=2)
    problems, seen = [], set()
    for place, category in enumerate(CATEGORIES[dataset]):
        # One stream per category: the mix of the others does not change what it draws.
        rng, numbers = np.random.default_rng([seed, DATASETS.index(dataset), place]), Counter()
        for row, split in enumerate(paper_split([category] * counts[category], least=1)):
            number = f"{split}-{numbers[split]:04d}" if dataset == "babi" else f"{row:04d}"
            numbers[split] += 1
            parts = _fresh(dataset, category, rng, seen)
            problems.append(Problem(f"{dataset}/{category}/{number}", dataset, category, split=split, **parts))
    return problems


def _fresh(dataset: str, category: str, rng: np.random.Generator, seen: set) -> dict:
    for _ in range(_TRIES):
        parts = _MAKERS[dataset](category, rng)
        key = (frozenset(parts["context"]), parts["question"])
        if key not in seen:
            seen.add(key)
            return parts
    raise ValueError(f"{_TRIES} draws gave no new {dataset} problem of category {category!r}: ask for a smaller size")
