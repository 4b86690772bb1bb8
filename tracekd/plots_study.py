"""Pictures of the human study. Each takes tables and an axes, and returns the axes."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from tracekd.plots import COLOURS, OKABE_ITO
from tracekd.study import LABELS, POINTS, TRACE_TYPES

# Brown to blue-green with a grey middle (ColorBrewer BrBG, colour-blind safe); lightness falls towards both ends.
DIVERGING = ("#a6611a", "#dfc27d", "#d9d9d9", "#80cdc1", "#018571")
MARKERS = {"r1": "o", "r1_summary": "s", "r1_explanation": "^", "correct": "D"}
SCALE_LABELS = {"interpretability": "interpretability", "cognitive_load": "cognitive load"}


def survey_pages(pictures: dict[str, Path], fig: plt.Figure) -> plt.Figure:
    """The survey's pages on one figure: a rating page on a desktop at the left, the others at the right.

    Args:
        pictures: what ``study_source.pictures`` gives, with ``consent``, ``desktop``, ``phone`` and ``end``.
        fig: an empty figure.
    """
    axs = fig.subplot_mosaic(
        [["desktop", "consent"], ["desktop", "phone"], ["desktop", "end"]],
        height_ratios=[1.75, 5.1, 1.6],
        width_ratios=[1, 0.9],
    )
    titles = {"desktop": "a trace and its items", "consent": "consent", "phone": "on a phone", "end": "end"}
    for name, ax in axs.items():
        ax.imshow(plt.imread(pictures[name]), interpolation="antialiased", interpolation_stage="rgba")
        ax.set_title(titles[name], loc="left")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set(visible=True, color="#bbbbbb")
        ax.set_anchor("N")
    return fig


def likert(shares: pd.DataFrame, anchors: list[str], ax: plt.Axes) -> plt.Axes:
    """Diverging bars: shares of the five points, the middle one centred on zero.

    Args:
        shares: rows of ``study.shares`` for one scale.
        anchors: words of the five points, for the legend.
        ax: where to draw.
    """
    shares = shares.set_index("trace_type")
    shares = shares.loc[[kind for kind in TRACE_TYPES if kind in shares.index]]
    values = shares[list(POINTS)].to_numpy() * 100
    left = -(values[:, 0] + values[:, 1] + values[:, 2] / 2)
    y = np.arange(len(values))[::-1]
    for i, words in enumerate(anchors):
        ax.barh(y, values[:, i], left=left, color=DIVERGING[i], height=0.72, label=f"{i + 1} {words}", lw=0)
        for j in np.flatnonzero(values[:, i] >= 9):
            ink = "white" if i in (0, 4) else "black"
            ax.text(
                left[j] + values[j, i] / 2, y[j], f"{values[j, i]:.0f}", ha="center", va="center", size=6.5, color=ink
            )
        left = left + values[:, i]
    ax.axvline(0, color="black", lw=0.6, zorder=0)
    ax.set_yticks(y, [f"{LABELS[k]}\nn = {n}" for k, n in shares["participants"].items()])
    ax.set_xlim(-105, 105)
    ax.set_xticks([-100, -50, 0, 50, 100], ["100", "50", "0", "50", "100"])
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def means(table: pd.DataFrame, published: pd.DataFrame, ax: plt.Axes) -> plt.Axes:
    """Mean rating of each trace type with its interval; published means as open diamonds where there are any.

    Args:
        table: rows of ``study_stats.describe`` for one scale.
        published: columns trace_type and value for that scale.
        ax: where to draw.
    """
    known = published.dropna(subset="value").set_index("trace_type")["value"]
    y = np.arange(len(table))[::-1]
    for at, row in zip(y, table.itertuples(), strict=True):
        error = [[row.mean - row.low], [row.high - row.mean]]
        ax.errorbar(row.mean, at, xerr=error, fmt="o", ms=4, capsize=2.5, color=COLOURS[row.trace_type])
        if row.trace_type in known.index:
            ax.plot(known[row.trace_type], at + 0.28, "D", ms=4.5, mfc="white", mec="black", mew=0.8, label="published")
    ax.set_yticks(y, [f"{LABELS[row.trace_type]}\nn = {row.n}" for row in table.itertuples()])
    ax.set_xlim(1, 5.1)
    ax.set_xticks(POINTS)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(*(part[:1] for part in ax.get_legend_handles_labels()), loc="upper left", handletextpad=0.1)
    ax.set_ylim(-0.6, len(table) - 0.3)
    ax.grid(axis="x", lw=0.4, color="#dddddd")
    return ax


def pairwise(pairs: pd.DataFrame, ax: plt.Axes) -> plt.Axes:
    """Effect size of each pair with its interval; filled where Holm's p is below 0.05.

    Args:
        pairs: rows of ``study_stats.compare``'s second table for one scale.
        ax: where to draw.
    """
    y = np.arange(len(pairs))[::-1]
    for at, row in zip(y, pairs.itertuples(), strict=True):
        error = [[max(0, row.effect - row.low)], [max(0, row.high - row.effect)]]
        fill = OKABE_ITO["blue"] if row.p_holm < 0.05 else "white"
        ax.errorbar(row.effect, at, xerr=error, fmt="o", ms=4, mfc=fill, color=OKABE_ITO["blue"], capsize=2.5)
    ax.axvline(0, color="black", lw=0.6)
    ax.set_yticks(y, [f"{LABELS[row.first]} – {LABELS[row.second]}" for row in pairs.itertuples()])
    ax.set_xlim(-1.08, 1.08)
    return ax


def against_accuracy(points: pd.DataFrame, ax: plt.Axes) -> plt.Axes:
    """Accuracy against mean interpretability, one point a trace type; open where the mean is not published.

    Args:
        points: one student's rows: trace_type, interpretability, low, high (missing without ratings), accuracy
            (percent), known (whether interpretability is measured or published, not assumed).
        ax: where to draw.
    """
    for row in points.itertuples():
        colour = COLOURS[row.trace_type]
        if np.isfinite(row.low):
            ax.plot([row.low, row.high], [row.accuracy] * 2, color=colour, lw=1)
        fill = colour if row.known else "white"
        ax.plot(row.interpretability, row.accuracy, MARKERS[row.trace_type], ms=5, color=colour, mfc=fill, lw=0)
    ax.set_xlim(1 if points["interpretability"].min() < 3 else 3, 5.1)
    ax.set_ylim(20, 90)
    ax.grid(lw=0.4, color="#dddddd")
    return ax


def trace_handles(kinds: list[str], unknown: list[str]) -> list[Line2D]:
    """Legend entries for ``against_accuracy``: one marker and colour a kind, open for those in ``unknown``."""
    return [
        Line2D(
            [], [], marker=MARKERS[k], ms=5, lw=0, color=COLOURS[k], mfc="white" if k in unknown else COLOURS[k],
            label=LABELS[k],
        )
        for k in kinds
    ]  # fmt: skip


def power_curves(curves: pd.DataFrame, ax: plt.Axes, wanted: float = 0.8) -> plt.Axes:
    """Power against the true difference, with Wilson intervals of the simulation.

    Args:
        curves: rows of ``study_power.power`` for one design.
        ax: where to draw.
        wanted: power marked by a dotted line.
    """
    looks = {"any": ("any difference", "o", "blue", "-"), "pair": ("one pair, 0.05 / 6", "s", "vermilion", "--")}
    for test, (label, marker, colour, line) in looks.items():
        some = curves[curves["test"] == test]
        ax.fill_between(some["effect"], some["low"], some["high"], color=OKABE_ITO[colour], alpha=0.2, lw=0)
        ax.plot(some["effect"], some["power"], line, marker=marker, ms=3, color=OKABE_ITO[colour], label=label)
    ax.axhline(wanted, color="black", lw=0.6, ls=":")
    ax.set_ylim(-0.02, 1.03)
    ax.set_xlabel("true difference (points)")
    return ax
