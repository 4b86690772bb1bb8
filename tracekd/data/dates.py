"""Stated dates and periods: read into days, in the forms of CoTempQA and in other usual ones.

CoTempQA writes "2019", "March, 2019" and "March 11, 2019", alone after "in" or as "from DATE to DATE". Read beside
these: "11 March 2019", "March 2019", "Mar. 11th, 2019", ISO ("2019-03-11", "2019-03"), years BC and AD, open ends
("to present", "since 2001", "until 2004"), "between DATE and DATE", "DATE-DATE". Not read, and named as such: numbers
with slashes or dots (which one is the month is not said), centuries, decades, seasons, "about".
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import NamedTuple

MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
]  # fmt: skip
# By its first three letters, so that "Sept." and "Sep" are September, too.
_MONTH_NUMBER = {name[:3].lower(): number for number, name in enumerate(MONTHS, start=1)}
_MONTH = r"(?P<month>(?:jan|febr?|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_ERA = r"(?: ?(?P<era>bce?|b\.c\.(?:e\.)?|ad|ce|a\.d\.))?"
_YEAR = r"(?P<year>\d{1,4})" + _ERA
_FORMS = tuple(
    re.compile(form + "$", re.IGNORECASE)
    for form in (
        _YEAR,
        rf"{_MONTH},? {_YEAR}",
        rf"{_MONTH} {_DAY},? {_YEAR}",
        rf"{_DAY} (?:of )?{_MONTH},? {_YEAR}",
        r"(?P<year>\d{4})-(?P<month>\d{2})(?:-(?P<day>\d{2}))?",
    )
)
_OPEN_END = re.compile(r"(?:the )?(?:present(?: day)?|now|today|date)$", re.IGNORECASE)
UNREAD_HELP = "a limit of this reader; write dates as '2019', 'March, 2019' or 'March 11, 2019'"
# 400 years of the calendar have the same number of days, so years before 1 are read 400 n years later and moved back.
_CYCLE, _CYCLE_DAYS = 400, 146097
_FAR = 9999


@dataclass(frozen=True, slots=True)
class Day:
    """One stated date as the span of days that it may mean.

    Attributes:
        first, last: the span's first and last day as proleptic ordinals (below 1 before the year 1).
        precision: the unit stated: ``day``, ``month`` or ``year``; ``open`` for an end that is not stated ("present").
        order: ``year * 10000 + month * 100 + day`` with 0 for what is not stated, which is how CoTempQA orders dates:
            "2003" comes before "January, 2003". The year before 1 AD is 0.
        text: the date as written.
    """

    first: int
    last: int
    precision: str
    order: int
    text: str


@lru_cache(maxsize=65536)
def read_date(text: str) -> Day:
    """Read one date in any of the module's forms; ``ValueError`` where it is none, or no day of the calendar."""
    match = next(filter(None, (form.match(text.strip()) for form in _FORMS)), None)
    # A bare number of one or two digits is no year unless it says so ("59 BC").
    if match is None or (len(match["year"]) < 3 and not match.groupdict().get("era")):
        raise ValueError(_refusal(text))
    parts = match.groupdict()
    year = int(parts["year"])
    if (parts.get("era") or "").lower().startswith("b"):
        year = 1 - year
    month, day = parts.get("month"), parts.get("day")
    number = int(month) if (month or "").isdigit() else _MONTH_NUMBER[month[:3].lower()] if month else 0
    try:
        return _day(year, number, int(day or 0), text)
    except ValueError as error:
        raise ValueError(_refusal(text)) from error


def _refusal(text: str) -> str:
    return f"date {text!r} is not read: write it as a year, 'March, 2019' or 'March 11, 2019', a day of the calendar"


