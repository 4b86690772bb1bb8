"""Derive category, evidence and answers from a problem's context and question alone, by the rules of its set."""

from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from tracekd.data.problem import DATASETS, Problem


class Step(NamedTuple):
    """One step: what is done (``event``, ``compare``, ``move`` and so on), in words, and indices of the facts used."""

    kind: str
    text: str
    facts: tuple[int, ...] = ()


class Derivation(NamedTuple):
    """What the rules derive without a look at the gold steps.

    ``category`` is the derived label or None, ``evidence`` the indices of the facts that hold the answer, ascending;
    ``answers`` are in context order; ``underivable`` is why there is none, "" where there is one. Rules never guess.
    """

    category: str | None
    evidence: tuple[int, ...]
    answers: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    underivable: str = ""


def none(category: str | None, reason: str, steps: Sequence[Step] = ()) -> Derivation:
    """A derivation that found no answer, and why."""
    return Derivation(category, (), (), tuple(steps), reason)


def derive(problem: Problem) -> Derivation:
    """Derive category, evidence and answers from a problem's context and question; nothing else is looked at."""
    if problem.dataset not in DATASETS:
        return none(None, f"no rules for set {problem.dataset!r}")
    rules = import_module(f"tracekd.decompose.derive_{problem.dataset}")  # they import this module
    return rules.derive(problem.context, problem.question)
