"""The ratings that notebook 05 works on: a real file, or SIMULATED ones that say so in every artefact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from tracekd import study
from tracekd.plots import banner
from tracekd.profiles import ROOT
from tracekd.study_files import read
from tracekd.study_import import clean
from tracekd.study_simulate import simulate
from tracekd.study_stats import compare

STAMP = "SIMULATED"
PICTURE_FOLDER = ROOT / "figures" / "data"


@dataclass(frozen=True)
class Study:
    """Cleaned ratings with their origin.

    Attributes:
        ratings: the long format of ``study``.
        report: what cleaning touched.
        simulated: whether a generator made them.
        source: origin in words, for captions and the manifest.
    """

    ratings: pd.DataFrame
    report: pd.DataFrame
    simulated: bool
    source: str

    @property
    def design(self) -> str:
        """``within`` or ``between``."""
        return study.design(self.ratings)

    @property
    def n(self) -> int:
        """Participants."""
        return int(self.ratings["participant"].nunique())

    def name(self, stem: str) -> str:
        """The artefact's name; ends in ``_SIMULATED`` for simulated ratings."""
        return f"{stem}_{STAMP}" if self.simulated else stem

    def caption(self, text: str) -> str:
        """The caption; begins with the word SIMULATED for simulated ratings."""
        return f"{STAMP} ratings, no evidence about people. {text}" if self.simulated else text

    def table(self, frame: pd.DataFrame, p: tuple[str, ...] = ()) -> Styler:
        """The frame as a notebook shows it: two decimals, powers of ten in the columns ``p``, stamped if simulated."""
        shown = frame.style.hide().format(precision=2).format("{:.1e}", subset=list(p))
        return shown.set_caption(f"{STAMP} ratings") if self.simulated else shown

    def stamp(self, fig: Figure) -> None:
        """Put the banner on a figure of simulated ratings; nothing on one of real ratings."""
        if self.simulated:
            banner(fig, f"{STAMP} ratings")


def open_study(path: str, rng: np.random.Generator) -> Study:
    """Read and clean the ratings at ``path``, or simulate some where it is empty.

    Raises:
        ValueError: the file cannot be read or cleaned; see ``study_files.read`` and ``study_import.clean``.
    """
    if not path:
        cleaned = clean(simulate(rng))
        return Study(cleaned.ratings, cleaned.report, True, f"{STAMP} ratings (tracekd.study_simulate)")
    cleaned = clean(read(path))
    return Study(cleaned.ratings, cleaned.report, False, f"ratings file {Path(path).name}")


def robustness(ratings: pd.DataFrame, rng: np.random.Generator, resamples: int) -> pd.DataFrame:
    """The pairwise table of all participants beside that without those flagged as careless.

    Returns:
        scale, first, second, and for both sets n, effect, p_holm; ``same_verdict``: whether both are on the same side
        of 0.05 with the same sign.
    """
    tables = []
    for kept in (ratings, study.without_careless(ratings)):
        pairs = compare(study.scores(kept), study.design(kept), rng, resamples)[1]
        tables.append(pairs.set_index(["scale", "first", "second"])[["n", "effect", "p_holm"]])
    both = tables[0].add_suffix("_all").join(tables[1].add_suffix("_careful"))
    side = (both["p_holm_all"] < 0.05) == (both["p_holm_careful"] < 0.05)
    both["same_verdict"] = side & (np.sign(both["effect_all"]) == np.sign(both["effect_careful"]))
    return both.reset_index()


def accuracy_points(described: pd.DataFrame, simulated: bool) -> pd.DataFrame:
    """Mean interpretability of each trace type beside the published accuracy of students trained on it.

    Args:
        described: what ``study_stats.describe`` gives.
        simulated: with simulated ratings only the published means count as known.

    Returns:
        One row a student and trace type: student, trace_type, interpretability, low, high, accuracy (percent), known.
    """
    published = study.published()
    rated = described[described["scale"] == "interpretability"].set_index("trace_type")
    rows = published[published["quantity"] == "accuracy"].rename(columns={"value": "accuracy"})
    rows = rows[rows["trace_type"].isin(rated.index)]
    rows = rows.assign(
        interpretability=rows["trace_type"].map(rated["mean"]),
        low=rows["trace_type"].map(rated["low"]),
        high=rows["trace_type"].map(rated["high"]),
        known=[
            not simulated or bool(np.isfinite(study.published_mean("interpretability", k))) for k in rows["trace_type"]
        ],
    )
    columns = ["student", "trace_type", "interpretability", "low", "high", "accuracy", "known"]
    return rows[columns].reset_index(drop=True)


def pictures() -> dict[str, Path]:
    """Name to file of the pictures that ``python -m tracekd survey pictures`` took; empty where there are none."""
    return {path.stem.removeprefix("05_survey_"): path for path in sorted(PICTURE_FOLDER.glob("05_survey_*.png"))}
