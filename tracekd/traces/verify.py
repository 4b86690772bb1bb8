"""Exact verifier: is each step of a trace right, by the data set's gold and, gold-free, by the derivation?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.decompose.derive import Derivation, derive
from tracekd.text import normalise
from tracekd.traces.templates import Trace, read


@dataclass(frozen=True)
class Verification:
    """Verdicts on one trace; each is True, False, or None where there is none.

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
        return _both(self.classification, self.retrieval)

    @property
    def free_correct(self) -> bool | None:
        """Both steps right by the derivation."""
        return _both(self.free_classification, self.free_retrieval)

    @property
    def differ(self) -> bool | None:
        """Whether the two verdicts on the whole trace differ; None where one is missing."""
        return None if None in (self.correct, self.free_correct) else self.correct != self.free_correct


def _both(one: bool | None, two: bool | None) -> bool | None:
    return None if None in (one, two) else one and two


def verify(trace: Trace | str, problem: Problem, derivation: Derivation | None = None) -> Verification:
    """Judge classification and retrieval of a trace by what its text states, never by how it was built.

    Labels and sets of facts are compared as normalised.

    Args:
        trace: a trace, or its text.
        problem: what it is about.
        derivation: the problem's, if it is known; else it is derived.
    """
    label, facts = read(trace if isinstance(trace, str) else trace.text, problem.context)
    if label is None and facts is None:
        return Verification(None, None, None, None)
    derivation = derivation or derive(problem)
    named = None if label is None else normalise(label)
    stated = None if facts is None else _set(facts)
    return Verification(
        named == normalise(problem.category),
        stated == _set(problem.facts),
        None if derivation.category is None else named == normalise(derivation.category),
        stated == _set(problem.context[i] for i in derivation.evidence) if derivation.evidence else None,
    )


def _set(facts: Iterable[str]) -> frozenset[str]:
    return frozenset(filter(None, map(normalise, facts)))


def verify_all(problems: Iterable[Problem], traces: Iterable[Trace]) -> pd.DataFrame:
    """Judge one trace per problem.

    Returns:
        One row per problem: ``id``, ``dataset``, ``category``, ``condition``, then the four verdicts of
        ``Verification`` with ``correct``, ``free_correct`` and ``differ`` (True, False, or None).
    """
    rows = []
    for problem, trace in zip(problems, traces, strict=True):
        seen = verify(trace, problem)
        verdicts = asdict(seen) | {name: getattr(seen, name) for name in ("correct", "free_correct", "differ")}
        about = {"id": problem.id, "dataset": problem.dataset, "category": problem.category}
        rows.append({**about, "condition": trace.condition, **verdicts})
    return pd.DataFrame(rows).astype(dict.fromkeys(verdicts, object))
