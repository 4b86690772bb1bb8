"""Clean imported ratings, with a report of every row touched.

``clean`` drops, and reports by file, line and column: personal columns (before anything else) and columns that are
almost a rating; tests, spam and rows without participant; trace types and items that are unknown; missing ratings;
further responses of one person (the first complete response stays, else the fullest); drop-outs of another design.
It replaces participants' ids by pseudonyms, renames spellings of trace types, empties times and places that are no
number, and converts ratings from the scale that was given to 1 to 5 in equal steps.

An answer that cannot be read as a point is never dropped by itself: dropping the points beyond the fifth would bias
every mean. The import stops, says what it would lose, and asks for ``scale`` or ``labels``. Words are read by the
questionnaire's own anchors, else by the one known set of choice texts that covers all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tracekd import study_points
from tracekd.study import COLUMNS, DESIGNS, TRACE_TYPES, is_check, scale_of
from tracekd.study_files import REQUIRED, WORDS, trace_name

KEY = ["participant", "problem", "trace_type", "item"]
PERSONAL = re.compile(
    r"(?:^|[^a-z])(?:(?:first|last|full|sur|user|recipient\s?(?:first|last)?)[\s_-]?)?name(?:$|[^a-z])|e-?mail|prolific"
    r"|ip.?address|latitude|longitude|phone|address|external.?(?:data)?.?reference|worker.?id|recipient",
    re.IGNORECASE,
)
DROPPED_OUT = 0.1  # share up to which those who rated another number of trace types count as drop-outs


@dataclass(frozen=True)
class Cleaned:
    """Clean ratings (the long format of ``study``) and a report: file, line, column, rule, action, value per row.

    The report holds no value of personal data.
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

    def text(self, column: str) -> pd.Series:
        return self.rows[column].fillna("").astype(str).str.strip()

    def note(self, touched: pd.Series, column: str, rule: str, action: str, show: bool = True) -> None:
        rows = self.rows[touched]
        where = rows["column"].where(rows["column"].ne(""), column) if column in ("rating", "trace_type") else column
        about = {"column": where, "rule": rule, "action": action, "value": rows[column] if show else ""}
        if len(rows):
            self.notes.append(rows[["file", "line"]].assign(**about))

    def drop(self, touched: pd.Series, column: str, rule: str) -> None:
        self.note(touched, column, rule, "dropped", show=column != "participant")
        self.rows = self.rows[~touched]


def clean(
    raw: pd.DataFrame, design: str | None = None, scale: str = "", labels: str = "", status: Sequence[str] = ()
) -> Cleaned:
    """Clean ratings by the rules at the top of this module.

    Args:
        raw: what ``study_files.read`` gives, or any frame with its required columns.
        design: ``within`` or ``between`` to select participants of that kind; None to find it out.
        scale: lowest and highest number of the file's scale, as in ``read_scale``; "": 1-5.
        labels: file with the points of answers, as in ``read_labels``; "": none.
        status: values of the status column that mark real answers; empty: the known ones.

    Raises:
        ValueError: a column is missing, an answer or status cannot be read, designs are mixed, or nothing is left.
        FileNotFoundError: there is no labels file.
    """
    if missing := [c for c in REQUIRED if c not in raw.columns]:
        raise ValueError(f"ratings lack {', '.join(missing)}; the long format has {', '.join(COLUMNS)}")
    if design not in (None, *DESIGNS):
        raise ValueError(f"design {design!r} is unknown: within, between, or None to find it out")
    ranges, listed = study_points.read_scale(scale), study_points.read_labels(labels)
    defaults = {"file": "", "line": range(1, len(raw) + 1)}
    defaults |= dict.fromkeys(("column", "problem", "order", "seconds", "response"), "")
    raw = raw.assign(**{c: v for c, v in defaults.items() if c not in raw.columns}).reset_index(drop=True)
    work = _Cleaner(raw)
    _columns(work)
    _status(work, {text.strip().lower() for text in status})
    work.rows = work.rows.assign(**{c: work.text(c) for c in KEY})
    _participants(work)
    _names(work, ranges)
    _numbers(work, ranges, listed)
    _person_twice(work)
    if work.rows.empty:
        counts = ", ".join(f"{note['rule'].iloc[0]} {len(note)}" for note in work.notes)
        raise ValueError("no rating is left after cleaning: " + (counts or "the file is empty"))
    _one_design(work, design)
    ratings = work.rows[list(COLUMNS)].astype({"rating": float, "order": float, "seconds": float})
    if ratings["rating"].mod(1).eq(0).all():
        ratings = ratings.astype({"rating": int})
    ratings = ratings.sort_values(["participant", "order"], kind="stable").reset_index(drop=True)
    empty = pd.DataFrame(columns=["rule", "action"])
    return Cleaned(ratings, pd.concat(work.notes, ignore_index=True) if work.notes else empty)


def _columns(work: _Cleaner) -> None:
    for column in work.rows.columns:
        filled = work.text(column).ne("")
        if column not in COLUMNS and PERSONAL.search(column):
            work.note(filled, column, "personal_column", "dropped", show=False)
        elif "__" in column:
            work.note(filled & ~work.rows.duplicated(["file", "line"]), column, "unknown_column", "left out")


