"""Clean imported ratings, with a report of every row touched.

What ``clean`` does, rule by rule (the report gives file, line, column and action for each row it touched):

================  =========================================================================================
missing_column    refused: without participant, trace_type, item and rating there is nothing to analyse
mixed_design      refused, unless the smaller kind is at most a tenth (drop-outs: dropped) or ``design`` is given
personal_column   dropped before anything else, by name (names, e-mail, addresses, panel ids, IP, location)
personal_id       pseudonymised: any participant id that is not ``P`` + digits (or hex) becomes ``P0001``, ...
preview           dropped: the surveyor's own test answers
no_participant    dropped: an answer that belongs to nobody
trace_name        renamed: another spelling of a known trace type
unknown_trace     dropped
unknown_item      dropped: not in ``survey_items.toml``
missing_rating    dropped
out_of_range      dropped: not a whole number from 1 to 5, nor the words of a point
same_twice        dropped: the same answer again; the first stays
contradiction     dropped, all of them: different answers to one question; which holds cannot be known
bad_number        emptied: an order or time that is no number, or below 0; the rating stays
================  =========================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from tracekd.study import COLUMNS, POINTS, TRACE_TYPES, anchors, is_check, scale_of
from tracekd.study_files import REQUIRED, trace_name

KEY = ["participant", "problem", "trace_type", "item"]
PERSONAL = re.compile(
    r"(?:^|[^a-z])(?:(?:first|last|full|sur|user|recipient\s?(?:first|last)?)[\s_-]?)?name(?:$|[^a-z])|e-?mail|prolific"
    r"|ip.?address|latitude|longitude|phone|address|external.?(?:data)?.?reference|worker.?id|recipient",
    re.IGNORECASE,
)
DROPPED_OUT = 0.1  # share up to which those who rated another number of trace types count as drop-outs


@dataclass(frozen=True)
class Cleaned:
    """Clean ratings and what was done to get them.

    Attributes:
        ratings: the long format of ``study``, sorted by participant and order.
        report: one row a touched row: file, line, column, rule, action, value (empty for personal data).
    """

    ratings: pd.DataFrame
    report: pd.DataFrame

    @property
    def summary(self) -> pd.DataFrame:
        """Rows touched by rule and action."""
        return self.report.groupby(["rule", "action"], sort=False).size().rename("rows").reset_index()


class _Cleaner:
    """Applies rules to a frame one by one and notes each row that a rule touched."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        self.notes: list[pd.DataFrame] = []

    def note(self, touched: pd.Series, column: str, rule: str, action: str, show: bool = True) -> None:
        rows = self.rows[touched]
        where = rows["column"].where(rows["column"].ne(""), column) if column in ("rating", "trace_type") else column
        about = {"column": where, "rule": rule, "action": action, "value": rows[column] if show else ""}
        self.notes.append(rows[["file", "line"]].assign(**about))

    def drop(self, touched: pd.Series, column: str, rule: str) -> None:
        self.note(touched, column, rule, "dropped", show=column != "participant")
        self.rows = self.rows[~touched]


def clean(raw: pd.DataFrame, design: str | None = None) -> Cleaned:
    """Clean ratings by the rules at the top of this module.

    Args:
        raw: what ``study_files.read`` gives, or any frame with the required columns.
        design: ``within`` or ``between`` to keep only participants of that kind; None to find it out.

    Raises:
        ValueError: a required column is missing, the designs are mixed, or nothing is left.
    """
    missing = [c for c in REQUIRED if c not in raw.columns]
    if missing:
        raise ValueError(f"ratings lack {', '.join(missing)}; the long format has {', '.join(COLUMNS)}")
    if design not in (None, "within", "between"):
        raise ValueError(f"design {design!r} is unknown: within, between, or None to find it out")
    defaults = {"file": "", "line": range(1, len(raw) + 1), "column": "", "problem": "", "order": "", "seconds": ""}
    raw = raw.assign(**{c: v for c, v in defaults.items() if c not in raw.columns}).reset_index(drop=True)
    work = _Cleaner(raw)
    for column in raw.columns:
        if column not in COLUMNS and PERSONAL.search(column):
            work.note(raw[column].astype(str).str.strip().ne(""), column, "personal_column", "dropped", show=False)
    if (status := next((c for c in raw.columns if c.lower() == "status"), None)) is not None:
        work.drop(work.rows[status].astype(str).str.contains("preview", case=False), status, "preview")
    text = ["participant", "problem", "trace_type", "item"]
    work.rows = work.rows.assign(**{c: work.rows[c].fillna("").astype(str).str.strip() for c in text})
    _participants(work)
    _names(work)
    _numbers(work)
    _repeats(work)
    if work.rows.empty:
        raise ValueError("no rating is left after cleaning: " + _counts(work.notes))
    _one_design(work, design)
    ratings = work.rows[list(COLUMNS)].astype({"rating": int, "order": float, "seconds": float})
    ratings = ratings.sort_values(["participant", "order"], kind="stable").reset_index(drop=True)
    report = pd.concat(work.notes, ignore_index=True) if work.notes else pd.DataFrame(columns=["rule", "action"])
    return Cleaned(ratings, report)


