"""Decomposition: every problem as classification -> retrieval -> answer, from the data set's own gold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.decompose.derive import Derivation, derive


@dataclass(frozen=True)
class Decomposition:
    """The gold steps of one problem, and ``derivation``: what the rules get without the gold."""

    problem: Problem
    category: str
    facts: tuple[str, ...]
    answers: tuple[str, ...]
    derivation: Derivation


def decompose(problem: Problem) -> Decomposition:
    """Take a problem apart into its gold steps, with the derivation beside them."""
    return Decomposition(problem, problem.category, problem.facts, problem.answers, derive(problem))


def shares(problems: Iterable[Problem]) -> pd.DataFrame:
    """Step labels and sizes.

    Returns:
        One row per data set and category: ``n`` (problems), ``share`` (of the set, 0 to 1), and means per problem:
        ``facts``, ``gold_facts``, ``answers``, ``words`` (of context and question).
    """
    frame = pd.DataFrame(
        {
            "dataset": p.dataset,
            "category": p.category,
            "facts": len(p.context),
            "gold_facts": len(p.evidence),
            "answers": len(p.answers),
            "words": sum(len(text.split()) for text in (*p.context, p.question)),
        }
        for p in problems
    )
    groups = frame.groupby(["dataset", "category"], sort=False)
    table = groups.mean(numeric_only=True).reset_index()
    table.insert(2, "n", groups.size().to_numpy())
    table.insert(3, "share", table.n / table.groupby("dataset").n.transform("sum"))
    return table
