"""CoTempQA facts: one sentence read into subject, relation, object and the days that it covers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tracekd.data.dates import NATIVE, Day, read_date, read_period, split_time

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

_PHRASE = "|".join(PHRASES).replace(" ", r"\s+")
_FACT = re.compile(rf"(.+?)\s+({_PHRASE})\s+(?:the (?<=member of the ))?(.+)$", re.DOTALL)
# The set's own form in one step, which nearly all facts have.
_NATIVE = re.compile(
    rf"(.+?) ({'|'.join(PHRASES)}) (?:the (?<=member of the ))?(.+?) (?:from ({NATIVE}) to ({NATIVE})|in ({NATIVE}))\.$"
)
# Quotation marks and spaces that one text may write in two ways.
_PLAIN = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"', "\u00a0": " "})


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact read.

    Attributes:
        subject, object: the two names as written; an object after "a member of the" is without "the".
        relation: one of ``RELATIONS``.
        start, end: the stated dates; the same ``Day`` for "in DATE", None where no time is stated or read.
        point: True for "in DATE", False for "from DATE to DATE".
        text: the sentence itself.
        span: first and last date as comparable numbers (``Day.order``), None where ``start`` is.
        unread: the stated time where it has no known form, else "".
        native: whether the time is written as in CoTempQA's own files.
    """

    subject: str
    relation: str
    object: str
    start: Day | None
    end: Day | None
    point: bool
    text: str
    span: tuple[int, int] | None
    unread: str = ""
    native: bool = True


@lru_cache(maxsize=65536)
def plain(text: str) -> str:
    """A text with straight quotation marks and single spaces, so that two spellings of a name are one."""
    return " ".join(text.translate(_PLAIN).split())


@lru_cache(maxsize=65536)
def parse(fact: str) -> Fact:
    """Read one fact sentence, such as ``A works for B from 1999 to May, 2001``; ``ValueError`` without a relation."""
    if native := _native(fact):
        return native
    match = _FACT.match(fact.replace("\u00a0", " ").strip().removesuffix(".").rstrip())
    if match is None:
        raise ValueError(f"fact {fact!r} holds none of the relation phrases {sorted(PHRASES)}: reword it with one")
    subject, phrase, rest = match.groups()
    thing, time = split_time(rest)
    names = (subject, PHRASES[" ".join(phrase.split())], thing.rstrip())
    if not time:
        return Fact(*names, None, None, False, fact, None)
    try:
        period = read_period(time)
    except ValueError:
        return Fact(*names, None, None, False, fact, None, time, False)
    span = (period.start.order, period.end.order)
    return Fact(*names, period.start, period.end, period.point, fact, span, "", period.native)


def _native(fact: str) -> Fact | None:
    if (match := _NATIVE.match(fact)) is None:
        return None
    subject, phrase, thing, start, end, at = match.groups()
    try:
        first = read_date(at or start)
        last = first if at else read_date(end)
    except ValueError:
        return None
    return Fact(subject, PHRASES[phrase], thing, first, last, bool(at), fact, (first.order, last.order))


def answer_slot(fact: str, triple: str) -> str:
    """The slot of a fact that can hold an answer: its subject for ``S2_R1_O1``, else its object."""
    if triple not in TRIPLES:
        raise ValueError(f"triple element {triple!r} is not one of {', '.join(TRIPLES)}")
    read = parse(fact)
    return read.subject if triple == "S2_R1_O1" else read.object


def answer_evidence(context: Sequence[str], answers: Iterable[str], triple: str) -> tuple[int, ...]:
    """Indices of the facts whose whole answer slot equals a gold answer (letter case and spaces aside)."""
    gold = {_same(answer) for answer in answers}
    return tuple(i for i, fact in enumerate(context) if _same(answer_slot(fact, triple)) in gold)


def _same(text: str) -> str:
    return plain(text).casefold()
