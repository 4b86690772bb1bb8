"""The nine traces that are put before a problem's answer: the student's own, right, wrong on purpose, or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.interventions.implied import MASK, Implied, implied, key
from tracekd.traces import corruption, templates

VARIANTS = (
    "own", "gold", "wrong_label", "wrong_facts", "both_wrong", "other", "empty", "shuffled", "masked",
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One trace to put before the answer of a problem.

    Attributes:
        name: one of ``VARIANTS``.
        text: what stands between ``<think>`` and ``</think>``; None where the variant does not exist for the problem.
        implied: the answer that the trace implies.
        donor: id of the problem that ``other`` was taken from, else None.
        left_out: why the variant does not exist; empty where it does.
    """

    name: str
    text: str | None
    implied: Implied = field(default_factory=lambda: Implied(None))
    donor: str | None = None
    left_out: str = ""


def variants(problem: Problem, own: str | None, *, others: Sequence[Problem], seed: int) -> list[Variant]:
    """The nine traces of one problem, always in the order of ``VARIANTS``; what does not exist says why.

    ``own`` is the student's own trace (right or wrong, in whatever form), ``gold`` right label and right facts.
    ``wrong_label`` and ``wrong_facts`` have one step wrong (``corruption``'s matched style), ``both_wrong`` joins that
    same label and those same facts, so that the four are a 2 x 2. ``other`` is the gold trace of another problem of
    the set, never one with the same answer; ``empty`` has no text. ``shuffled`` is gold with its facts in another
    order, or, where there is one fact alone, with that fact's sentences in another order; ``masked`` is gold with
    every gold answer string masked.

    Args:
        problem: the problem with its gold steps.
        own: the trace text of the student's output, or None.
        others: the pool of ``other``, in any order; the problem itself may be in it.
        seed: with the problem's id it decides every draw; the order of problems does not matter.
    """
    label = _drawn(corruption.wrong_label, problem, seed)
    wrong = _drawn(corruption.wrong_facts, problem, seed)
    category, gold = problem.category, problem.facts

    def stating(name: str, label, facts, source: Problem | None = None) -> Variant:
        """The trace of a label and facts, or the reason why one of the two does not exist."""
        if failed := next((part for part in (label, facts) if isinstance(part, ValueError)), None):
            return Variant(name, None, left_out=str(failed))
        return Variant(name, templates.render(problem.dataset, label, facts), implied(problem, facts, source))

    if own:
        first = Variant("own", own, implied(problem, templates.read(own)[1]))
    else:
        first = Variant("own", None, left_out="the output has no closed trace")
    return [
        first,
        stating("gold", category, gold, problem),
        stating("wrong_label", label, gold, problem),
        stating("wrong_facts", category, wrong),
        stating("both_wrong", label, wrong),
        _other(problem, others, seed),
        Variant("empty", "", implied(problem, None)),
        stating("shuffled", category, _drawn(_shuffle, problem, seed)),
        stating("masked", category, _drawn(_mask, problem)),
    ]


def as_table(made: Sequence[Variant]) -> pd.DataFrame:
    """Columns ``trace``, ``label`` and ``facts`` as stated, ``implies`` (the implied answer), ``by`` (which rule)."""
    read = [templates.read(variant.text) if variant.text else (None, None) for variant in made]
    return pd.DataFrame(
        {
            "trace": [variant.name for variant in made],
            "label": [label or "" for label, _ in read],
            "facts": [" ".join(facts or ()) for _, facts in read],
            "implies": [", ".join(variant.implied.answers or ()) for variant in made],
            "by": [variant.implied.by or "" for variant in made],
        }
    )


def _drawn(draw: Callable, *args):
    """What a function draws, or the error that says why it cannot."""
    try:
        return draw(*args)
    except ValueError as error:
        return error


def _other(problem: Problem, others: Sequence[Problem], seed: int) -> Variant:
    pool = sorted((p for p in others if p.dataset == problem.dataset), key=lambda p: p.id)
    for i in corruption.generator(seed, problem.id, "other").permutation(len(pool)):
        if pool[i].id != problem.id and key(pool[i].answers) != key(problem.answers):
            text = templates.build(pool[i], "correct").text
            return Variant("other", text, implied(problem, pool[i].facts, pool[i]), pool[i].id)
    return Variant("other", None, left_out="no other problem of the set has another answer")


def _shuffle(problem: Problem, seed: int) -> tuple[str, ...]:
    """The gold facts in another order; of one fact its sentences."""
    one = len(problem.facts) == 1
    parts = tuple(re.split(r"(?<=[.!?])\s+", problem.facts[0])) if one else problem.facts
    if len(set(parts)) < 2:
        raise ValueError("one sentence alone cannot be shuffled" if one else "no two different facts to shuffle")
    rng = corruption.generator(seed, problem.id, "shuffle")
    drawn = parts
    while drawn == parts:
        drawn = tuple(parts[i] for i in rng.permutation(len(parts)))
    return (" ".join(drawn),) if one else drawn


def _mask(problem: Problem) -> tuple[str, ...]:
    """The gold facts with each gold answer string masked, letter case aside, whole words."""
    words = sorted(filter(None, problem.answers), key=len, reverse=True)  # an answer may stand within a longer one
    if not words:
        raise ValueError("the problem has no answer string")
    pattern = "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words)
    masked = tuple(re.sub(pattern, MASK, fact, flags=re.IGNORECASE) for fact in problem.facts)
    if masked == problem.facts:
        raise ValueError("no gold answer string stands in the gold facts")
    return masked
