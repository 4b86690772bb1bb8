"""CoTempQA facts: one sentence read into subject, relation, object and the days that it covers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_MONTH_NUMBER = {name: number for number, name in enumerate(MONTHS, start=1)}

# Every relation phrase of the real files, in present and past tense, to the relation's one name.
PHRASES = {
    "holds the position of": "position",
    "held the position of": "position",
    "is a member of": "member",
    "was a member of": "member",
    "attends": "school",
    "attended": "school",
    "works for": "employer",
    "worked for": "employer",
    "plays for": "team",
    "played for": "team",
    "is the chair of": "chair",
    "was the chair of": "chair",
    "is the head of": "head",
    "was the head of": "head",
    "is owned by": "owner",
    "was owned by": "owner",
}
RELATIONS = tuple(dict.fromkeys(PHRASES.values()))
TRIPLES = ("S1_R1_O2", "S1_R2_O2", "S2_R1_O1", "S2_R1_O2", "S2_R2_O2")

_DATE = r"(?:[A-Z][a-z]+(?: \d{1,2})?, )?\d{3,4}"
_FACT = re.compile(
    rf"(.+?) ({'|'.join(PHRASES)}) (?:the (?<=member of the ))?(.+?)"
    rf"(?: from ({_DATE}) to ({_DATE})| in ({_DATE}))?\.?$"
)


@dataclass(frozen=True, slots=True)
class Day:
    """One stated date as the span of days that it may mean.

    Attributes:
        first, last: proleptic ordinals of the span's first and last day (``datetime.date.toordinal``).
        precision: ``day``, ``month`` or ``year``, the unit in which the date is stated.
        order: the date as a number to compare, ``year * 10000 + month * 100 + day``, with 0 for what is not
            stated. CoTempQA orders dates so: "2003" comes before "January, 2003".
        text: the date as written.
    """

    first: int
    last: int
    precision: str
    order: int
    text: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact read.

    Attributes:
        subject, object: the two names as written; an object after "a member of the" is without "the".
        relation: one of ``RELATIONS``.
        start, end: the stated dates; the same ``Day`` for "in DATE", None where no time is stated.
        point: True for "in DATE", False for "from DATE to DATE".
        text: the sentence itself.
        span: first and last date as comparable numbers (``Day.order``), None where no time is stated.
    """

    subject: str
    relation: str
    object: str
    start: Day | None
    end: Day | None
    point: bool
    text: str
    span: tuple[int, int] | None


@lru_cache(maxsize=65536)
def read_date(text: str) -> Day:
    """Read ``2019``, ``March, 2019`` or ``March 11, 2019``.

    Raises:
        ValueError: the text is none of the three forms, or names no day of the calendar.
    """
    words = text.replace(",", " ").split()
    try:
        year = int(words[-1])
        if len(words) == 1:
            return Day(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal(), "year", year * 10000, text)
        month = _MONTH_NUMBER[words[0]]
        order = year * 10000 + month * 100
        if len(words) == 2:
            after = date(year + month // 12, month % 12 + 1, 1)
            return Day(date(year, month, 1).toordinal(), (after - timedelta(days=1)).toordinal(), "month", order, text)
        day = date(year, month, int(words[1])).toordinal()
        return Day(day, day, "day", order + int(words[1]), text)
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(
            f"date {text!r} is not a year, 'Month, year' or 'Month day, year': write it as 'March 11, 2019'"
        ) from error


@lru_cache(maxsize=65536)
def parse(fact: str) -> Fact:
    """Read one fact sentence, such as ``A works for B from 1999 to May, 2001``.

    Raises:
        ValueError: no known relation phrase, or a date that the calendar does not have.
    """
    match = _FACT.match(fact)
    if match is None:
        raise ValueError(f"fact {fact!r} holds none of the relation phrases {sorted(PHRASES)}: reword it with one")
    subject, phrase, thing, start, end, at = match.groups()
    if at:
        start = end = at
    first, last = (read_date(start), read_date(end)) if start else (None, None)
    span = (first.order, last.order) if first else None
    return Fact(subject, PHRASES[phrase], thing, first, last, bool(at), fact, span)


def answer_slot(fact: str, triple: str) -> str:
    """The slot of a fact that can hold an answer: its subject for ``S2_R1_O1``, else its object."""
    if triple not in TRIPLES:
        raise ValueError(f"triple element {triple!r} is not one of {', '.join(TRIPLES)}")
    read = parse(fact)
    return read.subject if triple == "S2_R1_O1" else read.object


def answer_evidence(context: Sequence[str], answers: Iterable[str], triple: str) -> tuple[int, ...]:
    """Indices of the facts whose whole answer slot equals a gold answer (letter case and spaces aside).

    Args:
        context: the facts.
        answers: the gold answers.
        triple: one of ``TRIPLES``.
    """
    gold = {_same(answer) for answer in answers}
    return tuple(i for i, fact in enumerate(context) if _same(answer_slot(fact, triple)) in gold)


def _same(text: str) -> str:
    return " ".join(text.casefold().split())
