"""Pictures of the interventions: accuracy by forced trace, and what the answers follow. Data and axes in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tracekd.analysis.forced_words import FEWEST
from tracekd.interventions.variants import VARIANTS
from tracekd.plots.style import OKABE_ITO, colour_of, marker_of

VARIANT_NAMES = {
    "own": "own", "gold": "gold", "wrong_label": "wrong\nlabel", "wrong_facts": "wrong\nfacts",
    "both_wrong": "both\nwrong", "other": "another\nproblem's", "empty": "empty", "shuffled": "shuffled",
    "masked": "answer\nmasked",
}  # fmt: skip
FOLLOW_STYLE = {
    "trace": ("the trace", OKABE_ITO["blue"], "white"),
    "context": ("the context", OKABE_ITO["orange"], "black"),
    "neither": ("neither", "#BBBBBB", "black"),
}


def variant_accuracy(table: pd.DataFrame, ax: Axes, *, outcome: str = "answer_correct") -> Axes:
    """One point with interval per variant and training condition; dotted lines: the level after the own trace.

    Below each variant stands the number of problems that have it. Variants on fewer than ``FEWEST`` problems are not
    drawn.

    Args:
        table: ``tables.levels`` of one student and data set.
        ax: to draw on; at least 6 in wide.
        outcome: ``answer_correct`` or ``logp_gold``.
    """
    table = table[(table.outcome == outcome) & (table.n >= FEWEST)]
    names = [v for v in VARIANTS if v in set(table.variant)]
    kinds = list(dict.fromkeys(table.condition))
    step = 0.62 / max(len(kinds), 1)
    for k, kind in enumerate(kinds):
        part = table[table.condition == kind].set_index("variant").reindex(names)
        x = np.arange(len(names)) + (k - (len(kinds) - 1) / 2) * step
        low, high = (part.value - part.low).clip(lower=0), (part.high - part.value).clip(lower=0)
        colour = colour_of(kind)
        ax.errorbar(x, part.value, [low, high], fmt=marker_of(kind), ms=3.5, lw=1, color=colour, label=kind)
        if "own" in names and not np.isnan(part.value["own"]):
            ax.axhline(part.value["own"], color=colour, lw=0.6, ls=":", zorder=0)
    for x in np.arange(1, len(names), 2):
        ax.axvspan(x - 0.5, x + 0.5, color="#F4F4F4", zorder=-1, lw=0)
    ax.set_xticks(range(len(names)), [f"{VARIANT_NAMES[name]}\n{_problems(table, name)}" for name in names])
    ax.set(xlim=(-0.5, max(len(names), 1) - 0.5), xlabel="trace put before the answer")
    ax.tick_params(axis="x", length=0)
    if outcome == "answer_correct":
        ax.set(ylim=(-0.02, 1.02), ylabel="accuracy (share\nof right answers)")
    else:
        ax.set_ylabel("log-probability of the\ngold answer (nats)")
    ax.legend(ncols=min(len(kinds), 4), loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    return ax


def _problems(table: pd.DataFrame, variant: str) -> str:
    """The number of problems behind a variant's points, ``n = 12``; the range where conditions differ."""
    n = table[table.variant == variant].n
    return f"n = {n.min():.0f}" if n.min() == n.max() else f"n = {n.min():.0f}\N{EN DASH}{n.max():.0f}"


def follow_bars(table: pd.DataFrame, ax: Axes) -> Axes:
    """One stacked bar per training condition: answers that follow trace, context or neither, where the two disagree.

    The whisker is the interval of the share that follows the trace; the number of problems stands at the right.
    Conditions with fewer than ``FEWEST`` problems are not drawn.

    Args:
        table: ``tables.follow_shares`` of one student and data set; of it variant ``given``.
        ax: to draw on.
    """
    table = table[(table.variant == "given") & (table.n >= FEWEST)]
    kinds = list(dict.fromkeys(table.condition))
    left = np.zeros(len(kinds))
    whisker = table[table.follows == "trace"].set_index("condition").reindex(kinds)
    for follows, (label, colour, ink) in FOLLOW_STYLE.items():
        part = table[table.follows == follows].set_index("condition").reindex(kinds)
        ax.barh(range(len(kinds)), part.value, left=left, color=colour, height=0.62, label=label)
        for y, value in enumerate(part.value):
            if follows == "trace" and value > 0.22:  # its right end belongs to the whisker
                ax.text(0.02, y, f"{value:.0%}", va="center", color=ink, fontsize=7)
            free = np.nanmax([left[y], whisker.high.iloc[y]])  # the whisker may reach into the other shares
            if follows != "trace" and left[y] + value - free > 0.08:
                middle = (free + left[y] + value) / 2
                ax.text(middle, y, f"{value:.0%}", ha="center", va="center", color=ink, fontsize=7)
        left += part.value.to_numpy()
    error = [(whisker.value - whisker.low).clip(lower=0), (whisker.high - whisker.value).clip(lower=0)]
    ax.errorbar(whisker.value, range(len(kinds)), xerr=error, fmt="none", color="black", lw=1, capsize=2)
    for y, n in enumerate(whisker.n):
        ax.text(1.02, y, f"n = {n:.0f}", va="center", fontsize=7, clip_on=False)
    ax.set_yticks(range(len(kinds)), [k.replace("_", " ") for k in kinds])
    label = "share of answers that follow ...\n(all given traces, where trace and context disagree)"
    ax.set(ylim=(max(len(kinds), 1) - 0.5, -0.5), xlim=(0, 1), xlabel=label)
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1, handlelength=1)
    return ax
