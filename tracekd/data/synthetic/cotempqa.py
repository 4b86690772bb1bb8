"""Generated CoTempQA problems: what else held while something held, among facts that did not.

A stated date is a day, a month or a year. Every planted relation is true under three readings of dates, so that no
convention changes the truth of a generated problem: from the first day of the start to the last day of the end; from
first day to first day; and the real files' own, by (year, month, day) with 0 for what is not stated.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np

from tracekd.data.facts import MONTHS, Day, read_date
from tracekd.data.synthetic.draws import VOCABULARY, between, fill, pick, several, weighted

# Wordings, and shares counted in the real files.
_WORDS = VOCABULARY["cotempqa"]
_UNIT = {"year": 365, "month": 30, "day": 1}
# The real files end in 2023; 90% of their dates lie between 1899 and 2019, so the few early ones are left out here.
_EARLIEST, _LATEST = date(1850, 1, 1).toordinal(), date(2023, 6, 30).toordinal()
_TRIES = 60


def make(category: str, rng: np.random.Generator) -> dict:
    """One problem of a category as the parts of a ``Problem``: context, question, answers, evidence, meta."""
    triple = weighted(rng, _WORDS["triples"][category])
    if "R2" in triple:
        held, asked = weighted(rng, _WORDS["changes"]).split()
    else:
        held = asked = weighted(rng, _WORDS["same"][triple])
    main = event(rng, "overlap" if category == "mix" else category)
    golds = None
    while golds is None:
        golds = _golds(rng, category, main)
    cast = _Cast(rng)
    subject, thing = cast.subject(held), cast.thing(held)
    other = cast.subject(asked) if triple.startswith("S2") else subject
    facts = [_fact(subject, held, thing, main)]
    if triple == "S2_R1_O1":
        facts += [_fact(cast.subject(held), held, thing, when) for when in golds]
        size = 10 if rng.random() < 0.78 else between(rng, 11, 17)
        facts += [_fact(cast.subject(held), held, thing, elsewhere(rng, main)) for _ in range(size - len(facts))]
        slots = [fact[1] for fact in facts[1 : len(golds) + 1]]
        ask = _WORDS["ask_subject"][held].format(o=thing)
    else:
        facts += [_fact(other, asked, cast.thing(asked), when) for when in golds]
        facts += _distractors(rng, cast, triple, (subject, held), (other, asked), main, len(facts))
        slots = [fact[2] for fact in facts[1 : len(golds) + 1]]
        special = _WORDS["ask_special"].get(triple, {})
        ask = special.get(asked, _WORDS["ask_object"][asked]).format(s=other)
    order = several(rng, range(len(facts)), len(facts))
    return {
        "context": tuple(facts[i][0] for i in order),
        "question": f"While {subject} {_WORDS['while'][held]} {thing}, {ask} {pick(rng, _WORDS['tails'])}?",
        "answers": tuple(several(rng, slots, len(slots))),
        "evidence": tuple(place for place, i in enumerate(order) if 1 <= i <= len(golds)),
        "meta": {"triple_element": triple},
    }


def _golds(rng, category: str, main: Interval) -> list[Interval] | None:
    """When the answers held, or None if the event leaves no room for them.

    In the real files an event with a duration seldom has answers with a single date beside answers with durations;
    here it never has.
    """
    kinds = [category] * int(weighted(rng, _WORDS["answers"][category]))
    if category == "during" and not main.point and rng.random() < 0.24:
        return None if (when := related(rng, main, category, point=True)) is None else [when] * len(kinds)
    if category == "mix":
        first = several(rng, ("equal", "during", "during", "overlap", "overlap"), 5)
        first = [first[0], next(kind for kind in first if kind != first[0])]
        kinds = first + [pick(rng, ("during", "overlap")) for _ in kinds[2:]]
    golds = [related(rng, main, kind) for kind in kinds]
    return None if None in golds else golds


class _Cast:
    """Names for one problem, none given twice: an object that came twice would blur which fact answers."""

    def __init__(self, rng):
        self._rng, self._taken = rng, set()

    def subject(self, relation: str) -> str:
        return self._new("{asset}" if relation == "owner" else "{person}")

    def thing(self, relation: str) -> str:
        # One heads what one could chair: the same kind of body.
        return self._new("{chair}" if relation == "head" else f"{{{relation}}}")

    def _new(self, form: str) -> str:
        while (name := fill(self._rng, form)) in self._taken:
            pass
        self._taken.add(name)
        return name


def _distractors(rng, cast: _Cast, triple: str, held: tuple, asked: tuple, main: Interval, n: int) -> list[tuple]:
    """Facts of the form asked for that do not co-occur, and facts of other forms at any time.

    As in the real files, each (subject, relation) of the question has up to ten facts, questions on two people come
    with other relations of both, and some of these facts are in the past tense.
    """

    def past() -> bool:
        return rng.random() < 0.13

    same = 10 - n + (held != asked)
    facts = [_fact(*asked, cast.thing(asked[1]), elsewhere(rng, main), past()) for _ in range(same)]
    if triple != "S1_R1_O2":
        facts += [_fact(*held, cast.thing(held[1]), anywhere(rng, main), past()) for _ in range(between(rng, 9, 10))]
    if triple in ("S2_R1_O2", "S2_R2_O2"):
        for _ in range(between(rng, 7, 13)):
            who = pick(rng, (held, asked))[0]
            kind = weighted(rng, {r: w for r, w in _WORDS["others"].items() if (who, r) not in (held, asked)})
            # In the real files whatever else the second person did meanwhile is gold as well (``derive_cotempqa``).
            meanwhile = who == asked[0] and held[1] not in (asked[1], kind)
            when = elsewhere(rng, main) if meanwhile else anywhere(rng, main)
            facts.append(_fact(who, kind, cast.thing(kind), when, past()))
    return facts


def _fact(subject: str, kind: str, thing: str, when: Interval, past: bool = False) -> tuple[str, str, str]:
    """The sentence of a fact, its subject and its object; only employers are said in the past tense."""
    verb = "worked for" if past and kind == "employer" else _WORDS["verbs"][kind]
    return f"{subject} {verb} {thing} {when.words}.", subject, thing


class Interval(NamedTuple):
    """A dated interval, worded "from START to END" or "in DATE" (``point``)."""

    start: Day
    end: Day
    point: bool = False

    @property
    def words(self) -> str:
        """The interval as a fact states it."""
        return f"in {self.start.text}" if self.point else f"from {self.start.text} to {self.end.text}"


def relation(a: Interval, b: Interval) -> str:
    """``equal``, ``during`` (one lies in the other), ``overlap`` (in part), ``none``, or ``unclear``.

    Unclear means that the readings of the dates differ, or that the intervals only touch.
    """
    readings = ("first", "last"), ("first", "first"), ("order", "order")
    found = {
        _relation(*(getattr(day, name) for i in (a, b) for day, name in zip(i[:2], names, strict=True)))
        for names in readings
    }
    return found.pop() if len(found) == 1 else "unclear"


def _relation(s: int, e: int, t: int, f: int) -> str:
    if (s, e) == (t, f):
        return "equal"
    if e < t or f < s:
        return "none"
    if (s <= t and f <= e) or (t <= s and e <= f):
        return "during"
    return "unclear" if e == t or f == s else "overlap"


def from_to(rng: np.random.Generator, start: int, length: int, precision: str | None = None) -> Interval:
    """An interval "from A to B" that starts about ``start`` and is about ``length`` days long."""
    precision = precision or weighted(rng, _WORDS["precision"]["from"])
    first = _stated(start, precision)
    # The end falls into a later unit than the start: "from 1990 to 1990" is not said.
    later = first.first + _UNIT[precision] + 31 * (precision != "day")
    return Interval(first, _stated(max(start + min(length, _LATEST - start), later), precision))


def at(rng: np.random.Generator, day: int) -> Interval:
    """An interval "in D" that holds the given day."""
    stated = _stated(day, weighted(rng, _WORDS["precision"]["in"]))
    return Interval(stated, stated, point=True)


def _stated(day: int, precision: str) -> Day:
    """The day, month or year of a day."""
    when = date.fromordinal(day)
    month = MONTHS[when.month - 1]
    words = {"year": f"{when.year}", "month": f"{month}, {when.year}", "day": f"{month} {when.day}, {when.year}"}
    return read_date(words[precision])


def length(rng: np.random.Generator, scale: float = 4.0) -> int:
    """Days that a stay lasts: log-normal around ``scale`` years, as skewed as the real ones, at most 40 years."""
    return int(min(40.0, scale * np.exp(rng.standard_normal())) * 365)


def event(rng: np.random.Generator, wanted: str) -> Interval:
    """The interval of the event in question, of a form that allows the wanted relations."""
    start = date(between(rng, 1900, 2012), between(rng, 1, 12), between(rng, 1, 28)).toordinal()
    if wanted == "equal":
        return at(rng, start) if rng.random() < 0.62 else from_to(rng, start, length(rng, 2.5))
    if wanted == "during" and rng.random() < 0.24:
        return at(rng, start)
    return from_to(rng, start, 400 + length(rng, 5.0 if wanted == "overlap" else 3.0))


def related(rng: np.random.Generator, to: Interval, wanted: str, point: bool = False) -> Interval | None:
    """An interval (a single date with ``point``) in the wanted relation to another, or None if the tries run out."""
    if wanted == "equal":
        return to
    for _ in range(_TRIES):
        inside = to.start.first + int(rng.random() * (to.end.last - to.start.first + 1))
        found = at(rng, inside) if point else _proposal(rng, to, wanted, inside)
        if relation(found, to) == wanted:
            return found
    return None


def _proposal(rng: np.random.Generator, to: Interval, wanted: str, inside: int) -> Interval:
    first, last = to.start.first, to.end.last
    precision = "day" if ", " in to.words and rng.random() < 0.6 else None
    if wanted == "overlap":
        if rng.random() < 0.5:
            return from_to(rng, inside, last - inside + length(rng, 3.0), precision)
        start = first - length(rng, 3.0)
        return from_to(rng, start, inside - start, precision)
    if to.end.first > first and rng.random() < 0.1:
        return from_to(rng, inside, (last - inside) // 2)
    start = first - int(length(rng) * rng.random())
    return from_to(rng, start, last - start + int(length(rng) * rng.random()), precision)


def elsewhere(rng: np.random.Generator, to: Interval) -> Interval:
    """An interval that has no day in common with another and does not touch it."""
    while True:
        found = anywhere(rng, to)
        if found.end.last + 1 < to.start.first or to.end.last + 1 < found.start.first:
            return found


def anywhere(rng: np.random.Generator, near: Interval) -> Interval:
    """An interval in the decades around another, in any relation to it."""
    offset = pick(rng, (-1, 1)) * int(365 * min(45.0, 9.0 * np.exp(0.9 * rng.standard_normal())))
    start = min(max((near.start.first if offset < 0 else near.end.last) + offset, _EARLIEST), _LATEST - 1500)
    return from_to(rng, start, length(rng, 3.0)) if rng.random() < 0.5 else at(rng, start)
