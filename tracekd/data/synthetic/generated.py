"""Generated problems: seeded stand-ins for the three sets, offline; all is computed from a planted, made-up world."""

import numpy as np

from tracekd.data.problem import DATASETS, Problem, paper_split
from tracekd.data.synthetic import babi, cotempqa, marco
from tracekd.data.synthetic.draws import VOCABULARY, Draws

_MAKERS = {"cotempqa": cotempqa.make, "marco": marco.make, "babi": babi.make}
# A draw that repeats an earlier problem is drawn again; this many times in a row means that the space is used up.
_TRIES = 2000


def generate(dataset: str, size: int, seed: int) -> list[Problem]:
    """Make ``size`` problems of one set, two per category and the rest in the shares of the real set.

    Ids are ``dataset/category/number``, no two problems have the same question and context, and the paper's split gives
    a fifth of each category to the test. ``ValueError`` for an unknown set, or a size too small or too large.
    """
    if dataset not in DATASETS:
        raise ValueError(f"no generator for dataset {dataset!r}: expected one of {', '.join(DATASETS)}")
    shares = VOCABULARY["shares"][dataset]
    if size < (least := 2 * len(shares)):
        raise ValueError(f"size {size} is too small for these categories: ask for size >= {least}")
    ends = np.rint(np.cumsum([*shares.values()]) / sum(shares.values()) * (size - least)).astype(int)
    rng, problems, seen = Draws([seed, DATASETS.index(dataset)]), [], set()
    for category, more in zip(shares, np.diff(ends, prepend=0), strict=True):
        for number in range(2 + int(more)):
            for _ in range(_TRIES):
                parts = _MAKERS[dataset](category, rng)
                if (key := (frozenset(parts["context"]), parts["question"])) not in seen:
                    break
            else:
                raise ValueError(f"{_TRIES} draws gave no new problem of {category!r}: ask for a smaller size")
            seen.add(key)
            problems.append(Problem(f"{dataset}/{category}/{number:04d}", dataset, category, split="", **parts))
    return paper_split(problems, least=1)
