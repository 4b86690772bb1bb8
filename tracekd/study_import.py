"""Clean imported ratings, with a report of every row touched.

What ``clean`` does, rule by rule (the report gives file, line, column and action for each row it touched):

===================  ======================================================================================
missing_column       refused: without participant, trace_type, item and rating there is nothing to analyse
mixed_design         refused, unless the smaller kind is at most a tenth (drop-outs: dropped) or ``design`` is given
unknown answer       refused: a number off the scale, or words that cannot be told (see ``study_points``)
unknown status       refused: neither a known kind of real answers nor of tests
personal_column      dropped before anything else, by name (names, e-mail, addresses, panel ids, IP, location)
unknown_column       left out: named like a rating (``..__..``), but of no known trace type and item
personal_id          pseudonymised: any participant id that is not ``P`` + digits (or hex) becomes ``P0001``, ...
preview              dropped: the surveyor's own test answers
spam                 dropped: answers that the survey tool marked as spam
other_status         dropped: not one of the ``status`` values that were asked for
no_participant       dropped: an answer that belongs to nobody
trace_name           renamed: another spelling of a known trace type
unknown_trace        dropped
unknown_item         dropped: not in ``survey_items.toml``
missing_rating       dropped
label_without_point  dropped: an answer that the labels file gives no point
rescaled             brought to 1 to 5 from the scale that was given
person_twice         dropped: further responses of a person who answered the same questions more than once; the first
                     complete response stays, else the fullest
bad_number           emptied: an order or time that is no number, or below 0; the rating stays
===================  ======================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tracekd import study_points
from tracekd.study import COLUMNS, TRACE_TYPES, is_check, scale_of
from tracekd.study_files import REQUIRED, trace_name

KEY = ["participant", "problem", "trace_type", "item"]
PERSONAL = re.compile(
    r"(?:^|[^a-z])(?:(?:first|last|full|sur|user|recipient\s?(?:first|last)?)[\s_-]?)?name(?:$|[^a-z])|e-?mail|prolific"
    r"|ip.?address|latitude|longitude|phone|address|external.?(?:data)?.?reference|worker.?id|recipient",
    re.IGNORECASE,
)
# Columns that say what kind of response a row is, with their words: real ones, tests, spam. Qualtrics' numbers are sums
# of 1 (preview), 2 (test), 4 (imported), 8 (spam), 16 (offline) and 32 (employee survey); 0 is a real answer.
STATUS = ("status", "response type", "response status", "distributionchannel", "distribution channel")
REAL = (
    "", "ip address", "imported", "offline", "ex", "ex offline", "complete", "completed", "partial", "incomplete",
    "approved", "awaiting review", "anonymous", "email", "gl", "qr", "social", "sms", "personal link", "link", "web",
)  # fmt: skip
TESTS, SPAM = re.compile("preview|test"), re.compile("spam")
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


def clean(
    raw: pd.DataFrame, design: str | None = None, scale: str = "", labels: str = "", status: Sequence[str] = ()
) -> Cleaned:
    """Clean ratings by the rules at the top of this module.

    Args:
        raw: what ``study_files.read`` gives, or any frame with the required columns.
        design: ``within`` or ``between`` to keep only participants of that kind; None to find it out.
        scale: lowest and highest number of the file's scale, such as ``1-7`` (``study_points.read_scale``); "": 1-5.
        labels: file with the points of answers (``study_points.read_labels``); "": none.
        status: values of the status column that mark real answers; empty: the known ones.

    Raises:
        ValueError: a required column is missing, an answer or status cannot be told, the designs are mixed, or nothing
            is left.
        FileNotFoundError: there is no labels file.
    """
    missing = [c for c in REQUIRED if c not in raw.columns]
    if missing:
        raise ValueError(f"ratings lack {', '.join(missing)}; the long format has {', '.join(COLUMNS)}")
    if design not in (None, "within", "between"):
        raise ValueError(f"design {design!r} is unknown: within, between, or None to find it out")
    points_of, label_points = study_points.read_scale(scale), study_points.read_labels(labels)
    defaults = {"file": "", "line": range(1, len(raw) + 1)}
    defaults |= dict.fromkeys(("column", "problem", "order", "seconds", "response"), "")
    raw = raw.assign(**{c: v for c, v in defaults.items() if c not in raw.columns}).reset_index(drop=True)
    work = _Cleaner(raw)
    _columns(work)
    _status(work, {text.strip().lower() for text in status})
    text = ["participant", "problem", "trace_type", "item"]
    work.rows = work.rows.assign(**{c: work.rows[c].fillna("").astype(str).str.strip() for c in text})
    _participants(work)
    _names(work, study_points.check_points(points_of))
    _numbers(work, points_of, label_points)
    _person_twice(work)
    if work.rows.empty:
        raise ValueError("no rating is left after cleaning: " + _counts(work.notes))
    _one_design(work, design)
    ratings = work.rows[list(COLUMNS)].astype({"rating": float, "order": float, "seconds": float})
    if ratings["rating"].mod(1).eq(0).all():
        ratings = ratings.astype({"rating": int})
    ratings = ratings.sort_values(["participant", "order"], kind="stable").reset_index(drop=True)
    notes = [note for note in work.notes if len(note)]
    report = pd.concat(notes, ignore_index=True) if notes else pd.DataFrame(columns=["rule", "action"])
    return Cleaned(ratings, report)


def _counts(notes: list[pd.DataFrame]) -> str:
    return ", ".join(f"{n['rule'].iloc[0]} {len(n)}" for n in notes if len(n)) or "the file is empty"


def _columns(work: _Cleaner) -> None:
    for column in work.rows.columns:
        filled = work.rows[column].fillna("").astype(str).str.strip().ne("")
        if column not in COLUMNS and PERSONAL.search(column):
            work.note(filled, column, "personal_column", "dropped", show=False)
        elif "__" in column:
            work.note(filled & ~work.rows.duplicated(["file", "line"]), column, "unknown_column", "left out")


def _status(work: _Cleaner, real: set[str]) -> None:
    """Drop tests and spam.

    Raises:
        ValueError: a value is neither a known kind of real answers nor of tests, and ``real`` does not say.
    """
    for column in [c for c in work.rows.columns if c.lower() in STATUS]:
        text = work.rows[column].fillna("").astype(str).str.strip().str.lower()
        kind = pd.to_numeric(text, errors="coerce").where(lambda n: n.between(0, 63) & n.mod(1).eq(0))
        bits = kind.fillna(0).astype(int)
        if real and "channel" not in column.lower():
            work.drop(~text.isin(real), column, "other_status")
            continue
        spam, test = text.str.contains(SPAM) | bits.mod(16).ge(8), text.str.contains(TESTS) | bits.mod(4).ge(1)
        if (strange := ~(spam | test | text.isin(REAL) | kind.notna())).any() and "channel" not in column.lower():
            first = work.rows[strange].iloc[0]
            counts = ", ".join(f"{value!r} ({n})" for value, n in text[strange].value_counts().items())
            raise ValueError(
                f"{first['file'] or 'ratings'}, line {first['line']}, column {column}: whether these are real answers "
                f"cannot be told: {counts} of {len(text)} rows. Name the values of real ones, such as --status "
                f"{text.value_counts().index[0]!r}; rows with other values are then dropped and counted"
            )
        work.drop(test, column, "preview")
        work.drop(spam[work.rows.index], column, "spam")


def _participants(work: _Cleaner) -> None:
    work.drop(work.rows["participant"].eq(""), "participant", "no_participant")
    ids = work.rows["participant"]
    plain = ids.str.fullmatch(r"P(?=[A-F]*[0-9])[0-9A-F]{1,12}")
    taken = set(ids[plain])
    fresh = (name for i in range(1, len(ids) + len(taken) + 1) if (name := f"P{i:04d}") not in taken)
    new = {person: next(fresh) for person in ids[~plain].unique()}
    work.note(~plain, "participant", "personal_id", "pseudonymised", show=False)
    work.rows = work.rows.assign(participant=ids.map(lambda name: new.get(name, name)))


def _names(work: _Cleaner, checks_known: list[str]) -> None:
    work.rows = work.rows.assign(item=work.rows["item"].str.lower().str.replace(r"[\s-]+", "_", regex=True))
    checks = is_check(work.rows["item"])
    spelt = work.rows["trace_type"].map(trace_name)
    other = ~checks & spelt.isin(TRACE_TYPES) & spelt.ne(work.rows["trace_type"])
    work.note(other, "trace_type", "trace_name", "renamed")
    work.rows = work.rows.assign(trace_type=spelt.mask(checks, ""))
    work.drop(~checks & ~work.rows["trace_type"].isin(TRACE_TYPES), "trace_type", "unknown_trace")
    known = work.rows["item"].isin([*scale_of(), *checks_known])
    work.drop(~known, "item", "unknown_item")


def _numbers(work: _Cleaner, scale: dict[str, tuple], labels: dict[str, float | None]) -> None:
    made = study_points.points(work.rows, scale, labels)
    work.note(made["rule"].eq("rescaled"), "rating", "rescaled", "brought to 1 to 5")
    for rule in ("missing_rating", "label_without_point"):
        work.drop(made.loc[work.rows.index, "rule"].eq(rule), "rating", rule)
    work.rows = work.rows.assign(rating=made["point"][work.rows.index])
    for column in ("order", "seconds"):
        given = work.rows[column].fillna("").astype(str).str.strip()
        number = pd.to_numeric(given.str.replace(",", "."), errors="coerce")
        bad = given.ne("") & ~number.between(0, float("inf"), inclusive="left")
        work.note(bad, column, "bad_number", "emptied")
        work.rows = work.rows.assign(**{column: number.mask(bad)})


def _responses(rows: pd.DataFrame) -> pd.Series:
    """Which response each answer belongs to: the file says, else a new one begins where a question comes again."""
    made, seen, number = [], {}, {}
    for key, stated in zip(rows[KEY].itertuples(index=False, name=None), rows["response"], strict=True):
        person = key[0]
        if stated == "" and key in seen.setdefault(person, set()):
            seen[person] = set()
            number[person] = number.get(person, 0) + 1
        seen.setdefault(person, set()).add(key)
        made.append(f"{stated}/{number.get(person, 0)}")
    return rows["file"].astype(str) + "/" + pd.Series(made, index=rows.index)


def _finished(rows: pd.DataFrame) -> pd.Series:
    """False where the survey tool says that a response was not finished."""
    column = next((c for c in rows.columns if c.lower() == "finished"), None)
    text = rows[column].fillna("").astype(str).str.lower() if column else pd.Series("", index=rows.index)
    return ~text.isin(["false", "0", "no"])


def _person_twice(work: _Cleaner) -> None:
    """Keep one response of each person whose responses answer the same question."""
    rows = work.rows.assign(response=_responses(work.rows), finished=_finished(work.rows), place=range(len(work.rows)))
    again = rows.loc[rows.duplicated(KEY), "participant"].unique()
    rows = rows[rows["participant"].isin(again)]
    each = rows.groupby(["participant", "response"], sort=False).agg(
        finished=("finished", "all"), answers=("item", "size"), place=("place", "min")
    )
    best = each.sort_values(["finished", "answers", "place"], ascending=[False, False, True])
    best = best.reset_index().drop_duplicates("participant").set_index("participant")["response"]
    other = rows["response"].ne(rows["participant"].map(best)) | rows.duplicated([*KEY, "response"])
    work.drop(other.reindex(work.rows.index, fill_value=False), "rating", "person_twice")


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
