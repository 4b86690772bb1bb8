"""Claims in free-form traces: what a rule can find in running text, and whether it is true of the context.

Apart from the exact verifier: a free-form trace has no steps to compare, so this counts claims instead, and says how
much of the text it covers. A claim that is not found is neither right nor wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from tracekd.corrupt import same
from tracekd.dates import MONTHS
from tracekd.derive_babi import derive as derive_story
from tracekd.facts import parse
from tracekd.problems import Problem

_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'\-*\d])|\n+")
_MONTH = "|".join(MONTHS)
_DATES = re.compile(rf"(?:({_MONTH})(?:\s+(\d{{1,2}})(?:st|nd|rd|th)?)?,?\s+)?\b(\d{{4}})\b")
_QUOTED = re.compile(r'"([^"]{8,})"')


@dataclass(frozen=True)
class Claim:
    """One claim found in a text.

    Attributes:
        kind: ``quote`` (a sentence in quotation marks stands in the context), ``date`` (a date stands with the name of
            a fact that has it), ``place`` (a bAbI sentence about a person or thing agrees with the story).
        text: the sentence that holds it.
        true: whether the context bears it out.
    """

    kind: str
    text: str
    true: bool


def sentences(text: str) -> list[str]:
    """Split running text into sentences and list items."""
    return [part.strip() for part in _SENTENCES.split(text) if part and part.strip()]


def check(problem: Problem, text: str) -> tuple[list[Claim], int]:
    """Find and check the claims of a free-form text.

    Returns:
        The claims, and the number of sentences of the text. Coverage is the share of sentences with a claim.
    """
    parts = sentences(text)
    finder = _temporal if problem.dataset == "cotempqa" else _story if problem.dataset == "babi" else _quotes
    return [claim for part in parts for claim in finder(problem, part)], len(parts)


def _quotes(problem: Problem, part: str) -> list[Claim]:
    """Quoted sentences: of the context, or the question itself, are true quotes."""
    whole = [same(fact) for fact in (*problem.context, problem.question)]
    return [Claim("quote", part, any(same(q) in fact for fact in whole)) for q in _QUOTED.findall(part) if " " in q]


def _temporal(problem: Problem, part: str) -> list[Claim]:
    """A sentence with dates that names one fact's object (or subject), beside the event's at most.

    It is true when every date is one of that fact or of the event, or a rounder form of one. A sentence that names
    several facts is left unchecked: which date goes with which name is not for a rule to tell.
    """
    found = _quotes(problem, part)
    bare = _QUOTED.sub(" ", part)
    if not _DATES.search(bare):
        return found
    facts = [parse(fact) for fact in problem.context]
    events = [f for f in facts if same(f"{f.object}, ") in same(problem.question.split(", which")[0].split(", who")[0])]
    names = _named(same(bare), {f.object for f in facts}) or _named(same(bare), {f.subject for f in facts})
    asked = names - {f.object for f in events} or names
    if len(asked) != 1:
        return found
    (name,) = asked
    # A name's own numbers ("Expo 2000") are no dates.
    dates = [_date(match) for match in _DATES.finditer(bare.replace(name, " "))]
    if not dates:
        return found
    borne = {o for f in facts if name in (f.object, f.subject) or f in events for o in f.span or ()}
    true = all(any(_agree(date, order) for order in borne) for date in dates)
    return [*found, Claim("date", part, true)]


def _named(low: str, names: set[str]) -> set[str]:
    """Names that stand in a sentence, without those that only stand within a longer one ("bishop")."""
    here = {name for name in names if re.search(rf"\b{re.escape(same(name))}\b", low)}
    return {name for name in here if not any(name != other and same(name) in same(other) for other in here)}


def _date(match: re.Match) -> int:
    month, day, year = match.groups()
    return int(year) * 10000 + (MONTHS.index(month) + 1 if month else 0) * 100 + int(day or 0)


def _agree(said: int, stated: int) -> bool:
    """Whether a date said is the date stated, or a rounder form of it ("in 2012" for "August 24, 2012")."""
    if said % 10000 == 0:
        return said // 10000 == stated // 10000
    return said // 100 == stated // 100 if said % 100 == 0 else said == stated


def _story(problem: Problem, part: str) -> list[Claim]:
    """A sentence that repeats a note of the reader, or a sentence of the story, is true; its negation is not."""
    found = _quotes(problem, part)
    steps = {same(step.text) for step in derive_story(problem.context, problem.question).steps}
    told = {same(fact) for fact in problem.context} | steps
    low = same(_QUOTED.sub(" ", part))
    if low in told:
        return [*found, Claim("place", part, True)]
    people = {word for fact in told for word in fact.split()[:1]}
    places = re.match(r"(\w+) is in the (\w+)$", low)
    if places and places[1] in people:
        return [*found, Claim("place", part, False)]
    return found


def report(pairs: Iterable[tuple[Problem, str]]) -> pd.DataFrame:
    """Check many texts.

    Returns:
        One row a text: ``id``, ``sentences``, ``covered`` (sentences with at least one claim), ``claims``, ``true``
        (claims borne out), ``coverage`` (share of sentences covered, 0 to 1).
    """
    rows = []
    for problem, text in pairs:
        claims, total = check(problem, text)
        covered = len({claim.text for claim in claims})
        true = sum(claim.true for claim in claims)
        rows.append({"id": problem.id, "sentences": total, "covered": covered, "claims": len(claims), "true": true})
    table = pd.DataFrame(rows, columns=["id", "sentences", "covered", "claims", "true"])
    table["coverage"] = table.covered / table.sentences.where(table.sentences > 0)
    return table
