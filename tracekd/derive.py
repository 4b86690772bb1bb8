"""Derivations: category, evidence and answers from context and question alone, with the steps that lead there."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from tracekd.problems import Problem


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a derivation.

    Attributes:
        kind: what is done, such as ``event``, ``compare`` or ``move``; each reader lists its own.
        text: the step in words, true of this problem.
        facts: indices of the context facts that it uses.
        spans: for dates, the compared intervals as ``(start, end)`` texts; empty otherwise.
    """

    kind: str
    text: str
    facts: tuple[int, ...] = ()
    spans: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Derivation:
    """What the rules get from context and question, without a look at the gold steps.

    Attributes:
        category: the derived label, or None.
        evidence: indices of the facts that hold the answer, ascending.
        answers: the derived answers, in context order.
        steps: how it came about.
        underivable: why there is no answer; empty where there is one. A derivation never guesses: without an
            answer, ``answers`` is empty and this says why.
    """

    category: str | None
    evidence: tuple[int, ...]
    answers: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    underivable: str = ""


@dataclass(frozen=True)
class Rules:
    """Rules for a set of one's own: two functions of a problem, either may be left out.

    Attributes:
        classify: problem to label, or None where it cannot be told.
        retrieve: problem to indices of the facts needed.
    """

    classify: Callable[[Problem], str | None] | None = None
    retrieve: Callable[[Problem], tuple[int, ...]] | None = None


_READERS = {"cotempqa": "tracekd.derive_cotempqa", "babi": "tracekd.derive_babi", "marco": "tracekd.derive_marco"}
_PLUGGED: dict[str, Rules] = {}


def plug(dataset: str, rules: Rules | None) -> None:
    """Give a set of one's own its rules, so that it too gets derivations; None takes those of an earlier file away.

    Raises:
        ValueError: the name is that of a set with rules of its own.
    """
    if dataset in _READERS:
        raise ValueError(f"set {dataset!r} has its rules in {_READERS[dataset]}: give your own set another name")
    if rules is None:
        _PLUGGED.pop(dataset, None)
    else:
        _PLUGGED[dataset] = rules


def derivable(dataset: str) -> bool:
    """Whether there are rules for a set."""
    return dataset in _READERS or dataset in _PLUGGED


def derive(problem: Problem) -> Derivation:
    """Derive category, evidence and answers from a problem's context and question; nothing else is looked at."""
    if problem.dataset in _READERS:
        return importlib.import_module(_READERS[problem.dataset]).derive(problem.context, problem.question)
    rules = _PLUGGED.get(problem.dataset)
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
