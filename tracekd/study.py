"""Ratings of reasoning traces: the long format, its scales, scores a participant, and flags for careless answers.

One row is one answer of one participant to one item about one trace:

===========  ==========================================================================================
participant  pseudonym, ``P`` and digits (hex in our export); never a name, an address or a panel's id
problem      id of the problem shown; empty where the study does not say
trace_type   one of ``TRACE_TYPES``; empty for attention checks
item         one of the items of ``survey_items.toml``, or ``check_K``: an attention check whose answer is K
rating       1 to 5; whole, unless it was given on another scale and brought to this one (``study_points``)
order        place of the trace in the participant's sequence, from 1; missing where unknown
seconds      time that the answer took, in seconds; missing where unknown
===========  ==========================================================================================
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.published import load as load_published

TRACE_TYPES = ("r1", "r1_summary", "r1_explanation", "correct")
LABELS = {"r1": "R1", "r1_summary": "R1 summary", "r1_explanation": "R1 explanation", "correct": "correct"}
# Students of the published R1 conditions, the small ones first.
STUDENTS = ("Llama-3.2-1B-Instruct", "Qwen3-1.7B", "Llama-3.1-8B-Instruct", "Qwen3-8B")
SCALES = ("interpretability", "cognitive_load")
COLUMNS = ("participant", "problem", "trace_type", "item", "rating", "order", "seconds")
POINTS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class CarelessRules:
    """When a participant counts as careless. All three are stated in the notebook beside the results.

    Attributes:
        straight_line: share of a participant's ratings that are the same number, from which on it is a straight line;
            only asked of those with at least ``enough`` ratings. Both scales together: someone who finds a trace easy
            rates high on one and low on the other.
        enough: ratings needed before straight-lining can be told.
        fast: a median answer faster than this, in seconds, is too fast to have read the item.
        failed: share of failed attention checks from which on the participant has failed them.
    """

    straight_line: float = 0.95
    enough: int = 10
    fast: float = 1.0
    failed: float = 0.5


@cache
def questionnaire(path: Path | None = None) -> dict:
    """The questionnaire as it stands in ``survey_items.toml`` (or another file of that form)."""
    path = path or Path(__file__).with_name("survey_items.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def scale_of(path: Path | None = None) -> dict[str, str]:
    """Item name to scale name, in the questionnaire's order."""
    scales = questionnaire(path)["scales"]
    return {item: scale for scale, about in scales.items() for item in about["items"]}


def anchor_words(scale: str, path: Path | None = None) -> list[str]:
    """Lower-cased words of a scale's five points, from the lowest to the highest.

    Raises:
        ValueError: the scale has not five different anchors.
    """
    words = [text.lower() for text in questionnaire(path)["scales"][scale]["anchors"]]
    if len(set(words)) != len(POINTS):
        raise ValueError(f"scale {scale!r} has the anchors {words}, five different ones are expected: mend the file")
    return words


