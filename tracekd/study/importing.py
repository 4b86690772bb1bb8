"""Clean imported ratings, with a report of every row touched.

Dropped and reported by file, line and column: personal columns (before anything else) and columns that are almost a
rating; tests, spam and rows without participant; unknown trace types and items; missing ratings; further responses of
one person (the first complete one stays, else the fullest); drop-outs of another design. Participants' ids become
pseudonyms; times and places that are no number are emptied; other scales are converted to 1 to 5 in equal steps.

To drop the single answers that are not on the scale would bias every mean: the import stops and asks for ``scale`` or
``labels``. Words are read by the questionnaire's own anchors, else by the one known set of choice texts that covers
all of them (``study_words.toml``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import pandas as pd

from tracekd.study.files import REQUIRED, WORDS, read_labels, read_scale, trace_name
from tracekd.study.ratings import COLUMNS, DESIGNS, SCALES, TRACE_TYPES, is_check, questionnaire, scale_of

KEY = ["participant", "problem", "trace_type", "item"]
PERSONAL = re.compile("|".join(WORDS["personal"]), re.IGNORECASE)
DROPPED_OUT = 0.1  # share up to which those who rated another number of trace types count as drop-outs
STEPS = 4  # from the lowest to the highest of five points
# "5", "5 - agree" and "agree (5)".
NUMBER = r"\A(?:([+-]?\d+(?:[.,]\d+)?)|(\d+)\s*(?:[-–—:.=)]\s*|\s)[^\d\s][^\d]*|[^\d]*[^\d\s]\s*[(\[](\d+)[)\]])\Z"


@dataclass(frozen=True)
class Cleaned:
    """Clean ratings, and a report of the rows touched: file, line, column, rule, action, value (no personal one)."""

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
        raw: what ``files.read`` gives, or any frame with its required columns.
        design: ``within`` or ``between`` to select participants of that kind; None to find it out.
        scale: of the file's numbers, as in ``read_scale``; "": 1-5.
        labels: file with the points of answers, as in ``read_labels``.
        status: values of the status column that mark real answers; empty: the known ones.

    Raises:
        ValueError: a column is missing, an answer or status cannot be read, designs are mixed, or nothing is left.
        FileNotFoundError: there is no labels file.
    """
    if missing := [c for c in REQUIRED if c not in raw.columns]:
        raise ValueError(f"ratings lack {', '.join(missing)}; the long format has {', '.join(COLUMNS)}")
    if design not in (None, *DESIGNS):
        raise ValueError(f"design {design!r} is unknown: within, between, or None to find it out")
    ranges, listed = dict.fromkeys(SCALES, (1.0, 5.0)) | read_scale(scale), read_labels(labels)
    # A check may be among the items of either scale.
    ranges["check"] = (min(low for low, _ in ranges.values()), max(high for _, high in ranges.values()))
    defaults = {"file": "", "line": range(1, len(raw) + 1)}
    defaults |= dict.fromkeys(("column", "problem", "order", "seconds", "response"), "")
    work = _Cleaner(raw.assign(**{c: v for c, v in defaults.items() if c not in raw.columns}).reset_index(drop=True))
    _columns(work)
    _status(work, {text.strip().lower() for text in status})
    work.rows = work.rows.assign(**{c: work.text(c) for c in KEY})
    _participants(work)
    _names(work, ranges)
    _numbers(work, ranges, listed)
    _person_twice(work)
    if work.rows.empty:
        counts = [f"{note['rule'].iloc[0]} {len(note)}" for note in work.notes]
        raise ValueError(f"no rating is left after cleaning: {', '.join(counts) or 'the file is empty'}")
    _one_design(work, design)
    whole = work.rows["rating"].mod(1).eq(0).all()
    ratings = work.rows[list(COLUMNS)].astype({"rating": int if whole else float, "order": float, "seconds": float})
    ratings = ratings.sort_values(["participant", "order"], kind="stable").reset_index(drop=True)
    return Cleaned(ratings, pd.concat([pd.DataFrame(columns=["rule", "action"]), *work.notes], ignore_index=True))


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
            raise ValueError(
                f"{_place(work.rows[strange].assign(column=column))}: {_counted(text[strange])} of {len(text)} rows: "
                f"unknown kinds of answers. Name the values of real ones, such as --status {text.mode()[0]!r}"
            )
        work.drop(test, column, "preview")
        work.drop(spam[work.rows.index], column, "spam")


