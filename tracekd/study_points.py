"""From what a survey tool wrote as an answer to a point from 1 to 5; what cannot be told stops the import.

Numbers are read on the scale given (1 to 5 by default) and brought to 1 to 5 in equal steps:
``1 + 4 (x - low) / (high - low)``. Words are read by the questionnaire's own anchors, else by the one known set of
choice texts that covers all of them. An answer that fits neither is never dropped by itself: dropping the points beyond
the fifth would bias every mean. The import stops, says what it would lose, and asks for ``scale`` or ``labels``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tracekd.study import SCALES, anchor_words, is_check, scale_of
from tracekd.study_sheet import table

STEPS = 4  # from the lowest to the highest of five points
UNANSWERED = (
    "",
    "na",
    "n/a",
    "nan",
    "none",
    "null",
    "-99",
    "not applicable",
    "prefer not to say",
    "prefer not to answer",
)
USUAL = ((1, 5), (0, 4), (1, 7), (0, 6), (-2, 2), (-3, 3), (1, 9), (0, 10), (0, 20), (0, 100))
_FIVE = "strongly disagree, {0}disagree, {1}, {0}agree, strongly agree"
# Choice texts of survey tools, from the lowest point to the highest.
WORDS = [
    tuple(text.split(", "))
    for text in (
        "strongly disagree, disagree, agree, strongly agree",
        *(_FIVE.format(some, mid) for some in ("", "somewhat ") for mid in ("neither agree nor disagree", "neutral")),
        "strongly disagree, disagree, somewhat disagree, neither agree nor disagree, somewhat agree, agree, "
        "strongly agree",
        "strongly disagree, disagree, slightly disagree, neither agree nor disagree, slightly agree, agree, "
        "strongly agree",
        "very low, low, moderate, high, very high",
        "very low, low, neither low nor high, high, very high",
        "not at all, slightly, moderately, very, extremely",
        "none at all, a little, a moderate amount, a lot, a great deal",
    )
]
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_LABELLED = re.compile(
    r"(\d+)\s*(?:[-–—:.=)]\s*|\s)[^\d\s][^\d]*|[^\d]*[^\d\s]\s*[(\[](\d+)[)\]]"
)  # 5 - agree, agree (5)


def read_scale(text: str) -> dict[str, tuple[float, float]]:
    """Lowest and highest number of the two scales, from ``1-7`` or ``interpretability=1-5,cognitive_load=0-20``.

    Raises:
        ValueError: another form, a scale that does not exist, or a lowest number that is not below the highest.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, numbers = part.rpartition("=")
        match = re.fullmatch(r"(-?\d+)\s*(?:-|to|\.\.)\s*(-?\d+)", numbers.strip())
        if not match or int(match[1]) >= int(match[2]) or (equals and name.strip() not in SCALES):
            raise ValueError(
                f"scale {part!r}: expected its lowest and highest number, such as 1-7, or one of "
                f"{', '.join(SCALES)} before them, such as cognitive_load=0-20"
            )
        found |= dict.fromkeys([name.strip()] if equals else SCALES, (float(match[1]), float(match[2])))
    return found


def read_labels(path: str | Path) -> dict[str, float | None]:
    """Answers and the points that they stand for, from a table with the columns ``label`` and ``point``.

    Returns:
        Lower-cased answer to its point, 1 to 5; None where the point is left empty: no answer.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, a label stands twice, or a point is not a number from 1 to 5.
    """
    if not path:
        return {}
    if not Path(path).is_file():
        raise FileNotFoundError(f"labels {path}: no such file; a CSV file with the columns label and point is expected")
    rows, found = table(Path(path)), {}
    if missing := [name for name in ("label", "point") if name not in rows.columns]:
        raise ValueError(f"{Path(path).name}: no column {missing[0]!r}; expected the columns label and point")
    for row in rows.itertuples():
        point = pd.to_numeric(row.point.replace(",", "."), errors="coerce")
        if row.label.lower() in found or (row.point and not 1 <= point <= 1 + STEPS):
            raise ValueError(
                f"{row.file}, line {row.line}: label {row.label!r}, point {row.point!r}: each label once, with a point "
                "from 1 to 5, or an empty one for no answer"
            )
        found[row.label.lower()] = float(point) if row.point else None
    return found


