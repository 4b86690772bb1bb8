"""Pictures of the interventions: accuracy by given trace, and whom the answers follow. Data and axes in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tracekd.plots import COLOURS, OKABE_ITO, colour_of, plain
from tracekd.variants import VARIANTS

VARIANT_NAMES = {
    "own": "own", "gold": "gold", "wrong_label": "wrong\nlabel", "wrong_facts": "wrong\nfacts",
    "both_wrong": "both\nwrong", "other": "another\nproblem's", "empty": "empty", "shuffled": "shuffled",
    "masked": "answer\nmasked", "given": "all given\ntraces",
}  # fmt: skip
FOLLOW_STYLE = {
    "trace": ("the trace", OKABE_ITO["blue"], "white"),
    "context": ("the context", OKABE_ITO["orange"], "black"),
    "neither": ("neither", "#BBBBBB", "black"),
}


def variant_accuracy(
    table: pd.DataFrame, ax: Axes, *, outcome: str = "answer_correct", unit: str | None = None
) -> Axes:
    """One point with interval a variant and training condition; the dotted lines are the conditions' own traces.

    Below each variant stands the number of problems that have it.

    Args:
        table: ``intervention_tables.levels`` of one student and data set, each point on the problems that have the
            variant; or ``changes``, which has a line at 0 instead.
        ax: to draw on; at least 6 in wide.
        outcome: ``answer_correct`` or ``logp_gold``.
        unit: label of the y axis; by default that of the outcome.
    """
    table = table[(table.outcome == outcome) & (table.n > 0)]
    names = [v for v in VARIANTS if v in set(table.variant)]
    kinds = list(dict.fromkeys(table.condition))
    step = 0.62 / max(len(kinds), 1)
    for k, kind in enumerate(kinds):
        part = table[table.condition == kind].set_index("variant").reindex(names)
        x = np.arange(len(names)) + (k - (len(kinds) - 1) / 2) * step
        colour = colour_of(kind)
        low, high = (part.value - part.low).clip(lower=0), (part.high - part.value).clip(lower=0)
        ax.errorbar(x, part.value, [low, high], fmt=_marker(kind), ms=3.5, lw=1, color=colour, label=kind)
        if "own" in names and not np.isnan(part.value["own"]):
            ax.axhline(part.value["own"], color=colour, lw=0.6, ls=":", zorder=0)
    for x in np.arange(1, len(names), 2):
        ax.axvspan(x - 0.5, x + 0.5, color="#F4F4F4", zorder=-1, lw=0)
    ax.set_xticks(range(len(names)), [f"{VARIANT_NAMES[name]}\n{_problems(table, name)}" for name in names])
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.tick_params(axis="x", length=0)
    if outcome == "answer_correct" and "against" not in table:
        ax.set_ylim(-0.02, 1.02)
    if "against" in table:
        ax.axhline(0, color="black", lw=0.6, zorder=0)
    default = {"answer_correct": "share of right answers", "logp_gold": "log-probability of the\ngold answer (nats)"}
    ax.set_ylabel(unit or default[outcome])
    ax.set_xlabel("trace put before the answer")
    ax.legend(ncols=min(len(kinds), 4), loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    return ax


def _problems(table: pd.DataFrame, variant: str) -> str:
    """The number of problems behind a variant's points, ``n = 12``; the range where conditions differ."""
    n = table[table.variant == variant].n
    return f"n = {n.min():.0f}" if n.min() == n.max() else f"n = {n.min():.0f}\N{EN DASH}{n.max():.0f}"


def _marker(condition: str) -> str:
    """A condition's marker, the same in every picture."""
    name = plain(condition)
    return "osD^vPX*"[list(COLOURS).index(name)] if name in COLOURS else "o"


def follow_bars(table: pd.DataFrame, ax: Axes, *, variant: str = "given") -> Axes:
    """One stacked bar a training condition: answers that follow trace, context or neither, where the two disagree.

    The whisker is the interval of the share that follows the trace; the number of problems stands at the right.

    Args:
        table: ``intervention_tables.follow_shares`` of one student and data set.
        ax: to draw on.
        variant: whose traces; ``given`` joins all that were put there.
    """
    table = table[table.variant == variant]
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
    ax.set_ylim(len(kinds) - 0.5, -0.5)
    ax.set_xlim(0, 1)
    shown = VARIANT_NAMES[variant].replace("\n", " ")
    ax.set_xlabel(f"share of answers that follow ...\n({shown}, where trace and context disagree)")
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1, handlelength=1)
    return ax


EFFECT_NAMES = {
    "observed": "own right - own wrong\n(observed, no effect)", "total": "total",
    "natural_direct": "natural direct\n(answer not named)", "natural_indirect": "natural indirect\n(answer named)",
    "facts_given_right_label": "right facts\n(label right)", "label_given_right_facts": "right label\n(facts right)",
}  # fmt: skip


def effect_points(table: pd.DataFrame, ax: Axes, *, outcome: str = "answer_correct") -> Axes:
    """One point with interval an effect and training condition, n beside it; a line at zero.

    Args:
        table: ``effects.effects`` of one student and data set; those of ``EFFECT_NAMES`` are drawn where they have any
            problem.
        ax: to draw on; at least 3 in wide.
        outcome: ``answer_correct`` or ``logp_gold``.
    """
    table = table[(table.outcome == outcome) & (table.n > 0) & table.value.notna()]
    names = [name for name in EFFECT_NAMES if name in set(table.effect)]
    kinds = list(dict.fromkeys(table.condition))
    step = 0.7 / max(len(kinds), 1)
    for k, kind in enumerate(kinds):
        part = table[table.condition == kind].set_index("effect").reindex(names)
        y = np.arange(len(names)) + (k - (len(kinds) - 1) / 2) * step
        colour = colour_of(kind)
        low, high = (part.value - part.low).clip(lower=0), (part.high - part.value).clip(lower=0)
        ax.errorbar(part.value, y, xerr=[low, high], fmt=_marker(kind), ms=3.5, lw=1, color=colour, label=kind)
        for place, n in zip(y, part.n, strict=True):
            if n == n:
                ax.text(
                    1.01, place, f"{n:.0f}", transform=ax.get_yaxis_transform(), va="center", fontsize=6, color=colour
                )
    ax.text(1.01, 1, "n", transform=ax.transAxes, va="bottom", fontsize=6)
    ax.axvline(0, color="black", lw=0.6, zorder=0)
    ax.set_yticks(range(len(names)), [EFFECT_NAMES[name] for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    if outcome == "answer_correct":
        ax.set_xlim(-1.05, 1.05)
    unit = {"answer_correct": "difference in share of right answers", "logp_gold": "difference in nats"}
    ax.set_xlabel(unit[outcome])
    ax.legend(ncols=min(max(len(kinds), 1), 4), loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    return ax
