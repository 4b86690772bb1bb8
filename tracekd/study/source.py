"""The ratings that notebook 05 works on: a real file, or SIMULATED ones that say so in every artefact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from tracekd.config import ROOT
from tracekd.study import ratings as study
from tracekd.study.files import read
from tracekd.study.importing import Cleaned, clean
from tracekd.study.simulate import simulate

STAMP = "SIMULATED"
PICTURE_FOLDER = ROOT / "figures" / "data"


@dataclass(frozen=True)
class Study:
    """Cleaned ratings, whether they are simulated, and their source in words for captions and the manifest."""

    cleaned: Cleaned
    simulated: bool
    source: str

    @property
    def ratings(self) -> pd.DataFrame:
        """The long format of ``ratings``."""
        return self.cleaned.ratings

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

    def about(self, caption: str) -> dict:
        """Caption (it begins with SIMULATED for simulated ratings), n, student and source, to save an artefact with."""
        caption = f"{STAMP} ratings, no evidence about people. {caption}" if self.simulated else caption
        return {"caption": caption, "n": f"{self.n} participants", "student": "", "source": self.source}

    def table(self, frame: pd.DataFrame, p: tuple[str, ...] = ()) -> Styler:
        """The frame as a notebook shows it: two decimals, powers of ten in the columns ``p``, stamped if simulated."""
        shown = frame.style.hide().format(precision=2, na_rep="").format("{:.1e}", subset=list(p), na_rep="")
        return shown.set_caption(f"{STAMP} ratings") if self.simulated else shown


def open_study(path: str, rng: np.random.Generator) -> Study:
    """Read and clean the ratings at ``path``, or simulate some where it is empty.

    Raises:
        ValueError: the file cannot be read or cleaned; see ``files.read`` and ``importing.clean``.
    """
    if not path:
        return Study(clean(simulate(rng)), True, f"{STAMP} ratings (tracekd.study.simulate)")
    return Study(clean(read(path)), False, f"ratings file {Path(path).name}")


def pictures() -> dict[str, Path]:
    """Name to file of the pictures that ``python -m tracekd survey pictures`` took; empty where there are none."""
    return {path.stem.removeprefix("05_survey_"): path for path in sorted(PICTURE_FOLDER.glob("05_survey_*.png"))}


def reliability_words(reliability: pd.DataFrame) -> str:
    """``stats.reliability`` as Markdown: one line per scale."""
    lines = []
    for scale, rows in reliability.groupby("scale", sort=False):
        found = [f"{study.LABELS[r.trace_type]} {r.value:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in rows.itertuples()]
        lines.append(f"- Cronbach's alpha, {scale} (n = {rows['n'].max()}): {'; '.join(found)}")
    return "\n".join(lines)


def summary(data: Study, detectable: pd.DataFrame, described: pd.DataFrame, pairs: pd.DataFrame, rho: pd.DataFrame):
    """What the notebook found, as Markdown.

    Args:
        data: the ratings.
        detectable: of ``simulate.minimum_detectable``.
        described: of ``stats.describe``.
        pairs: of ``stats.compare``.
        rho: of ``stats.against_accuracy``.
    """
    least = detectable[detectable["test"] == "pair"].set_index("design")["effect"]
    first, last = (study.published_mean("interpretability", kind) for kind in ("r1", "correct"))
    lines = [
        f"Published: interpretability is {first:.2f} for `r1` and {last:.2f} for `correct`, {last - first:.2f} points "
        "apart.",
        f"Under the assumed spreads, 100 participants find a difference of {least['within']:.2f} points between two "
        f"trace types with power 0.8 in a within design, {least['between']:.2f} points in a between design.",
    ]
    for scale, rows in pairs.groupby("scale", sort=False):
        top = described[described["scale"] == scale].sort_values("mean").iloc[-1]
        lines.append(
            f"In these {'SIMULATED ' if data.simulated else ''}ratings {int((rows['p_holm'] < 0.05).sum())} of "
            f"{len(rows)} pairs differ in {scale}; `{top['trace_type']}` has the highest mean, {top['mean']:.2f} "
            f"[{top['low']:.2f}, {top['high']:.2f}], n = {top['n']}. Without careless participants "
            f"{int(rows['same_verdict'].sum())} verdicts stay."
        )
    found = ", ".join(f"{row.student} {row.rho:+.1f} (p = {row.p:.2f})" for row in rho.itertuples())
    test = " This is no test of the paper's claim: the ratings are partly assumed." if data.simulated else ""
    lines.append(f"Rank correlation of interpretability with accuracy, n = {rho['n'].max()}: {found}.{test}")
    return "\n".join(f"- {line}" for line in lines)
