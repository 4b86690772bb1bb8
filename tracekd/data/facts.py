"""CoTempQA facts: one sentence read into subject, relation, object and the days that it covers."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

# Each relation's phrases in the real files, in present and past tense.
_TENSES = {
    "position": ("holds the position of", "held the position of"),
    "member": ("is a member of", "was a member of"),
    "school": ("attends", "attended"),
    "employer": ("works for", "worked for"),
    "team": ("plays for", "played for"),
    "chair": ("is the chair of", "was the chair of"),
    "head": ("is the head of", "was the head of"),
    "owner": ("is owned by", "was owned by"),
}
PHRASES = {phrase: relation for relation, phrases in _TENSES.items() for phrase in phrases}
RELATIONS = tuple(_TENSES)
TRIPLES = ("S1_R1_O2", "S1_R2_O2", "S2_R1_O1", "S2_R1_O2", "S2_R2_O2")
MONTHS = list(calendar.month_name)[1:]

_STATED = r"(?:[A-Z][a-z]+(?: \d{1,2})?, )?\d{3,4}"
_FACT = re.compile(
    rf"(.+?)\s+({'|'.join(PHRASES)})\s+(?:the (?<=member of the ))?(.+?)"
    rf"(?:\s+(?:from ({_STATED}) to ({_STATED})|in ({_STATED})))?\s*\.?$",
    re.DOTALL,
)
# The time of a fact in another form, which is not read: the last time word before a number.
_OTHER_TIME = re.compile(r"(.+)\s((?:from|between|in|on|since|until|before|after|about)\s.*\d.*)$")
_DATE = re.compile(r"(?:([A-Z][a-z]+)(?: (\d{1,2}))?, )?(\d{3,4})$")
# Quotation marks and spaces that one text may write in two ways.
_PLAIN = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "})


@lru_cache(maxsize=65536)
def read_date(text: str) -> int:
    """Read "2019", "March, 2019" or "March 11, 2019"; ``ValueError`` where it is none, or no day of the calendar.

    The number is year * 10000 + month * 100 + day with 0 for what is not stated, which is how CoTempQA orders dates:
    "2003" comes before "January, 2003".
    """
    match = _DATE.match(text)
    if match is None or match[1] not in (None, *MONTHS):
        raise ValueError(f"date {text!r}: expected one such as '2019', 'March, 2019' or 'March 11, 2019'")
    year, month, day = int(match[3]), MONTHS.index(match[1]) + 1 if match[1] else 0, int(match[2] or 0)
    date(year, month or 1, day or 1)  # raises where there is no such day
    return year * 10000 + month * 100 + day


class Fact(NamedTuple):
    """One fact read: subject, relation (one of ``RELATIONS``), object (after "a member of the" without "the").

    ``span`` is the first and last date as numbers (see ``read_date``), ``stated`` their texts: the same one twice for
    "in DATE" (``point``), None where no time is stated or read. ``text`` is the sentence, ``unread`` the stated time
    where it has not CoTempQA's form, else "".
    """

    subject: str
    relation: str
    object: str
    span: tuple[int, int] | None
    stated: tuple[str, str] | None
    point: bool
    text: str
    unread: str = ""


@lru_cache(maxsize=65536)
def plain(text: str) -> str:
    """A text with straight quotation marks and single spaces, so that two spellings of a name are one."""
    return " ".join(text.translate(_PLAIN).split())


@lru_cache(maxsize=65536)
def parse(fact: str) -> Fact:
    """Read one fact sentence, such as ``A works for B from 1999 to May, 2001``; ``ValueError`` without a relation."""
    match = _FACT.match(fact)
    if match is None:
        raise ValueError(f"fact {fact!r} holds none of the relation phrases {sorted(PHRASES)}: reword it with one")
    subject, phrase, thing, start, end, at = match.groups()
    stated = (at or start, at or end) if at or start else None
    span, unread = None, ""
    try:
        if stated:
            span = read_date(stated[0]), read_date(stated[1])
        elif other := _OTHER_TIME.match(thing):
            thing, unread = other.groups()
    except ValueError:
        stated, unread = None, f"in {at}" if at else f"from {start} to {end}"
    return Fact(subject, PHRASES[phrase], thing, span, stated, bool(at and span), fact, unread)


def answer_slot(fact: str, triple: str) -> str:
    """The slot of a fact that can hold an answer: its subject for ``S2_R1_O1``, else its object."""
    if triple not in TRIPLES:
        raise ValueError(f"triple_element is {triple!r}, expected one of {', '.join(TRIPLES)}")
    read = parse(fact)
    return read.subject if triple == "S2_R1_O1" else read.object


def answer_evidence(context: Sequence[str], answers: Iterable[str], triple: str) -> tuple[int, ...]:
    """Indices of the facts whose whole answer slot equals a gold answer (letter case and spaces aside)."""
    gold = {plain(answer).casefold() for answer in answers}
    return tuple(i for i, fact in enumerate(context) if plain(answer_slot(fact, triple)).casefold() in gold)