def _participants(work: _Cleaner) -> None:
    work.drop(work.rows["participant"].eq(""), "participant", "no_participant")
    ids = work.rows["participant"]
    plain = ids.str.fullmatch(r"P(?=[A-F]*[0-9])[0-9A-F]{1,12}")
    taken = set(ids[plain])
    fresh = (name for i in count(1) if (name := f"P{i:04d}") not in taken)
    work.note(~plain, "participant", "personal_id", "pseudonymised", show=False)
    work.rows = work.rows.assign(participant=ids.replace({person: next(fresh) for person in ids[~plain].unique()}))


def _names(work: _Cleaner, ranges: Mapping[str, tuple]) -> None:
    work.rows = work.rows.assign(item=work.rows["item"].str.lower().str.replace(r"[\s-]+", "_", regex=True))
    checks = is_check(work.rows["item"])
    spelt = work.rows["trace_type"].map(trace_name)
    other = ~checks & spelt.isin(TRACE_TYPES) & spelt.ne(work.rows["trace_type"])
    work.note(other, "trace_type", "trace_name", "renamed")
    work.rows = work.rows.assign(trace_type=spelt.mask(checks, ""))
    work.drop(~checks & ~work.rows["trace_type"].isin(TRACE_TYPES), "trace_type", "unknown_trace")
    low, high = ranges["check"]
    asked = range(1, 6) if high - low == STEPS else range(int(low), int(high) + 1)
    work.drop(~work.rows["item"].isin([*scale_of(), *(f"check_{k}" for k in asked)]), "item", "unknown_item")


def _numbers(work: _Cleaner, ranges: Mapping[str, tuple], labels: Mapping[str, float | None]) -> None:
    made = points(work.rows, ranges, labels)
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
        {"finished": "all", "item": "size", "place": "min"}
    )
    each = each.sort_values(["finished", "item", "place"], ascending=[False, False, True]).reset_index()
    best = each.drop_duplicates("participant").set_index("participant")["response"]
    other = rows["response"].ne(rows["participant"].map(best)) | rows.duplicated([*KEY, "response"])
    work.drop(other.reindex(work.rows.index, fill_value=False), "rating", "person_twice")


def _one_design(work: _Cleaner, design: str | None) -> None:
    kinds = work.rows[~is_check(work.rows["item"])].groupby("participant")["trace_type"].nunique()
    several, one = set(kinds.index[kinds > 1]), set(kinds.index[kinds == 1])
    if design is None and min(len(several), len(one)) > DROPPED_OUT * max(1, len(kinds)):
        counts = f"{len(several)} participants rated several trace types, {len(one)} only one"
        raise ValueError(f"mixed design: {counts}; give design='within' or 'between' to select one kind")
    design = design or ("within" if len(several) >= len(one) else "between")
    chosen = several if design == "within" else one
    if not chosen:
        raise ValueError(f"design={design!r} asked for, but no participant fits it")
    work.drop(~work.rows["participant"].isin(chosen), "trace_type", "mixed_design")


def points(rows: pd.DataFrame, ranges: Mapping[str, tuple], labels: Mapping[str, float | None]) -> pd.DataFrame:
    """The point of each answer.

    Args:
        rows: with item, rating (text), and file, line, column to name one in a message.
        ranges: lowest and highest number of each scale, and of ``check``.
        labels: what ``read_labels`` gives; goes before all else.

    Returns:
        point (1 to 5, missing for no answer; a check on a scale that has not five points keeps its own number), rule
        (``missing_rating``, ``label_without_point``, ``rescaled`` or "").

    Raises:
        ValueError: a number is not on the scale, or a word is no known point.
    """
    text = rows["rating"].fillna("").astype(str).str.strip().str.lower()
    listed = text.isin(labels)
    empty = text.isin(WORDS["unanswered"]) & ~listed
    made = pd.DataFrame({"point": text.where(listed).map(labels).astype(float), "rule": ""}, index=rows.index)
    made.loc[listed & made["point"].isna(), "rule"] = "label_without_point"
    made.loc[empty, "rule"] = "missing_rating"
    number = text.str.extract(NUMBER).bfill(axis=1)[0].astype(object).str.replace(",", ".").astype(float)
    groups = rows["item"].map(scale_of()).where(~is_check(rows["item"]), "check").where(~listed & ~empty)
    words: dict[str, float] = {}
    for name in (*SCALES, "check"):
        low, high = ranges[name]
        numbers, spoken = groups.eq(name) & number.notna(), groups.eq(name) & number.isna()
        _refuse_numbers(rows[numbers], number[numbers], name, (low, high))
        same = (low, high) == (1, 5) or (name == "check" and high - low != STEPS)
        made.loc[numbers, "point"] = number[numbers] if same else 1 + STEPS * (number[numbers] - low) / (high - low)
        made.loc[numbers, "rule"] = "" if same else "rescaled"
        words |= _points_of_words(rows[spoken], text[spoken], name, words)
        made.loc[spoken, "point"] = text[spoken].map(words).astype(float)
    return made


