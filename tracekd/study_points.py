"""From what a survey tool wrote as an answer to a point from 1 to 5; what cannot be read stops the import.

Numbers on another scale are converted to 1 to 5 in equal steps: ``1 + 4 (x - low) / (high - low)``. Words are read by
the questionnaire's own anchors, else by the one known set of choice texts that covers all of them. Dropping single
answers that fit neither would bias every mean, so the import stops and asks for ``scale`` or ``labels``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from tracekd.study import SCALES, is_check, questionnaire, scale_of
from tracekd.study_files import WORDS, table

STEPS = 4  # from the lowest to the highest of five points
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
# "5 - agree" and "agree (5)".
_LABELLED = re.compile(r"(\d+)\s*(?:[-–—:.=)]\s*|\s)[^\d\s][^\d]*|[^\d]*[^\d\s]\s*[(\[](\d+)[)\]]")


def read_scale(text: str) -> dict[str, tuple[float, float]]:
    """Lowest and highest number of the two scales, from ``1-7`` or ``interpretability=1-5,cognitive_load=0-20``.

    Raises:
        ValueError: another form, an unknown scale, or a lowest number that is not below the highest.
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
    """Lower-cased answer to its point, from a table with the columns ``label`` and ``point`` (empty: no answer).

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, a label occurs twice, or a point is not a number from 1 to 5.
    """
    if not path:
        return {}
    if not Path(path).is_file():
        raise FileNotFoundError(f"labels {path}: no such file; expected a CSV file with the columns label and point")
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


def points(
    rows: pd.DataFrame, ranges: Mapping[str, tuple[float, float]], labels: Mapping[str, float | None]
) -> pd.DataFrame:
    """The point of each answer.

    Args:
        rows: with item, rating (text), and file, line, column to name one in a message.
        ranges: lowest and highest number by scale; (1, 5) where not named.
        labels: what ``read_labels`` gives; goes before all else.

    Returns:
        Same index: point (1 to 5; missing for no answer), rule (``missing_rating``, ``label_without_point``,
        ``rescaled`` or ""). Attention checks on a scale that has not five points keep their own number.

    Raises:
        ValueError: a number is not on the scale, or a word is no known point.
    """
    text = rows["rating"].fillna("").astype(str).str.strip().str.lower()
    listed = text.isin(labels)
    empty = text.isin(WORDS["unanswered"]) & ~listed
    made = pd.DataFrame({"point": text.where(listed).map(labels).astype(float), "rule": ""}, index=rows.index)
    made.loc[listed & made["point"].isna(), "rule"] = "label_without_point"
    made.loc[empty, "rule"] = "missing_rating"
    number = pd.to_numeric(text.map(_number), errors="coerce")
    groups = rows["item"].map(scale_of()).where(~is_check(rows["item"]), "check").where(~listed & ~empty)
    words: dict[str, float] = {}
    for name in (*SCALES, "check"):
        low, high = _range(name, ranges)
        numbers, spoken = groups.eq(name) & number.notna(), groups.eq(name) & number.isna()
        _refuse_numbers(rows[numbers], number[numbers], name, (low, high))
        if (low, high) == (1, 5) or (name == "check" and high - low != STEPS):
            made.loc[numbers, "point"] = number[numbers]
        else:
            made.loc[numbers, "point"] = 1 + STEPS * (number[numbers] - low) / (high - low)
            made.loc[numbers, "rule"] = "rescaled"
        words |= _points_of_words(rows[spoken], text[spoken], name, words)
        made.loc[spoken, "point"] = text[spoken].map(words).astype(float)
    return made


def _number(text: str) -> str | None:
    if _NUMBER.fullmatch(text):
        return text.replace(",", ".")
    match = _LABELLED.fullmatch(text)
    return (match[1] or match[2]) if match else None


def _range(name: str, ranges: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    """Of a scale; of checks the widest range of both, since a check may be among the items of either."""
    found = [ranges.get(scale, (1.0, 5.0)) for scale in (SCALES if name == "check" else (name,))]
    return min(low for low, _ in found), max(high for _, high in found)


def checks(ranges: Mapping[str, tuple[float, float]]) -> list[str]:
    """Names of the attention checks that the scales have a point for: ``check_1`` to ``check_5``, or the file's own."""
    low, high = _range("check", ranges)
    return [f"check_{k}" for k in (range(1, 6) if high - low == STEPS else range(int(low), int(high) + 1))]


def _place(row) -> str:
    return f"{row['file'] or 'ratings'}, line {row['line']}, column {row['column'] or 'rating'}"


def counted(texts: pd.Series) -> str:
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
        f"{_place(bad.iloc[0])}: {counted(bad['rating'])} not on the scale from {now[0]:g} to {now[1]:g}; dropping "
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
    if name == "check":  # asked among the items of the scales, whose words are settled by now
        sets = [own | known]
    else:
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
    first = rows.loc[strange.index[0] if len(strange) else texts.index[0]]
    what = f"{counted(strange)} cannot be read" if len(strange) else f"{counted(texts)} fit several scales"
    raise ValueError(
        f"{_place(first)}: {what} as points of {name}; dropping them would lose {len(strange) or len(texts)} answers. "
        "Give --labels FILE, a CSV with the columns label and point (1 to 5, empty for no answer)"
    )
