"""Pictures of the paper check: claims with their margins. Data and axes in, axes out."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from tracekd.findings import NOT_SUPPORTED, SUPPORTED
from tracekd.plots import OKABE_ITO
from tracekd.replication import marked

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
