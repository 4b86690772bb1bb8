"""What rules get from a problem's context and question alone: category, evidence, answers, and the steps there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a derivation.

    Attributes:
        kind: what is done, such as ``event``, ``compare`` or ``move``.
        text: the step in words, true of this problem.
        facts: indices of the context facts that it uses.
    """

    kind: str
    text: str
    facts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Derivation:
    """What the rules derive without a look at the gold steps.

    Attributes:
        category: the derived label, or None.
        evidence: indices of the facts that hold the answer, ascending.
        answers: the derived answers, in context order.
        steps: how it came about.
        underivable: why there is no answer; empty where there is one. Rules never guess.
    """

    category: str | None
    evidence: tuple[int, ...]
    answers: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    underivable: str = ""
