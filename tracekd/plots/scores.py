"""Pictures of training and evaluation: losses, estimates by condition, shares, phi. Data and axes in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from tracekd.plots.style import OKABE_ITO, colour_of, marker_of, named

RULES = {"as printed": OKABE_ITO["grey"], "as published": OKABE_ITO["orange"], "id-aligned": OKABE_ITO["blue"]}
SHARES = {
    "joint": ("both right, of all", OKABE_ITO["grey"]),
    "p_answer_given_trace": ("answer right, given a right trace", OKABE_ITO["blue"]),
    "p_answer_given_not_trace": ("answer right, given a wrong trace", OKABE_ITO["vermilion"]),
}
PARTS = {"trace_loss": "trace tokens", "answer_loss": "answer tokens"}


def forest(
    table: pd.DataFrame, ax: Axes, *, label: str, kind: str, colours: dict[str, str] | None = None, unit: str = "share"
) -> Axes:
    """Estimates with 95% intervals: one line per value of ``label``, one coloured point per value of ``kind``.

    Args:
        table: columns ``label``, ``kind``, value, low, high; a line without any value says that it is undefined.
        ax: to draw on.
        label: column that names the lines.
        kind: column shown by colour and marker, with a legend unless each line has one point.
        colours: kind to colour; default: the conditions' own.
        unit: label of the x axis.
    """
    lines, kinds = list(dict.fromkeys(table[label])), list(dict.fromkeys(table[kind]))
    single = table[label].is_unique
    step = 0 if single else min(0.25, 0.8 / len(kinds))
    for k, name in enumerate(kinds):
        part = table[(table[kind] == name) & table.value.notna()]
        places = [len(lines) - 1 - lines.index(line) + ((len(kinds) - 1) / 2 - k) * step for line in part[label]]
        colour, marker = (colours[name], "osD^vP"[k % 6]) if colours else (colour_of(str(name)), marker_of(str(name)))
        style = {"fmt": marker, "ms": 3.5, "lw": 1, "color": colour, "label": named(str(name))}
        if len(part):
            gaps = np.clip([part.value - part.low, part.high - part.value], 0, None)
            ax.errorbar(part.value, places, xerr=gaps, **style)
    for name, part in table.groupby(label, sort=False):
        if part.value.isna().all():
            place, words = len(lines) - 1 - lines.index(name), "undefined: trace or answer never varies"
            ax.text(0.01, place, words, fontsize=6, color="#555555", va="center")
    ax.set_yticks(range(len(lines)), [named(str(line)) for line in lines[::-1]])
    ax.set(ylim=(-0.6, len(lines) - 0.4), xlabel=unit)
    if not single:
        ax.legend(ncols=min(len(kinds), 4), loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    return ax


def points(table: pd.DataFrame, ax: Axes, *, group: str, colour: str, unit: str = "share of problems") -> Axes:
    """Shares in 0..1 by ``group`` (lines) and ``colour`` (conditions): see ``forest``."""
    forest(table, ax, label=group, kind=colour, unit=unit).set_xlim(-0.02, 1.02)
    return ax


def share_bars(table: pd.DataFrame, ax: Axes, *, label: str = "condition") -> Axes:
    """Joint share beside the two conditional shares of ``tables.associations``, one step: see ``forest``."""
    parts = [
        table[[label]].assign(share=words, value=table[name], low=table[f"{name}_low"], high=table[f"{name}_high"])
        for name, (words, _) in SHARES.items()
    ]
    forest(pd.concat(parts), ax, label=label, kind="share", colours=dict(SHARES.values())).set_xlim(-0.02, 1.02)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.3)
    return ax


def phi_forest(table: pd.DataFrame, ax: Axes, *, label: str) -> Axes:
    """Phi with its interval (columns phi, phi_low, phi_high; -1..1) under each of ``rules``: see ``forest``."""
    shown = table.rename(columns={"phi": "value", "phi_low": "low", "phi_high": "high"})
    ax.axvline(0, color="#999999", lw=0.6)
    return forest(shown, ax, label=label, kind="rules", colours=RULES, unit="phi of trace and answer")


def loss_curves(ax: Axes, logs: pd.DataFrame, part: str) -> Axes:
    """The loss of one of ``PARTS`` of the target over training, a line per condition and seed.

    ``logs`` is of ``sft_tables.losses``. A condition without such tokens (vanilla has no trace) has no line.
    """
    for (condition, _), rows in logs.groupby(["condition", "seed"], sort=False):
        rows = rows.dropna(subset=[part]).sort_values("step")
        if rows.empty:
            continue
        smooth = rows[part].rolling(max(1, len(rows) // 12), min_periods=1).mean()
        colour, dot = colour_of(condition), "o" if len(rows) == 1 else None  # no line of one step
        ax.plot(rows.examples, rows[part], color=colour, alpha=0.25, lw=0.7)
        ax.plot(rows.examples, smooth, color=colour, marker=dot, ms=3.5, label=condition)
    ax.set(title=PARTS[part], xlabel="examples seen", yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # enough labels to read a value, few enough not to touch
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    return ax
