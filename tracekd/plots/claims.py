"""Pictures of the paper check: claims with their margins, and the finding."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tracekd.analysis.narrative import NOT_SUPPORTED, SUPPORTED
from tracekd.analysis.recorded import marked
from tracekd.plots import scores
from tracekd.plots.interventions import variant_accuracy
from tracekd.plots.style import OKABE_ITO, WIDTH

VERDICT_STYLE = {SUPPORTED: (OKABE_ITO["blue"], "o"), NOT_SUPPORTED: (OKABE_ITO["vermilion"], "D")}
INCONCLUSIVE_STYLE = (OKABE_ITO["grey"], "s")


def claim_forest(table: pd.DataFrame, ax: Axes) -> Axes:
    """One line per claim, data set and training size: estimate, 90% (thick) and 95% interval (thin), margin shaded.

    The intervals draw problems and seeds again; the dotted line is the 95% t interval. Blue circles are supported, red
    diamonds not supported, grey squares inconclusive.

    Args:
        table: ``replication_claims.tested`` without the claims that were not tested; shares in -1..1, drawn in points.
        ax: to draw on; about 0.3 in high a row.
    """
    rows = table[::-1].reset_index(drop=True)
    for y, row in rows.iterrows():
        colour, marker = VERDICT_STYLE.get(row.verdict, INCONCLUSIVE_STYLE)
        ax.fill_betweenx([y - 0.42, y + 0.42], -100 * row.margin, 100 * row.margin, color="#EEEEEE", lw=0, zorder=0)
        ax.plot([100 * row.low, 100 * row.high], [y, y], color=colour, lw=1, solid_capstyle="butt")
        ax.plot([100 * row.low90, 100 * row.high90], [y, y], color=colour, lw=2.6, solid_capstyle="butt")
        ax.plot([100 * row.t_low, 100 * row.t_high], [y - 0.2, y - 0.2], color=colour, lw=0.8, ls=":")
        ax.plot(100 * row.estimate, y, marker, ms=5, mfc=colour, mec="white")
    ax.axvline(0, color="black", lw=0.6, zorder=0)
    labels = [
        f"{row.contrast}\n{row.dataset}, trained on {row.training_problems:,}, n = {row.n}, seeds: {row.seeds}"
        for row in marked(rows).itertuples()
    ]
    ax.set_yticks(range(len(rows)), labels)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlabel("points of accuracy; shaded: the margin")
    ax.tick_params(axis="y", length=0)
    return ax


def finding(whole: pd.DataFrame, levels: pd.DataFrame) -> Figure:
    """Left: the answer after right and wrong traces of the student's own. Right, per data set: after traces we chose.

    Args:
        whole: of ``replication_tables.shares_by_trace``.
        levels: of ``replication_tables.forced_panels``, or empty.
    """
    panels = [part for _, part in levels.groupby("dataset", sort=False)] if len(levels) else []
    layout = [["left", place] for place in range(len(panels))] or [["left"]]
    height = max(2.9, 1.1 + 0.55 * len(whole), 0.8 + 1.75 * len(panels))
    fig, axs = plt.subplot_mosaic(layout, figsize=(WIDTH, height))
    about = "\nn = " + whole.n.astype(str) + ", seeds: " + whole.seeds.astype(str)
    titles = whole.dataset + ", trained on\n" + whole.condition + " traces" + about
    scores.share_bars(whole.assign(title=titles), axs["left"], label="title")
    for place, part in enumerate(panels):
        ax = variant_accuracy(part, axs[place])
        ax.set_xlabel(f"trace put before the answer: {part.dataset.iloc[0]}")
        ax.legend(title="trained on traces", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3).set_visible(
            not place
        )
    return fig


def accuracy(table: pd.DataFrame, ax: Axes) -> Axes:
    """Accuracy by condition, one cluster per data set and training size: of ``replication_tables.by_condition``."""
    return scores.points(table, ax, group="group", colour="condition", unit="share of answers right")
