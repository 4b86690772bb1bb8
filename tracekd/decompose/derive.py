"""One registry of the rules of every set: derive category, evidence and answers from context and question alone."""

from __future__ import annotations

from tracekd.data.problem import Problem
from tracekd.decompose import derive_babi, derive_cotempqa, derive_marco
from tracekd.decompose.derivation import Derivation, Step

__all__ = ["Derivation", "Step", "derive"]

_RULES = {"cotempqa": derive_cotempqa.derive, "babi": derive_babi.derive, "marco": derive_marco.derive}


def derive(problem: Problem) -> Derivation:
    """Derive category, evidence and answers from a problem's context and question; nothing else is looked at."""
    if problem.dataset not in _RULES:
        return Derivation(None, (), (), underivable=f"no rules for set {problem.dataset!r}")
    return _RULES[problem.dataset](problem.context, problem.question)