def _counts(notes: list[pd.DataFrame]) -> str:
    return ", ".join(f"{n['rule'].iloc[0]} {len(n)}" for n in notes if len(n)) or "the file is empty"


def _participants(work: _Cleaner) -> None:
    work.drop(work.rows["participant"].eq(""), "participant", "no_participant")
    ids = work.rows["participant"]
    plain = ids.str.fullmatch(r"P(?=[A-F]*[0-9])[0-9A-F]{1,12}")
    taken = set(ids[plain])
    fresh = (name for i in range(1, len(ids) + len(taken) + 1) if (name := f"P{i:04d}") not in taken)
    new = {person: next(fresh) for person in ids[~plain].unique()}
    work.note(~plain, "participant", "personal_id", "pseudonymised", show=False)
    work.rows = work.rows.assign(participant=ids.replace(new) if new else ids)


def _names(work: _Cleaner) -> None:
    work.rows = work.rows.assign(item=work.rows["item"].str.lower().str.replace(r"[\s-]+", "_", regex=True))
    checks = is_check(work.rows["item"])
    spelt = work.rows["trace_type"].map(trace_name)
    other = ~checks & spelt.isin(TRACE_TYPES) & spelt.ne(work.rows["trace_type"])
    work.note(other, "trace_type", "trace_name", "renamed")
    work.rows = work.rows.assign(trace_type=spelt.mask(checks, ""))
    work.drop(~checks & ~work.rows["trace_type"].isin(TRACE_TYPES), "trace_type", "unknown_trace")
    known = work.rows["item"].isin(scale_of()) | work.rows["item"].str.fullmatch(r"check_[1-5]")
    work.drop(~known, "item", "unknown_item")


def _numbers(work: _Cleaner) -> None:
    words = work.rows["rating"].fillna("").astype(str).str.strip().str.lower()
    work.drop(words.eq(""), "rating", "missing_rating")
    words = words[work.rows.index]
    rating = pd.to_numeric(words.map(lambda w: anchors().get(w, w)).astype(object), errors="coerce")
    work.drop(~rating.isin(POINTS), "rating", "out_of_range")
    work.rows = work.rows.assign(rating=rating[work.rows.index])
    for column in ("order", "seconds"):
        given = work.rows[column].fillna("").astype(str).str.strip()
        number = pd.to_numeric(given, errors="coerce")
        bad = given.ne("") & ~number.ge(0)
        work.note(bad, column, "bad_number", "emptied")
        work.rows = work.rows.assign(**{column: number.mask(bad)})


def _repeats(work: _Cleaner) -> None:
    # An attention check may be asked twice with the same right answer: its problem tells the two apart.
    kinds = work.rows.groupby(KEY)["rating"].transform("nunique")
    work.drop(kinds.gt(1), "rating", "contradiction")
    work.drop(work.rows.duplicated(KEY), "rating", "same_twice")


def _one_design(work: _Cleaner, design: str | None) -> None:
    answers = work.rows[~is_check(work.rows["item"])]
    kinds = answers.groupby("participant")["trace_type"].nunique()
    several, one = set(kinds.index[kinds > 1]), set(kinds.index[kinds == 1])
    if design is None:
        smaller = min(len(several), len(one)) / max(1, len(kinds))
        if smaller > DROPPED_OUT:
            raise ValueError(
                f"mixed design: {len(several)} participants rated several trace types, {len(one)} only one; "
                "give design='within' or 'between' to keep one kind"
            )
        design = "within" if len(several) >= len(one) else "between"
    keep = several if design == "within" else one
    if not keep:
        raise ValueError(f"design={design!r} asked for, but no participant fits it")
    work.drop(~work.rows["participant"].isin(keep), "trace_type", "mixed_design")
