"""CoTempQA: its files read into problems, and its facts into subject, relation, object and the days that they cover."""

import calendar
import logging
import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tracekd.data.problem import CATEGORIES, Problem, build, check_fields, expect, paper_split
from tracekd.io.records import numbered_jsonl

log = logging.getLogger(__name__)
# Problems in the Hub's files. `index` counts through the four files in this order in the authors' test files; in
# training files it is the position in the Hub's file of the category.
SIZES = {"during": 3096, "equal": 436, "mix": 563, "overlap": 653}
EXPECTED = "equal.json, overlap.json, during.json and mix.json, or *_train.jsonl and *_test.jsonl of the same names"
_NAME = re.compile(r"(equal|overlap|during|mix)(?:_(train|test))?\.jsonl?(?:\.gz)?$")

# By relation: its phrases in the real files, in present and past tense; for the two others see ``derive_cotempqa``.
RELATIONS = pd.read_csv(Path(__file__).with_name("cotempqa_relations.csv"), index_col="relation")
PHRASES = {phrase: relation for relation, phrases in RELATIONS.fact.items() for phrase in phrases.split("|")}
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


def read_folder(folder: Path) -> list[Problem]:
    """Read each category: its whole file with the paper's split, else its training and its test file."""
    named = ((_NAME.match(path.name), path) for path in sorted(folder.glob("*"), reverse=True))
    files, problems = {match.groups(): path for match, path in named if match}, []
    for category in CATEGORIES["cotempqa"]:
        parts = [(category, None)] if (category, None) in files else [(category, "train"), (category, "test")]
        if len(found := [files[part] for part in parts if part in files]) < len(parts) and found:
            log.warning("cotempqa/%s: one of its two files is in the folder, so one split is empty", category)
        problems += [problem for path in found for problem in read_file(path)]
    return problems


def read_file(path: Path) -> list[Problem]:
    """One of CoTempQA's files, named by category and part; ids have the position in the Hub's file of the category."""
    if (match := _NAME.match(path.name)) is None:
        raise ValueError(f"{path}: the name of a file of CoTempQA says its category: expected {EXPECTED}")
    (category, part), places = match.groups(), count()
    first = sum(size for name, size in SIZES.items() if name < category) if part == "test" else 0

    def problem(row: dict) -> Problem:
        index = row.get("index") if part else next(places) + first
        right = type(index) is int and (not part or 0 <= index - first < SIZES[category])
        expect(right, "index", index, f"a whole number from {first} to {first + SIZES[category] - 1}")
        check_fields(row, ("question", "triple_element"), ("facts", "answer"))
        return cotempqa_problem(row, category, index - first, part or "")

    problems = paper_split(list(build(path, numbered_jsonl(path), problem)))
    if unread := [fact.unread for p in problems for fact in map(parse, p.context) if fact.unread]:
        log.warning("%s: %d times are not read, such as %r", path.name, len(unread), unread[0])
    if unanswered := sum(not p.evidence for p in problems):
        log.warning("%s: in %d of %d problems no fact holds a gold answer", path.name, unanswered, len(problems))
    return problems


def cotempqa_problem(row: dict, category: str, number: int, split: str) -> Problem:
    """One row of CoTempQA's JSON lines as a Problem; its gold facts are those whose answer slot is a gold answer."""
    facts, answers, triple = tuple(row["facts"]), tuple(row["answer"]), row["triple_element"]
    evidence = answer_evidence(facts, answers, triple)
    name, meta = f"cotempqa/{category or 'unlabelled'}/{number:04d}", {"triple_element": triple}
    return Problem(name, "cotempqa", category, facts, row["question"], answers, evidence, split, meta)


@lru_cache(maxsize=65536)
def read_date(text: str) -> int:
    """Read "2019", "March, 2019" or "March 11, 2019"; ``ValueError`` where it is none, or no day of the calendar.

    The number is year * 10000 + month * 100 + day, 0 for what is not stated: "2003" comes before "January, 2003".
    """
    match = _DATE.match(text)
    if match is None or match[1] not in (None, *MONTHS):
        raise ValueError(f"date {text!r}: expected one such as '2019', 'March, 2019' or 'March 11, 2019'")
    year, month, day = int(match[3]), MONTHS.index(match[1]) + 1 if match[1] else 0, int(match[2] or 0)
    date(year, month or 1, day or 1)  # raises where there is no such day
    return year * 10000 + month * 100 + day


class Fact(NamedTuple):
    """One fact read."""

    subject: str
    relation: str  # a value of ``PHRASES``
    object: str  # after "a member of the" without "the"
    span: tuple[int, int] | None  # first and last date, see ``read_date``; None where no time is stated or read
    stated: tuple[str, str] | None  # their texts, the same one twice for "in DATE"
    point: bool  # "in DATE"
    text: str
    unread: str = ""  # the stated time where it has not CoTempQA's form


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
    return parse(fact).subject if triple == "S2_R1_O1" else parse(fact).object


def answer_evidence(context: Sequence[str], answers: Iterable[str], triple: str) -> tuple[int, ...]:
    """Indices of the facts whose whole answer slot equals a gold answer (letter case and spaces aside)."""
    gold = {plain(answer).casefold() for answer in answers}
    return tuple(i for i, fact in enumerate(context) if plain(answer_slot(fact, triple)).casefold() in gold)
