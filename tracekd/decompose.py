"""Decomposition: every problem as classification -> retrieval -> answer, from the data set's own gold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from tracekd.derive import Derivation, derive
from tracekd.problems import Problem
from tracekd.traces import Trace, build


@dataclass(frozen=True)
class Decomposition:
    """The steps of one problem.

    Attributes:
        problem: the problem itself.
        category: gold label of the classification step.
        facts: gold facts of the retrieval step, in context order; empty where nothing answers.
        answers: gold answers.
        derivation: what the rules get without the gold.
    """

    problem: Problem
    category: str
    facts: tuple[str, ...]
    answers: tuple[str, ...]
    derivation: Derivation

    @property
    def trace(self) -> Trace:
        """The correct trace that states these steps."""
        return build(self.problem, "correct")


def decompose(problem: Problem) -> Decomposition:
    """Take a problem apart into its gold steps, with the derivation beside them."""
    return Decomposition(problem, problem.category, problem.facts, problem.answers, derive(problem))


def shares(problems: Iterable[Problem]) -> pd.DataFrame:
    """Step labels and sizes.

    Returns:
        One row a data set and category: ``dataset``, ``category``, ``n`` (problems), ``share`` (of the set, 0 to 1),
        ``facts`` and ``gold_facts`` (mean number a problem), ``answers`` (mean number), ``words`` (mean words of
        context and question).
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