def points(rows: pd.DataFrame, scale: Mapping[str, tuple], labels: Mapping[str, float | None]) -> pd.DataFrame:
    """The point of each answer.

    Args:
        rows: with item, rating (text), and file, line, column to name one in a message.
        scale: lowest and highest number by questionnaire scale; (1, 5) where not named.
        labels: what ``read_labels`` gives; goes before all else.

    Returns:
        Same index: point (1 to 5; missing for no answer), rule (``missing_rating``, ``label_without_point``,
        ``rescaled`` or "").
        Attention checks on a scale that has not five points keep the file's own number, which their name gives.

    Raises:
        ValueError: some answers are not on the scale, or are words that cannot be told.
    """
    texts = rows["rating"].fillna("").astype(str).str.strip()
    lower = texts.str.lower()
    made = pd.DataFrame({"point": float("nan"), "rule": ""}, index=rows.index)
    listed = lower.isin(labels)
    made.loc[listed, "point"] = lower[listed].map(labels).astype(float)
    made.loc[listed & made["point"].isna(), "rule"] = "label_without_point"
    empty = lower.isin(UNANSWERED) & ~listed
    made.loc[empty, "rule"] = "missing_rating"
    number = pd.to_numeric(lower.map(_number), errors="coerce").where(~listed & ~empty)
    groups = rows["item"].map(scale_of()).where(~is_check(rows["item"]), "check")
    words: dict[str, float] = {}
    for name in (*SCALES, "check"):
        some = groups.eq(name) & ~listed & ~empty
        low, high = scale.get(name, (1.0, 5.0)) if name in SCALES else _of_checks(scale)
        numbers = some & number.notna()
        _refuse_numbers(rows[numbers], number[numbers], name, (low, high))
        same = (low, high) == (1, 5) or (name == "check" and high - low != STEPS)
        made.loc[numbers, "point"] = number[numbers] if same else 1 + STEPS * (number[numbers] - low) / (high - low)
        made.loc[numbers & (not same), "rule"] = "rescaled"
        spoken = some & number.isna()
        words |= _points_of_words(rows[spoken], lower[spoken], name, words)
        made.loc[spoken, "point"] = lower[spoken].map(words).astype(float)
    return made


def _number(text: str) -> str | None:
    if _NUMBER.fullmatch(text):
        return text.replace(",", ".")
    match = _LABELLED.fullmatch(text)
    return (match[1] or match[2]) if match else None


def _of_checks(scale: Mapping[str, tuple]) -> tuple[float, float]:
    """Widest range of the two scales: a check may stand among the items of either."""
    ranges = [scale.get(name, (1.0, 5.0)) for name in SCALES]
    return ranges[0] if ranges[0] == ranges[1] else (min(r[0] for r in ranges), max(r[1] for r in ranges))


def check_points(scale: Mapping[str, tuple]) -> list[str]:
    """Names of the attention checks that a scale has a point for: ``check_1`` to ``check_5``, or as on the file's."""
    low, high = _of_checks(scale)
    return [f"check_{k}" for k in (range(1, 6) if high - low == STEPS else range(int(low), int(high) + 1))]


def place(row) -> str:
    """Where an answer stands, for a message."""
    return f"{row['file'] or 'ratings'}, line {row['line']}, column {row['column'] or 'rating'}"


def _counted(texts: pd.Series) -> str:
    counts = texts.value_counts()
    shown = ", ".join(f"{value!r} ({n})" for value, n in counts.head(8).items())
    return shown + (f" and {len(counts) - 8} more" if len(counts) > 8 else "")


def _refuse_numbers(rows: pd.DataFrame, number: pd.Series, name: str, now: tuple[float, float]) -> None:
    """Stop where some numbers are not on the scale, and say which usual scale holds all of them."""
    bad = rows[~number.between(*now)]
    if bad.empty:
        return
    low, high = number.min(), number.max()
    fit = next((f"{a}-{b}" for a, b in USUAL if low >= a and high <= b), f"{low:g}-{high:g}")
    only = "" if name == "check" else f" (of these items alone: --scale={name}={fit})"
    raise ValueError(
        f"{place(bad.iloc[0])}: {_counted(bad['rating'])} not on the scale from {now[0]:g} to {now[1]:g}. Dropping "
        f"them would lose {len(bad)} of {len(rows)} answers ({name}) and bias the means. Give the scale, such as "
        f"--scale={fit}{only}, or --labels FILE, a CSV with the columns label and point (1 to 5, empty for no answer)"
    )


def _points_of_words(rows: pd.DataFrame, texts: pd.Series, name: str, known: Mapping[str, float]) -> dict[str, float]:
    """The point of each word of one scale's answers.

    Raises:
        ValueError: no set of choice texts covers the words, or several do with different points.
    """
    found = set(texts)
    if not found:
        return {}
    own = {word: 1.0 + i for scale in SCALES for i, word in enumerate(anchor_words(scale))}
    if name == "check":  # asked among the items of the scales, whose words are settled by now
        sets = [own | known]
    else:
        sets = [own, *({word: 1 + STEPS * i / (len(s) - 1) for i, word in enumerate(s)} for s in WORDS)]
    covering = [one for one in sets if found <= set(one)]
    full = [one for one in covering if found == set(one)]
    own_words = [one for one in covering if one is sets[0]]
    if len({tuple(one[word] for word in found) for one in covering}) == 1:
        right = covering[:1]
    elif own_words:  # they go first, unless these are exactly another set's: agree and disagree without a middle
        right = own_words if not full else []
    else:
        right = full
    if len(right) == 1 and not (name == "check" and any(right[0][word] % 1 for word in found)):
        return {word: right[0][word] for word in found}
    strange = texts[~texts.isin(set().union(*sets))]
    first = rows.loc[strange.index[0] if len(strange) else texts.index[0]]
    what = f"{_counted(strange)} cannot be read" if len(strange) else f"{_counted(texts)} fit several scales"
    raise ValueError(
        f"{place(first)}: {what} as points of {name}; dropping them would lose {len(strange) or len(texts)} answers "
        "and bias the means. Give --labels FILE, a CSV with the columns label and point (1 to 5, empty for no answer)"
    )
