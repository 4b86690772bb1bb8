"""Ratings of reasoning traces: the long format, scores per participant, careless answers, published numbers.

One row of the long format is one participant's answer to one item about one trace: participant (pseudonym, ``P`` and
digits), problem (id; may be empty), trace_type (one of ``TRACE_TYPES``; empty for attention checks), item (of
``survey_items.toml``, or ``check_K``: an attention check whose right answer is K), rating (1 to 5; whole unless it was
converted from another scale), order (place of the trace in the participant's sequence, from 1; may be missing),
seconds (time that the answer took; may be missing).
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.analysis.published import load as load_published

TRACE_TYPES = ("r1", "r1_summary", "r1_explanation", "correct")
LABELS = {"r1": "R1", "r1_summary": "R1 summary", "r1_explanation": "R1 explanation", "correct": "correct"}
# Students of the published R1 conditions, the small ones first.
STUDENTS = ("Llama-3.2-1B-Instruct", "Qwen3-1.7B", "Llama-3.1-8B-Instruct", "Qwen3-8B")
SCALES = ("interpretability", "cognitive_load")
COLUMNS = ("participant", "problem", "trace_type", "item", "rating", "order", "seconds")
DESIGNS = ("within", "between")
POINTS = (1, 2, 3, 4, 5)

# A participant is careless from these values on; the notebook states them beside the results.
SAME_SHARE = 0.95  # share of equal ratings over both scales, which run against each other for a readable trace
ENOUGH = 10  # ratings below which equal ones say nothing
FAST = 1.0  # seconds: a median answer below this is too fast to have read the item
FAILED = 0.5  # share of failed attention checks


@cache
def questionnaire(path: Path | None = None) -> dict:
    """The questionnaire in ``survey_items.toml`` (or another file of that form)."""
    path = path or Path(__file__).with_name("survey_items.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def items() -> pd.DataFrame:
    """The questionnaire as a table: scale, item, wording, from, to (words of the lowest and the highest point)."""
    rows = [
        (about["title"], item, words, about["anchors"][0], about["anchors"][-1])
        for about in questionnaire()["scales"].values()
        for item, words in about["items"].items()
    ]
    return pd.DataFrame(rows, columns=["scale", "item", "wording", "from", "to"])


def scale_of() -> dict[str, str]:
    """Item name to scale name, in the questionnaire's order."""
    return {item: scale for scale, about in questionnaire()["scales"].items() for item in about["items"]}