def _day(year: int, month: int, day: int, text: str) -> Day:
    if year == 0 and not re.search(r"b\.?c", text, re.IGNORECASE):
        raise ValueError("there is no year 0")
    order = year * 10000 + month * 100 + day
    if not month:
        return Day(_ordinal(year, 1, 1), _ordinal(year, 12, 31), "year", order, text)
    if not day:
        return Day(_ordinal(year, month, 1), _ordinal(year + month // 12, month % 12 + 1, 1) - 1, "month", order, text)
    return Day(_ordinal(year, month, day), _ordinal(year, month, day), "day", order, text)


def _ordinal(year: int, month: int, day: int) -> int:
    """``date.toordinal``, also for years before 1 and after 9999."""
    cycles = -((year - 1) // _CYCLE)
    return date(year + cycles * _CYCLE, month, day).toordinal() - cycles * _CYCLE_DAYS


def _open(text: str, year: int) -> Day:
    return Day(_ordinal(year, 1, 1), _ordinal(year, 12, 31), "open", year * 10000, text)


NATIVE = r"(?:[A-Z][a-z]+(?: \d{1,2})?, )?\d{3,4}"
_NATIVE_TIME = re.compile(rf" (?P<time>from {NATIVE} to {NATIVE}|in {NATIVE})$")
# What can only be meant as a time: "from ... to ..." with a number in it, or a time word with nothing but date words.
_WORD = (
    r"(?:\d{1,4}(?:st|nd|rd|th|s)?|\d+[-./]\d+(?:[-./]\d+)?|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*|"
    r"[qh][1-4]|spring|summer|autumn|fall|winter|early|mid|late|the|of|about|around|circa|ca|c|century|bce?|ad|ce|b\.c|a\.d|"
    r"present|now|today|onwards?|and|to|until|till|unknown|\?+|[-–—])[.,]?"
)
_TIME = re.compile(
    rf" (?P<time>(?:from|between) (?=.*\d).+?(?: (?:to|until|till|through|and) .+| onwards?)"
    rf"|(?:from|between|in|on|since|until|till|after|before|around|during|as of) (?=.*(?:\d|century|present|now))"
    rf"{_WORD}(?:[ -]{_WORD})*"
    rf"|in [A-Z][a-z]+(?: \d{{1,2}})?, \d{{3,4}}"
    rf"|\(?(?:since )?(?=\d).{{1,30}}?\d ?[-–—] ?(?:\d[^()]*|present|now)?\)?)$",
    re.IGNORECASE,
)
_PERIODS = tuple(
    re.compile(form + "$", re.IGNORECASE)
    for form in (
        r"(?:from|between) (?P<start>.+?) (?:to|until|till|through|and) (?P<end>.+)",
        r"(?:in|on) (?P<at>.+)",
        r"(?:since|from) (?P<start>.+?)(?: onwards?)?",
        r"(?:until|till) (?P<end>.+)",
        r"\(?(?P<start>.+?) ?[–—] ?(?P<end>.+?)\)?",
        r"\(?(?P<start>\d{3,4}) ?- ?(?P<end>\d{3,4}|present|now)\)?",
    )
)


class Period(NamedTuple):
    """A stated time: its dates, whether it is a single one, and whether it is written as in CoTempQA's files."""

    start: Day
    end: Day
    point: bool
    native: bool


def split_time(text: str) -> tuple[str, str]:
    """Split a text into what is said and the time expression that ends it, "" if none.

    Of several places where it may begin, the first that can be read counts, else the last "from" or "between", else
    the first ("the road from A to B from 5/6/1999 to 7/8/2001").
    """
    if hit := _NATIVE_TIME.search(text):
        return text[: hit.start()], hit["time"]
    hits = [hit for space in re.finditer(r" (?=\S)", text) if (hit := _TIME.match(text, space.start()))]
    if not hits:
        return text, ""
    for best in hits:
        with suppress(ValueError):
            read_period(best["time"])
            break
    else:
        starts = [hit for hit in hits if hit["time"].lower().startswith(("from", "between"))]
        best = (starts or hits[:1])[-1]
    return text[: best.start()], " ".join(best["time"].split())


@lru_cache(maxsize=65536)
def read_period(text: str) -> Period:
    """Read a time expression, such as "from 1999 to May, 2001" or "since 5 May 1999"; ``ValueError`` if it is none."""
    native = _NATIVE_TIME.fullmatch(f" {text}") is not None
    problem = ValueError(_refusal(text))
    for match in filter(None, (form.match(text) for form in _PERIODS)):
        parts = match.groupdict()
        start, end = parts.get("at") or parts.get("start"), parts.get("at") or parts.get("end")
        try:
            first = read_date(start) if start else _open("the beginning", -_FAR)
            last = _open(end or "present", _FAR) if end is None or _OPEN_END.match(end) else read_date(end)
        except ValueError as error:
            problem = error
            continue
        return Period(first, last, "at" in parts, native)
    raise problem
