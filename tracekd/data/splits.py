"""Splits: the paper's draw, no problem in two splits, near twins counted, draws that keep the shares."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from tracekd.data.problem import Problem

log = logging.getLogger(__name__)


def key(problem: Problem) -> tuple[frozenset[str], str]:
    """What makes two problems the same: the question, and the set of context sentences in any order."""
    return frozenset(problem.context), problem.question


def drop_leaks(problems: list[Problem]) -> list[Problem]:
    """Drop training problems that are in the test split too, and repeated training problems; log how many.

    The authors' test split stays as it is, repeated problems included. A training problem is a repeat where question
    and context agree, in order.
    """
    test = {key(p) for p in problems if p.split == "test"}
    clean = [p for p in problems if p.split == "test" or key(p) not in test]
    first = {(p.context, p.question): p for p in reversed(clean) if p.split == "train"}
    left = [p for p in clean if p.split == "test" or first[p.context, p.question] is p]
    if dropped := len(problems) - len(left):
        text = (
            "%s: %d training problems left out: %d are in the test split (in any order of sentences), %d repeat another"
        )
        log.warning(text, problems[0].dataset, dropped, len(problems) - len(clean), len(clean) - len(left))
    return left


def near_duplicates(train: Iterable[Problem], test: list[Problem]) -> int:
    """How many test problems share question and gold facts with a training problem, in another context."""
    known = {(p.facts, p.question) for p in train}
    return sum((p.facts, p.question) in known for p in test)


def near_duplicate_lines(train: Mapping[str, list[Problem]], test: Mapping[str, list[Problem]]) -> str:
    """``near_duplicates`` of each data set in words, one Markdown line each."""
    lines = []
    for dataset, asked in test.items():
        twins = near_duplicates(train[dataset], asked)
        share = f"{twins} of {len(asked)} test problems ({100 * twins / max(len(asked), 1):.1f}%)"
        lines.append(f"- **{dataset}**: {share} have the question and the gold facts of a training problem.")
    return "\n".join(lines)


def check(problems: list[Problem]) -> list[Problem]:
    """Return ``problems``; ``ValueError`` if an id repeats, evidence is out of range or a problem is in both splits."""
    if repeated := [i for i, n in Counter(p.id for p in problems).items() if n > 1]:
        raise ValueError(f"{len(repeated)} ids are given twice, first {repeated[0]!r}: every problem needs its own")
    for p in problems:
        if any(not 0 <= i < len(p.context) for i in p.evidence):
            raise ValueError(f"{p.id}: evidence {p.evidence} is outside the context of {len(p.context)} facts")
        if p.split not in ("train", "test"):
            raise ValueError(f"{p.id}: split is {p.split!r}, expected 'train' or 'test'")
    train, test = ({key(p) for p in problems if p.split == split} for split in ("train", "test"))
    if both := train & test:
        raise ValueError(f"{len(both)} problems are in both splits, such as the question {next(iter(both))[1]!r}")
    return problems


def count_labels(problems: list[Problem]) -> list[Problem]:
    """The problems with the training labels and their counts in ``meta``, from which wrong labels are drawn.

    Labels without training problems are left out: one that is never right would give a wrong trace away. A set
    without training problems counts its test problems.
    """
    counts = Counter(p.category for p in problems if p.split == "train") or Counter(p.category for p in problems)
    names = sorted(counts)
    labels = {"labels": "|".join(names), "label_counts": "|".join(str(counts[name]) for name in names)}
    return [replace(p, meta={**p.meta, **labels}) for p in problems]


def paper_split(problems: list[Problem], shares: Mapping[str, float] | None = None, least: int = 0) -> list[Problem]:
    """Problems with a split where they have none: by category ``DataFrame.sample(frac=0.2, random_state=42)``.

    ``shares`` are other shares of test problems by category; ``least`` is the fewest test problems of a category that
    has two problems or more.
    """
    split = pd.Series("train", range(len(problems)))
    for category, rows in split.groupby(pd.Series([p.category for p in problems], dtype=object), sort=False):
        size = max(round((shares or {}).get(category, 0.2) * len(rows)), least if len(rows) > 1 else 0)
        split[rows.index[rows.reset_index(drop=True).sample(n=size, random_state=42).index]] = "test"
    return [replace(p, split=p.split or part) for p, part in zip(problems, split, strict=True)]


def select(problems: list[Problem], size: int | str, rng) -> list[Problem]:
    """Draw ``size`` problems with category shares kept (systematic sampling), in a random order.

    ``"all"``, or a size beyond what there is, takes everything; the order is still drawn.
    """
    order = [problems[i] for i in rng.permutation(len(problems))]
    if size != "all" and int(size) < len(order):
        order.sort(key=lambda p: p.category)
        step = len(order) / int(size)
        start = rng.random()
        order = [order[min(int((i + start) * step), len(order) - 1)] for i in range(int(size))]
        order = [order[i] for i in rng.permutation(len(order))]
    return order
