"""Exact verifier: is each step of a trace right, by the data set's gold and, gold-free, by the derivation?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from tracekd.derive import Derivation, derive
from tracekd.problems import Problem
from tracekd.score import fact_set, same_label
from tracekd.traces import Trace, read


@dataclass(frozen=True)
class Verification:
    """Verdicts on one trace; each is True, False, or None where it cannot be given.

    Attributes:
        classification, retrieval: against gold; None for a trace without steps (vanilla, free-form).
        free_classification, free_retrieval: against the derivation, without gold; None also where nothing is derived.
    """

    classification: bool | None
    retrieval: bool | None
    free_classification: bool | None
    free_retrieval: bool | None

    @property
    def correct(self) -> bool | None:
        """Both steps right by gold."""
        return None if self.classification is None else bool(self.classification and self.retrieval)

    @property
    def free_correct(self) -> bool | None:
        """Both steps right by the derivation."""
        if self.free_classification is None or self.free_retrieval is None:
            return None
        return self.free_classification and self.free_retrieval

    @property
    def differ(self) -> bool | None:
        """Whether the two verdicts on the whole trace differ; None where one is missing."""
        both = (self.correct, self.free_correct)
        return None if None in both else both[0] != both[1]


def verify(trace: Trace | str, problem: Problem, derivation: Derivation | None = None) -> Verification:
    """Judge classification and retrieval of a trace.

    Labels and sets of facts are compared as ``score.verdict`` compares them. What a trace states is read from its text,
    never from how it was built.

    Args:
        trace: a trace, or its text.
        problem: what it is about.
        derivation: the problem's, where it is already there; else it is derived.
    """
    label, facts = read(trace if isinstance(trace, str) else trace.text, problem.context)
    if label is None and facts is None:
        return Verification(None, None, None, None)
    stated = fact_set(facts) if facts is not None else None
    if derivation is None:
        derivation = derive(problem)
    derived = tuple(problem.context[i] for i in derivation.evidence)
    return Verification(
        same_label(label, problem.category),
        stated == fact_set(problem.facts),
        None if derivation.category is None else same_label(label, derivation.category),
        None if not derived else stated == fact_set(derived),
    )


def verify_all(problems: Iterable[Problem], traces: Iterable[Trace]) -> pd.DataFrame:
    """Judge one trace a problem.

    Returns:
        One row a problem: ``id``, ``dataset``, ``category``, ``condition``, then the four verdicts of ``Verification``
        with ``correct``, ``free_correct`` and ``differ`` (True, False, or None).
    """
    rows = []
    for problem, trace in zip(problems, traces, strict=True):
        seen = verify(trace, problem)
        verdicts = {name: getattr(seen, name) for name in Verification.__dataclass_fields__}
        whole = {"correct": seen.correct, "free_correct": seen.free_correct, "differ": seen.differ}
        about = {"id": problem.id, "dataset": problem.dataset, "category": problem.category}
        rows.append({**about, "condition": trace.condition, **verdicts, **whole})
    return pd.DataFrame(rows).astype(dict.fromkeys((*Verification.__dataclass_fields__, *whole), object))
