"""One registry of the rules of every set: derive category, evidence and answers from context and question alone."""

from __future__ import annotations

from tracekd.data import custom
from tracekd.data.problem import Problem
from tracekd.decompose import derive_babi, derive_cotempqa, derive_marco
from tracekd.decompose.derivation import Derivation, Step

__all__ = ["Derivation", "Step", "derive"]

_BUILT_IN = {"cotempqa": derive_cotempqa.derive, "babi": derive_babi.derive, "marco": derive_marco.derive}


def derive(problem: Problem) -> Derivation:
    """Derive category, evidence and answers from a problem's context and question; nothing else is looked at.

    Raises:
        ValueError: rules of a custom set name a fact that the context does not have.
    """
    if problem.dataset in _BUILT_IN:
        return _BUILT_IN[problem.dataset](problem.context, problem.question)
    rules = custom.RULES.get(problem.dataset)
    if rules is None:
        return Derivation(None, (), (), underivable=f"no rules for set {problem.dataset!r}")
    label = rules.classify(problem) if rules.classify else None
    found = tuple(sorted(set(rules.retrieve(problem)))) if rules.retrieve else ()
    if wrong := [i for i in found if not 0 <= i < len(problem.context)]:
        raise ValueError(
            f"{problem.id}: retrieve gave index {wrong[0]}, but the context has {len(problem.context)} facts"
        )
    steps = (Step("own rules", "the set's own rules named the facts", found),)
    return Derivation(label, found, (), steps, "own rules name label and facts, not the answer")
