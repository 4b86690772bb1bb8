"""Dated intervals for generated CoTempQA facts: drawn, worded, and compared exactly.

A stated date is a span: a day, a month or a year. Every planted relation is true under three readings of dates, so
that no convention can change the truth of a generated problem: from the first day of the start to the last day of
the end; from first day to first day; and the real files' own, by (year, month, day) with 0 for what is not stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from tracekd.dates import MONTHS
from tracekd.generated_draws import between, pick, weighted

# Precision of dates, as in the real files: "from A to B" facts, and "in D" facts.
_FROM_PRECISION = {"year": 55, "day": 31, "month": 14}
_IN_PRECISION = {"year": 43, "day": 30, "month": 27}
_UNIT = {"year": 365, "month": 30, "day": 1}
# The real files end in 2023; 90% of their dates lie between 1899 and 2019, so the few early ones are left out here.
_EARLIEST, _LATEST = date(1850, 1, 1).toordinal(), date(2023, 6, 30).toordinal()
_TRIES = 60


@dataclass(frozen=True, slots=True)
class Interval:
    """A dated interval and its wording.

    Attributes:
        start, end: first days of the stated start and end (proleptic ordinals).
        last: last day of the stated end.
        order: start and end as stated, year * 10,000 + month * 100 + day with 0 for what is not stated.
        words: "from A to B" or "in D".
    """

    start: int
    end: int
    last: int
    order: tuple[int, int]
    words: str


def relation(a: Interval, b: Interval) -> str:
    """``equal``, ``during`` (one lies in the other), ``overlap`` (in part), ``none``, or ``unclear``.

    Unclear means that the readings of the dates differ, or that the intervals only touch.
    """
    full = _relation(a.start, a.last, b.start, b.last)
    others = _relation(a.start, a.end, b.start, b.end), _relation(*a.order, *b.order)
    return full if others == (full, full) else "unclear"


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
    precision = precision or weighted(rng, _FROM_PRECISION)
    first, _, began, words = _stated(start, precision)
    length = min(length, _LATEST - start)
    # The end falls into a later unit than the start: "from 1990 to 1990" is not said.
    end, last, ended, end_words = _stated(
        max(start + length, first + _UNIT[precision] + 31 * (precision != "day")), precision
    )
    return Interval(first, end, last, (began, ended), f"from {words} to {end_words}")


def at(rng: np.random.Generator, day: int, precision: str | None = None) -> Interval:
    """An interval "in D" that holds the given day."""
    first, last, order, words = _stated(day, precision or weighted(rng, _IN_PRECISION))
    return Interval(first, first, last, (order, order), f"in {words}")


def _stated(day: int, precision: str) -> tuple[int, int, int, str]:
    """First and last day, place in the order of stated dates, and wording of the day, month or year of a day."""
    when = date.fromordinal(day)
    if precision == "day":
        return (
            day,
            day,
            when.year * 10000 + when.month * 100 + when.day,
            f"{MONTHS[when.month - 1]} {when.day}, {when.year}",
        )
    if precision == "month":
        later = date(when.year + when.month // 12, when.month % 12 + 1, 1).toordinal()
        order = when.year * 10000 + when.month * 100
        return day - when.day + 1, later - 1, order, f"{MONTHS[when.month - 1]}, {when.year}"
    return date(when.year, 1, 1).toordinal(), date(when.year, 12, 31).toordinal(), when.year * 10000, str(when.year)


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
    """An interval that stands in the wanted relation to another, or None if the tries run out.

    With ``point`` a single date ("in D") within the other; else "from A to B" where the relation is not ``equal``.
    """
    if wanted == "equal":
        return to
    for _ in range(_TRIES):
        inside = to.start + int(rng.random() * (to.last - to.start + 1))
        found = at(rng, inside) if point else _proposal(rng, to, wanted, inside)
        if relation(found, to) == wanted:
            return found
    return None


def _proposal(rng: np.random.Generator, to: Interval, wanted: str, inside: int) -> Interval:
    precision = "day" if ", " in to.words and rng.random() < 0.6 else None
    if wanted == "overlap":
        if rng.random() < 0.5:
            return from_to(rng, inside, to.last - inside + length(rng, 3.0), precision)
        start = to.start - length(rng, 3.0)
        return from_to(rng, start, inside - start, precision)
    if to.end > to.start and rng.random() < 0.1:
        return from_to(rng, inside, (to.last - inside) // 2)
    start = to.start - int(length(rng) * rng.random())
    return from_to(rng, start, to.last - start + int(length(rng) * rng.random()), precision)


def elsewhere(rng: np.random.Generator, to: Interval) -> Interval:
    """An interval that has no day in common with another and does not touch it."""
    while True:
        found = anywhere(rng, to)
        if found.last + 1 < to.start or to.last + 1 < found.start:
            return found


def anywhere(rng: np.random.Generator, near: Interval) -> Interval:
    """An interval in the decades around another: no relation is promised."""
    offset = pick(rng, (-1, 1)) * int(365 * min(45.0, 9.0 * np.exp(0.9 * rng.standard_normal())))
    start = min(max((near.start if offset < 0 else near.last) + offset, _EARLIEST), _LATEST - 1500)
    return from_to(rng, start, length(rng, 3.0)) if rng.random() < 0.5 else at(rng, start)
