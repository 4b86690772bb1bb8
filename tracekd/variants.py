"""The nine traces that are put before a problem's answer: the student's own, right, wrong on purpose, or none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tracekd import corrupt, traces
from tracekd.implied import MASK, Implied, implied, key
from tracekd.problems import Problem

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
    ``wrong_label`` and ``wrong_facts`` have one step wrong (``corrupt``'s matched style), ``both_wrong`` joins that
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
    gold = (problem.category, problem.facts)
    made: dict[str, Variant] = {
        "own": _stated("own", own, problem) if own else _absent("own", "the output has no closed trace"),
        "gold": _given("gold", problem, *gold, source=problem),
        "empty": Variant("empty", "", implied(problem, None)),
        "other": _other(problem, others, seed),
        "shuffled": _changed("shuffled", problem, _shuffle(problem, seed)),
        "masked": _changed("masked", problem, _mask(problem)),
    }
    label = _drawn(lambda: corrupt.wrong_label(problem, seed))
    facts = _drawn(lambda: corrupt.wrong_facts(problem, seed))
    made["wrong_label"] = _corrupted("wrong_label", problem, label, problem.facts, source=problem)
    made["wrong_facts"] = _corrupted("wrong_facts", problem, problem.category, facts)
    made["both_wrong"] = _corrupted("both_wrong", problem, label, facts)
    return [made[name] for name in VARIANTS]


def _absent(name: str, reason: str) -> Variant:
    return Variant(name, None, left_out=reason)


def _given(name: str, problem: Problem, label: str, facts: Sequence[str], source: Problem | None = None) -> Variant:
    return Variant(name, traces.render(problem.dataset, label, facts), implied(problem, facts, source))


def _drawn(draw):
    """What ``corrupt`` draws, or the error that says why it cannot."""
    try:
        return draw()
    except ValueError as error:
        return error


def _corrupted(name: str, problem: Problem, label, facts, source: Problem | None = None) -> Variant:
    failed = next((part for part in (label, facts) if isinstance(part, ValueError)), None)
    return _absent(name, str(failed)) if failed else _given(name, problem, label, facts, source)


def _stated(name: str, text: str, problem: Problem) -> Variant:
    return Variant(name, text, implied(problem, traces.read(text)[1]))


def _changed(name: str, problem: Problem, facts: tuple[str, ...] | str) -> Variant:
    """A variant of the gold facts, or the reason why there is none."""
    return _absent(name, facts) if isinstance(facts, str) else _given(name, problem, problem.category, facts)


def _other(problem: Problem, others: Sequence[Problem], seed: int) -> Variant:
    pool = sorted((p for p in others if p.dataset == problem.dataset), key=lambda p: p.id)
    for i in corrupt.generator(seed, problem.id, "other").permutation(len(pool)):
        if pool[i].id != problem.id and key(pool[i].answers) != key(problem.answers):
            text = traces.build(pool[i], "correct").text
            return Variant("other", text, implied(problem, pool[i].facts, pool[i]), pool[i].id)
    return _absent("other", "no other problem of the set has another answer")


def _shuffle(problem: Problem, seed: int) -> tuple[str, ...] | str:
    """The gold facts in another order; of one fact its sentences; else why not."""
    one = len(problem.facts) == 1
    parts = tuple(re.split(r"(?<=[.!?])\s+", problem.facts[0])) if one else problem.facts
    if len(set(parts)) < 2:
        return "one sentence alone cannot be shuffled" if one else "no two different facts to shuffle"
    rng = corrupt.generator(seed, problem.id, "shuffle")
    drawn = parts
    while drawn == parts:
        drawn = tuple(parts[i] for i in rng.permutation(len(parts)))
    return (" ".join(drawn),) if one else drawn


def _mask(problem: Problem) -> tuple[str, ...] | str:
    """The gold facts with each gold answer string masked, letter case aside, whole words; else why not."""
    words = sorted(filter(None, problem.answers), key=len, reverse=True)  # an answer may stand within a longer one
    pattern = "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words)
    if not pattern:
        return "the problem has no answer string"
    found = [re.subn(pattern, MASK, fact, flags=re.IGNORECASE) for fact in problem.facts]
    if not sum(count for _, count in found):
        return "no gold answer string stands in the gold facts"
    return tuple(text for text, _ in found)