def _status(work: _Cleaner, real: set[str]) -> None:
    """Drop tests and spam; stop where neither the known words nor ``real`` say what a row is."""
    for column in [c for c in work.rows.columns if c.lower() in WORDS["status"]]:
        text, channel = work.text(column).str.lower(), "channel" in column.lower()
        if real and not channel:
            work.drop(~text.isin(real), column, "other_status")
            continue
        # Qualtrics' numbers are sums of 1 (preview), 2 (test), 4 (imported), 8 (spam), 16 (offline), 32 (employees).
        number = pd.to_numeric(text, errors="coerce").where(lambda n: n.between(0, 63) & n.mod(1).eq(0))
        bits = number.fillna(0).astype(int)
        spam = text.str.contains("spam") | bits.mod(16).ge(8)
        test = text.str.contains("preview|test") | bits.mod(4).ge(1)
        strange = ~(spam | test | text.isin(WORDS["real"]) | number.notna())
        if strange.any() and not channel:
            first = work.rows[strange].iloc[0]
            raise ValueError(
                f"{first['file'] or 'ratings'}, line {first['line']}, column {column}: "
                f"{study_points.counted(text[strange])} of {len(text)} rows: unknown kinds of answers. Name the values "
                f"of real ones, such as --status {text.value_counts().index[0]!r}; others are then dropped and counted"
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


def _names(work: _Cleaner, ranges: Mapping[str, tuple]) -> None:
    work.rows = work.rows.assign(item=work.rows["item"].str.lower().str.replace(r"[\s-]+", "_", regex=True))
    checks = is_check(work.rows["item"])
    spelt = work.rows["trace_type"].map(trace_name)
    other = ~checks & spelt.isin(TRACE_TYPES) & spelt.ne(work.rows["trace_type"])
    work.note(other, "trace_type", "trace_name", "renamed")
    work.rows = work.rows.assign(trace_type=spelt.mask(checks, ""))
    work.drop(~checks & ~work.rows["trace_type"].isin(TRACE_TYPES), "trace_type", "unknown_trace")
    work.drop(~work.rows["item"].isin([*scale_of(), *study_points.checks(ranges)]), "item", "unknown_item")


def _numbers(work: _Cleaner, ranges: Mapping[str, tuple], labels: Mapping[str, float | None]) -> None:
    made = study_points.points(work.rows, ranges, labels)
    work.note(made["rule"].eq("rescaled"), "rating", "rescaled", "converted to 1 to 5")
    for rule in ("missing_rating", "label_without_point"):
        work.drop(made.loc[work.rows.index, "rule"].eq(rule), "rating", rule)
    work.rows = work.rows.assign(rating=made["point"][work.rows.index])
    for column in ("order", "seconds"):
        number = pd.to_numeric(work.text(column).str.replace(",", "."), errors="coerce")
        bad = work.text(column).ne("") & ~number.between(0, float("inf"), inclusive="left")
        work.note(bad, column, "bad_number", "emptied")
        work.rows = work.rows.assign(**{column: number.mask(bad)})


def _person_twice(work: _Cleaner) -> None:
    """Select one response of each person whose responses answer the same question."""
    # The file names the response of an answer; else a new one begins where a question comes again.
    again = work.rows.groupby([*KEY, "response"]).cumcount()
    began = again.groupby(work.rows["participant"]).cummax().where(work.rows["response"].eq(""), 0)
    response = work.rows["file"].astype(str) + "/" + work.rows["response"].astype(str) + "/" + began.astype(str)
    column = next((c for c in work.rows.columns if c.lower() == "finished"), None)
    finished = ~work.text(column).str.lower().isin(["false", "0", "no"]) if column else True
    rows = work.rows.assign(response=response, finished=finished, place=range(len(work.rows)))
    rows = rows[rows["participant"].isin(rows.loc[rows.duplicated(KEY), "participant"])]
    each = rows.groupby(["participant", "response"], sort=False).agg(
        finished=("finished", "all"), answers=("item", "size"), place=("place", "min")
    )
    best = each.sort_values(["finished", "answers", "place"], ascending=[False, False, True])
    best = best.reset_index().drop_duplicates("participant").set_index("participant")["response"]
    other = rows["response"].ne(rows["participant"].map(best)) | rows.duplicated([*KEY, "response"])
    work.drop(other.reindex(work.rows.index, fill_value=False), "rating", "person_twice")


def _one_design(work: _Cleaner, design: str | None) -> None:
    rated = work.rows[~is_check(work.rows["item"])]
    kinds = rated.groupby("participant")["trace_type"].nunique()
    several, one = set(kinds.index[kinds > 1]), set(kinds.index[kinds == 1])
    if design is None and min(len(several), len(one)) > DROPPED_OUT * max(1, len(kinds)):
        raise ValueError(
            f"mixed design: {len(several)} participants rated several trace types, {len(one)} only one; "
            "give design='within' or 'between' to select one kind"
        )
    design = design or ("within" if len(several) >= len(one) else "between")
    chosen = several if design == "within" else one
    if not chosen:
        raise ValueError(f"design={design!r} asked for, but no participant fits it")
    work.drop(~work.rows["participant"].isin(chosen), "trace_type", "mixed_design")