def _place(rows: pd.DataFrame) -> str:
    """Where the first of some rows is, for a message."""
    file, line, column = rows.iloc[0][["file", "line", "column"]]
    return f"{file or 'ratings'}, line {line}, column {column or 'rating'}"


def _counted(texts: pd.Series) -> str:
    """Distinct texts with how often each occurs, the commonest first, at most eight."""
    counts = texts.value_counts()
    more = f" and {len(counts) - 8} more" if len(counts) > 8 else ""
    return ", ".join(f"{value!r} ({n})" for value, n in counts.head(8).items()) + more


def _refuse_numbers(rows: pd.DataFrame, number: pd.Series, name: str, now: tuple[float, float]) -> None:
    """Stop where some numbers are not on the scale, and name the usual scale that holds all of them."""
    bad = rows[~number.between(*now)]
    if bad.empty:
        return
    low, high = number.min(), number.max()
    fit = next((f"{a}-{b}" for a, b in WORDS["scales"] if low >= a and high <= b), f"{low:g}-{high:g}")
    only = "" if name == "check" else f" (of these items alone: --scale={name}={fit})"
    raise ValueError(
        f"{_place(bad)}: {_counted(bad['rating'])} not on the scale from {now[0]:g} to {now[1]:g}; dropping "
        f"them would lose {len(bad)} of {len(rows)} answers ({name}). Give the scale, such as --scale={fit}{only}, or "
        "--labels FILE, a CSV with the columns label and point (1 to 5, empty for no answer)"
    )


def _points_of_words(rows: pd.DataFrame, texts: pd.Series, name: str, known: Mapping[str, float]) -> dict[str, float]:
    """The point of each word of one scale's answers; stops where no set of choice texts covers them, or several do."""
    found = set(texts)
    if not found:
        return {}
    anchors = [questionnaire()["scales"][scale]["anchors"] for scale in SCALES]
    own = {word.lower(): 1.0 + i for scale in anchors for i, word in enumerate(scale)}
    sets = [own | known]  # checks are asked among the items of the scales, whose words are settled by now
    if name != "check":
        sets = [own, *({word: 1 + STEPS * i / (len(s) - 1) for i, word in enumerate(s)} for s in WORDS["choices"])]
    covering = [one for one in sets if found <= set(one)]
    exact = [one for one in covering if found == set(one)]
    if len({tuple(one[word] for word in found) for one in covering}) == 1:
        right = covering[:1]
    elif sets[0] in covering:  # goes first, unless these are exactly another set's: agree and disagree, no middle
        right = [] if exact else sets[:1]
    else:
        right = exact
    if len(right) == 1 and not (name == "check" and any(right[0][word] % 1 for word in found)):
        return {word: right[0][word] for word in found}
    strange = texts[~texts.isin(set().union(*sets))]
    first = rows.loc[strange.index if len(strange) else texts.index]
    what = f"{_counted(strange)} cannot be read" if len(strange) else f"{_counted(texts)} fit several scales"
    raise ValueError(
        f"{_place(first)}: {what} as points of {name}; dropping them would lose {len(strange) or len(texts)} answers. "
        "Give --labels FILE, a CSV with the columns label and point (1 to 5, empty for no answer)"
    )
