"""Exact verifier: is each step of a trace right by gold? ``aligned.passes_check`` judges without gold."""

from __future__ import annotations

from typing import NamedTuple

from tracekd.data.problem import Problem
from tracekd.labels import fact_set, same_label
from tracekd.traces.templates import Trace, read


class Verification(NamedTuple):
    """Verdicts on the two steps of a trace; None for a trace without steps (vanilla, free-form)."""

    classification: bool | None = None
    retrieval: bool | None = None

    @property
    def correct(self) -> bool | None:
        """Both steps are right."""
        return None if self.classification is None else self.classification and self.retrieval


def verify(trace: Trace | str, problem: Problem) -> Verification:
    """Judge both steps by what a trace's text states, never by how it was built; a step that is not stated is wrong."""
    label, facts = read(trace if isinstance(trace, str) else trace.text, problem.context)
    if label is None and facts is None:
        return Verification()
    retrieved = facts is not None and fact_set(facts) == fact_set(problem.facts)
    return Verification(same_label(label, problem.category), retrieved)