def latin_square(n: int) -> np.ndarray:
    """Balanced orders of ``n`` things, one per row (Williams, 1949).

    Each thing comes equally often at each place, and equally often right after each other thing.

    Returns:
        ``n`` rows (``2 n`` for odd ``n``: the mirror image balances predecessors) of the numbers 0 to ``n - 1``.
    """
    first = [0] + [(k + 1) // 2 if k % 2 else n - k // 2 for k in range(1, n)]
    square = (np.array(first) + np.arange(n)[:, None]) % n
    return square if n % 2 == 0 else np.vstack([square, square[:, ::-1]])


def is_check(items: pd.Series) -> pd.Series:
    """True for attention checks."""
    return items.str.startswith("check_")


def answers(ratings: pd.DataFrame) -> pd.DataFrame:
    """The ratings without attention checks, with their ``scale``."""
    rows = ratings[~is_check(ratings["item"])]
    return rows.assign(scale=rows["item"].map(scale_of()))


def design(ratings: pd.DataFrame) -> str:
    """``within`` if participants rated several trace types, ``between`` if each rated one.

    Raises:
        ValueError: some did the one and some the other; ``importing.clean`` settles that.
    """
    several = answers(ratings).groupby("participant")["trace_type"].nunique().gt(1)
    if several.any() and not several.all():
        counts = f"{int(several.sum())} of {len(several)} participants rated several trace types"
        raise ValueError(f"mixed design: {counts}; clean() with design='within' or 'between' selects one kind")
    return "within" if several.all() else "between"


def scores(ratings: pd.DataFrame) -> pd.DataFrame:
    """Mean rating of each participant for each trace type and scale, over items and problems.

    Returns:
        participant, trace_type, scale, score (1 to 5), answers (ratings in the mean).
    """
    grouped = answers(ratings).groupby(["participant", "trace_type", "scale"], sort=False)["rating"]
    return grouped.agg(score="mean", answers="size").reset_index()


def matrix(scored: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Scores of one scale as participants x trace types, in the order of ``TRACE_TYPES``; missing where not rated."""
    rows = scored[scored["scale"] == scale]
    wide = rows.pivot(index="participant", columns="trace_type", values="score")
    return wide.reindex(columns=[kind for kind in TRACE_TYPES if kind in wide.columns])


def shares(ratings: pd.DataFrame) -> pd.DataFrame:
    """Share of each point among all ratings of a scale's items.

    Returns:
        One row per scale and trace type: scale, trace_type, participants, ratings, then columns 1 to 5 (shares, sum 1).
        Ratings converted from another scale count at the nearest point (halves at the even one).
    """
    rows = answers(ratings)
    rows = rows.assign(point=rows["rating"].round().astype(int))
    keys = [rows["scale"], rows["trace_type"]]
    found = pd.crosstab(keys, rows["point"], normalize="index").reindex(columns=POINTS, fill_value=0.0)
    grouped = rows.groupby(["scale", "trace_type"])
    found.insert(0, "participants", grouped["participant"].nunique())
    found.insert(1, "ratings", grouped.size())
    order = [key for scale in SCALES for kind in TRACE_TYPES if (key := (scale, kind)) in found.index]
    return found.loc[order].reset_index().rename_axis(columns=None)


def careless(ratings: pd.DataFrame) -> pd.DataFrame:
    """Flag participants who answered without reading, by the thresholds at the top of this module.

    Returns:
        Index ``participant``: ratings, same_share (share of the commonest rating), median_seconds, failed_share (of
        the checks), then the flags straight_line, fast, failed_checks, careless (any of the three). Where times or
        checks are missing the flag is False.
    """
    rated = answers(ratings).groupby("participant")
    table = pd.DataFrame(
        {
            "ratings": rated.size(),
            "same_share": rated["rating"].agg(lambda r: r.value_counts(normalize=True).iloc[0]),
            "median_seconds": rated["seconds"].median(),
        }
    )
    asked = ratings[is_check(ratings["item"])]
    wrong = asked["rating"] != asked["item"].str.removeprefix("check_").astype(int)
    table["failed_share"] = wrong.groupby(asked["participant"]).mean().reindex(table.index).astype(float)
    table["straight_line"] = (table["same_share"] >= SAME_SHARE) & (table["ratings"] >= ENOUGH)
    table["fast"] = table["median_seconds"] < FAST
    table["failed_checks"] = table["failed_share"] >= FAILED
    table["careless"] = table[["straight_line", "fast", "failed_checks"]].any(axis=1)
    return table


def without_careless(ratings: pd.DataFrame) -> pd.DataFrame:
    """The ratings minus those of flagged participants."""
    flags = careless(ratings)
    return ratings[~ratings["participant"].isin(flags.index[flags["careless"]])].reset_index(drop=True)


@cache
def published() -> pd.DataFrame:
    """Published mean ratings, and the accuracy of students trained on the same trace types, from ``published.csv``.

    Returns:
        Index: quantity (``interpretability``, ``cognitive_load``: mean rating 1 to 5; ``accuracy``: percent, mean over
        the four CoTempQA categories of the R1 subset) and student ("" for ratings). One column per trace type; missing
        where our sources state no value.
    """
    table = load_published()
    rated = table[table["kind"] == "study"].assign(student="", quantity=lambda t: t["measure"].str.replace(" ", "_"))
    subset = table[(table["kind"] == "r1 subset") & (table["measure"] == "acc")].assign(quantity="accuracy")
    index = pd.MultiIndex.from_tuples([(scale, "") for scale in SCALES] + [("accuracy", name) for name in STUDENTS])
    means = pd.concat([rated, subset]).groupby(["quantity", "student", "condition"])["value"].mean().unstack()
    return means.reindex(index=index.set_names(["quantity", "student"]), columns=list(TRACE_TYPES))


def published_mean(scale: str, trace_type: str) -> float:
    """The published mean rating, or NaN where our sources do not state it."""
    return float(published().loc[(scale, ""), trace_type])
