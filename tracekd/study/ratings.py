"""Ratings of reasoning traces: the long format, scores per participant, careless answers, published numbers.

One row of the long format (``COLUMNS``) is one participant's answer to one item about one trace: ``trace_type`` is one
of ``TRACE_TYPES``, empty for attention checks; ``item`` stands in ``survey_items.toml``, or is ``check_K``, a check
whose right answer is K; ``rating`` is 1 to 5; ``order`` is the trace's place in the participant's sequence, from 1;
``seconds`` may be missing.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.analysis import paper_check

LABELS = {"r1": "R1", "r1_summary": "R1 summary", "r1_explanation": "R1 explanation", "correct": "correct"}
TRACE_TYPES = tuple(LABELS)
# Students of the published R1 conditions, the small ones first.
STUDENTS = ("Llama-3.2-1B-Instruct", "Qwen3-1.7B", "Llama-3.1-8B-Instruct", "Qwen3-8B")
SCALES = ("interpretability", "cognitive_load")
COLUMNS = ("participant", "problem", "trace_type", "item", "rating", "order", "seconds")
POINTS = (1, 2, 3, 4, 5)

# A participant is careless from these values on; the notebook states them beside the results.
SAME_SHARE = 0.95  # share of equal ratings over both scales, which run against each other for a readable trace
FAST = 1.0  # seconds: a median answer below this is too fast to have read the item
FAILED = 0.5  # share of failed attention checks


@cache
def questionnaire() -> dict:
    """The questionnaire in ``survey_items.toml``."""
    return tomllib.loads(Path(__file__).with_name("survey_items.toml").read_text(encoding="utf-8"))


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
    """Balanced orders of an even number ``n`` of things, one per row (Williams, 1949).

    Each thing comes equally often at each place, and equally often right after each other thing.
    """
    first = [0] + [(k + 1) // 2 if k % 2 else n - k // 2 for k in range(1, n)]
    return (np.array(first) + np.arange(n)[:, None]) % n


def is_check(items: pd.Series) -> pd.Series:
    """True for attention checks."""
    return items.str.startswith("check_")


def answers(ratings: pd.DataFrame) -> pd.DataFrame:
    """The ratings without attention checks, with their ``scale``."""
    rows = ratings[~is_check(ratings["item"])]
    return rows.assign(scale=rows["item"].map(scale_of()))


def scores(ratings: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Mean rating of each participant for each trace type on one scale: participants x trace types, 1 to 5."""
    rows = answers(ratings).query("scale == @scale")
    return rows.pivot_table("rating", "participant", "trace_type").reindex(columns=list(TRACE_TYPES))


def shares(ratings: pd.DataFrame) -> pd.DataFrame:
    """Shares of the points: scale, trace_type, participants, ratings, then columns 1 to 5 (sum 1)."""
    grouped = answers(ratings).groupby(["scale", "trace_type"])
    found = grouped.agg(participants=("participant", "nunique"), ratings=("rating", "size"))
    found = found.join(grouped["rating"].value_counts(normalize=True).unstack(fill_value=0.0).reindex(columns=POINTS))
    order = [(scale, kind) for scale in SCALES for kind in TRACE_TYPES]
    return found.fillna(0.0).loc[order].reset_index()


def careless(ratings: pd.DataFrame) -> pd.DataFrame:
    """Flag participants who answered without reading, by the thresholds at the top of this module.

    Returns:
        Index ``participant``: same_share (share of the commonest rating), median_seconds, failed_share (of the checks),
        then the flags straight_line, fast, failed_checks, careless (any of the three). Where times or checks are
        missing the flag is False.
    """
    rated, asked = answers(ratings).groupby("participant"), ratings[is_check(ratings["item"])]
    wrong = asked["rating"] != asked["item"].str.removeprefix("check_").astype(int)
    table = pd.DataFrame(
        {
            "same_share": rated["rating"].agg(lambda r: r.value_counts(normalize=True).iloc[0]),
            "median_seconds": rated["seconds"].median(),
            "failed_share": wrong.groupby(asked["participant"]).mean().astype(float),
        },
        index=list(rated.groups),
    ).rename_axis("participant")
    table["straight_line"] = table["same_share"] >= SAME_SHARE
    table["fast"] = table["median_seconds"] < FAST
    table["failed_checks"] = table["failed_share"] >= FAILED
    return table.assign(careless=table[["straight_line", "fast", "failed_checks"]].any(axis=1))


def without_careless(ratings: pd.DataFrame) -> pd.DataFrame:
    """The ratings minus those of flagged participants."""
    flags = careless(ratings)["careless"]
    return ratings[~ratings["participant"].isin(flags.index[flags])].reset_index(drop=True)


@cache
def published() -> pd.DataFrame:
    """Published mean ratings, and the accuracy of students trained on the same trace types, from ``published.csv``.

    Returns:
        Index: quantity (``interpretability``, ``cognitive_load``: mean rating 1 to 5; ``accuracy``: percent, mean over
        the four CoTempQA categories of the R1 subset) and student ("" for ratings). One column per trace type; missing
        where our sources state no value.
    """
    table = paper_check.published()
    rated = table[table["kind"] == "study"].assign(student="", quantity=lambda t: t["measure"].str.replace(" ", "_"))
    subset = table[(table["kind"] == "r1 subset") & (table["measure"] == "acc")].assign(quantity="accuracy")
    index = pd.MultiIndex.from_tuples([(scale, "") for scale in SCALES] + [("accuracy", name) for name in STUDENTS])
    means = pd.concat([rated, subset]).groupby(["quantity", "student", "condition"])["value"].mean().unstack()
    return means.reindex(index=index.set_names(["quantity", "student"]), columns=list(TRACE_TYPES))


def published_mean(scale: str, trace_type: str) -> float:
    """The published mean rating, or NaN where our sources do not state it."""
    return float(published().loc[(scale, ""), trace_type])