def latin_square(n: int) -> np.ndarray:
    """Balanced orders of ``n`` things, one a row (Williams, 1949).

    Each thing stands once in a row, equally often at each place, and equally often right after each other thing, so
    that neither place nor predecessor favours one.

    Args:
        n: how many things; for odd ``n`` the square is doubled by its mirror image, which balances predecessors too.

    Returns:
        ``n`` rows (``2 n`` for odd ``n``) of the numbers 0 to ``n - 1``.
    """
    first = [0] + [(k + 1) // 2 if k % 2 else n - k // 2 for k in range(1, n)]
    square = (np.array(first) + np.arange(n)[:, None]) % n
    return square if n % 2 == 0 else np.vstack([square, square[:, ::-1]])


def is_check(items: pd.Series) -> pd.Series:
    """True for rows that are attention checks."""
    return items.str.startswith("check_")


def design(ratings: pd.DataFrame) -> str:
    """``within`` if participants rated several trace types, ``between`` if each rated one.

    Raises:
        ValueError: some did the one and some the other; ``study_import.clean`` settles that.
    """
    several = ratings[~is_check(ratings["item"])].groupby("participant")["trace_type"].nunique().gt(1)
    if several.any() and not several.all():
        raise ValueError(
            f"mixed design: {int(several.sum())} participants rated several trace types, {int((~several).sum())} one; "
            "clean() with design='within' or 'between' keeps one kind"
        )
    return "within" if several.all() else "between"


def scores(ratings: pd.DataFrame) -> pd.DataFrame:
    """Mean rating of each participant for each trace type and scale.

    Returns:
        One row a participant, trace type and scale: participant, trace_type, scale, score (1 to 5, mean over items and
        problems), answers (ratings in the mean). Attention checks are left out.
    """
    rows = ratings[~is_check(ratings["item"])]
    rows = rows.assign(scale=rows["item"].map(scale_of()))
    grouped = rows.groupby(["participant", "trace_type", "scale"], sort=False)["rating"]
    return grouped.agg(score="mean", answers="size").reset_index()


def matrix(scored: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Scores of one scale as participants x trace types, in the order of ``TRACE_TYPES``; missing where not rated."""
    rows = scored[scored["scale"] == scale]
    wide = rows.pivot(index="participant", columns="trace_type", values="score")
    return wide.reindex(columns=[kind for kind in TRACE_TYPES if kind in wide.columns])


def shares(ratings: pd.DataFrame) -> pd.DataFrame:
    """Share of each point among all ratings of a scale's items.

    Returns:
        One row a scale and trace type: scale, trace_type, participants, ratings, then columns 1 to 5 (shares, sum 1).
        Ratings from another scale count at the nearest point (halves to the even one, alike on both sides of 3).
    """
    rows = ratings[~is_check(ratings["item"])]
    rows = rows.assign(scale=rows["item"].map(scale_of()))
    table = []
    for scale in SCALES:
        for kind in TRACE_TYPES:
            some = rows[(rows["scale"] == scale) & (rows["trace_type"] == kind)]
            if len(some):
                counts = some["rating"].round().value_counts(normalize=True)
                table.append(
                    {"scale": scale, "trace_type": kind, "participants": some["participant"].nunique()}
                    | {"ratings": len(some)}
                    | {point: float(counts.get(point, 0.0)) for point in POINTS}
                )
    return pd.DataFrame(table)


def careless(ratings: pd.DataFrame, rules: CarelessRules = CarelessRules()) -> pd.DataFrame:
    """Flag participants who answered without reading, by the stated rules.

    Returns:
        One row a participant, index ``participant``: same_share (share of the commonest rating), median_seconds,
        failed_share (of the checks; missing without checks), straight_line, fast, failed_checks, careless (any of the
        three). Where times or checks are missing the flag is False: no evidence is not a fault.
    """
    checks = is_check(ratings["item"])
    answers = ratings[~checks].groupby("participant")
    table = pd.DataFrame(
        {
            "ratings": answers.size(),
            "same_share": answers["rating"].agg(lambda r: r.value_counts(normalize=True).iloc[0]),
            "median_seconds": answers["seconds"].median(),
        }
    )
    asked = ratings[checks]
    wrong = asked["rating"] != asked["item"].str.removeprefix("check_").astype(int)
    table["failed_share"] = wrong.groupby(asked["participant"]).mean().reindex(table.index).astype(float)
    table["straight_line"] = (table["same_share"] >= rules.straight_line) & (table["ratings"] >= rules.enough)
    table["fast"] = (table["median_seconds"] < rules.fast).fillna(False).astype(bool)
    table["failed_checks"] = table["failed_share"].ge(rules.failed).fillna(False).astype(bool)
    table["careless"] = table[["straight_line", "fast", "failed_checks"]].any(axis=1)
    return table


def without_careless(ratings: pd.DataFrame, rules: CarelessRules = CarelessRules()) -> pd.DataFrame:
    """The ratings less those of flagged participants."""
    flags = careless(ratings, rules)
    return ratings[~ratings["participant"].isin(flags.index[flags["careless"]])].reset_index(drop=True)


@cache
def published() -> pd.DataFrame:
    """Published numbers on the study and on the accuracy of the trace types that it compares, from ``published.csv``.

    Returns:
        quantity (``interpretability``, ``cognitive_load``: mean rating 1 to 5; ``accuracy``: percent, mean over the
        four CoTempQA categories of the R1 subset), trace_type, student (for accuracy), value (missing where no source
        of ours states it), source.
    """
    table = load_published()
    rated = table[table["kind"] == "study"].assign(quantity=lambda t: t["measure"].str.replace(" ", "_"))
    means = rated.set_index(["quantity", "condition"])[["value", "source"]]
    means = means.reindex(pd.MultiIndex.from_product([SCALES, TRACE_TYPES], names=["quantity", "trace_type"]))
    means = means.reset_index().assign(student="").fillna({"source": "not in our sources"})
    subset = table[(table["kind"] == "r1 subset") & (table["measure"] == "acc") & table["condition"].isin(TRACE_TYPES)]
    accuracy = subset.groupby(["student", "condition"])["value"].mean()
    # Small students first; within a student the order of the trace types.
    order = pd.MultiIndex.from_product([STUDENTS, TRACE_TYPES], names=["student", "trace_type"])
    accuracy = accuracy.rename_axis(["student", "trace_type"]).reindex(order).reset_index()
    accuracy = accuracy.assign(quantity="accuracy", source="authors' release, mean over four categories")
    return pd.concat([means, accuracy])[["quantity", "trace_type", "student", "value", "source"]].reset_index(drop=True)


def published_mean(scale: str, trace_type: str) -> float:
    """The published mean rating, or NaN where our sources do not state it."""
    table = published()
    row = table[(table["quantity"] == scale) & (table["trace_type"] == trace_type)]
    return float(row["value"].iloc[0]) if len(row) else np.nan
