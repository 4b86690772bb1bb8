"""Pictures of the human study. Each takes tables and a figure or axes, and returns it."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tracekd.plots.style import OKABE_ITO, colour_of, marker_of
from tracekd.study.ratings import LABELS, POINTS, SCALES, published, questionnaire

# Brown to blue-green with a grey middle (ColorBrewer BrBG, colour-blind safe); lightness falls towards both ends.
DIVERGING = ("#a6611a", "#dfc27d", "#d9d9d9", "#80cdc1", "#018571")


def likert(shares: pd.DataFrame, anchors: list[str], ax: plt.Axes) -> plt.Axes:
    """Diverging bars: ``ratings.shares`` of one scale in percent, the middle point centred on zero."""
    values = shares[list(POINTS)].to_numpy() * 100
    left = -(values[:, 0] + values[:, 1] + values[:, 2] / 2)
    y = np.arange(len(values))[::-1]
    for i, words in enumerate(anchors):
        ax.barh(y, values[:, i], left=left, color=DIVERGING[i], height=0.72, label=f"{i + 1} {words}", lw=0)
        ink = "white" if i in (0, 4) else "black"
        for j in np.flatnonzero(values[:, i] >= 9):
            text, at = f"{values[j, i]:.0f}", left[j] + values[j, i] / 2
            ax.text(at, y[j], text, ha="center", va="center", size=6.5, color=ink)
        left = left + values[:, i]
    ax.axvline(0, color="black", lw=0.6, zorder=0)
    ax.set_yticks(y, [f"{LABELS[row.trace_type]}\nn = {row.participants}" for row in shares.itertuples()])
    ax.set_xlim(-105, 105)
    ax.set_xticks([-100, -50, 0, 50, 100], ["100", "50", "0", "50", "100"])
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def ratings(shares: pd.DataFrame, described: pd.DataFrame, fig: plt.Figure) -> plt.Figure:
    """Both scales, one per row: ``likert``, and the means (``stats.describe``) with the published ones as stars."""
    for (left, right), scale in zip(fig.subplots(2, 2, width_ratios=[1.6, 1]), SCALES, strict=True):
        rows, about = shares[shares["scale"] == scale], questionnaire()["scales"][scale]
        likert(rows, about["anchors"], left)
        left.set_title(f"{about['title']}: {rows['ratings'].iloc[0]} answers per trace type (%)", loc="left")
        close = {"handlelength": 0.8, "columnspacing": 0.8, "fontsize": 6}
        left.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, -0.14), **close)
        for at, row in zip(left.get_yticks(), described[described["scale"] == scale].itertuples(), strict=True):
            colour, marker = colour_of(row.trace_type), marker_of(row.trace_type)
            error = [[row.mean - row.low], [row.high - row.mean]]
            right.errorbar(row.mean, at, xerr=error, ms=4, capsize=2.5, color=colour, fmt=marker)
            known = published().loc[(scale, ""), row.trace_type]
            right.plot(known, at + 0.28, "*", ms=6, mfc="white", mec="black", mew=0.8)
        right.set(xlim=(1, 5.1), xticks=POINTS, yticks=[], ylim=left.get_ylim())
        right.grid(axis="x", lw=0.4, color="#dddddd")
        right.set_title("mean, 95% interval; star: published", loc="left")
    return fig


def power_curves(curves: pd.DataFrame, ax: plt.Axes) -> plt.Axes:
    """Power (``simulate.power``) against the true difference, Wilson 95% bands; dotted: 0.8."""
    looks = {"any": ("any difference", "o", "blue", "-"), "pair": ("one pair, at 0.05 / 6", "s", "vermilion", "--")}
    for test, (label, marker, colour, line) in looks.items():
        some = curves[curves["test"] == test]
        ax.fill_between(some["effect"], some["low"], some["high"], color=OKABE_ITO[colour], alpha=0.2, lw=0)
        ax.plot(some["effect"], some["power"], line, marker=marker, ms=3, color=OKABE_ITO[colour], label=label)
    ax.axhline(0.8, color="black", lw=0.6, ls=":")
    ax.set(ylim=(-0.02, 1.03), xlabel="true difference (points)")
    ax.set_ylabel(f"power ({curves['repeats'].iloc[0]} simulated studies per point)")
    ax.set_title(f"power of a study with n = {curves['participants'].iloc[0]}", loc="left")
    ax.legend(loc="lower right")
    return ax
