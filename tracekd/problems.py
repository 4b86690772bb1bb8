"""Problems: one record for the three open-book QA sets, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DATASETS = ("cotempqa", "marco", "babi")

# The labels of the classification step, in the order in which tables show them.
CATEGORIES = {
    "cotempqa": ("equal", "overlap", "during", "mix"),
    "marco": ("DESCRIPTION", "NUMERIC", "ENTITY", "LOCATION", "PERSON"),
    "babi": (
        "single-supporting-fact",
        "two-supporting-facts",
        "two-arg-relations",
        "counting",
        "lists-sets",
        "conjunction",
        "time-reasoning",
        "basic-deduction",
        "basic-induction",
        "positional-reasoning",
        "size-reasoning",
    ),
}


@dataclass(frozen=True)
class Problem:
    """One open-book question with its gold steps.

    Attributes:
        id: given once, the key of every join: ``dataset/category/number``, such as ``cotempqa/mix/0042``.
        dataset: ``cotempqa``, ``marco``, ``babi`` or the name of a reader's own set.
        category: gold label of the classification step.
        context: the facts, sentences or passages, in their order.
        question: the question as asked.
        answers: one or more gold answers; a set, so that order does not count.
        evidence: indices into ``context`` of the gold facts; empty where nothing answers (MARCO).
        split: ``train`` or ``test``.
        meta: what a set knows beside that, such as CoTempQA's ``triple_element``.
    """

    id: str
    dataset: str
    category: str
    context: tuple[str, ...]
    question: str
    answers: tuple[str, ...]
    evidence: tuple[int, ...]
    split: str
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> tuple[str, ...]:
        """The gold facts themselves, in context order."""
        return tuple(self.context[i] for i in self.evidence)
