"""Pictures of the evaluation: estimates by condition, matrices, shares, phi. Data and axes in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tracekd.plots.style import OKABE_ITO, colour_of, marker_of, named
from tracekd.stats.intervals import wilson

_BLUE, _SKY, _ORANGE, _RED = (OKABE_ITO[name] for name in ("blue", "sky", "orange", "vermilion"))
RULE_COLOURS = {"as published": _ORANGE, "id-aligned": _BLUE}
REVEALED = {
    "excludes": ("exactly the facts that are not gold", _ORANGE),
    "names": ("a fact that names the answer", _SKY),
    "derives": ("facts from which the answer follows", _RED),
}
SHARES = {
    "joint": ("both right, of all", OKABE_ITO["grey"]),
    "p_answer_given_trace": ("answer right, given a right trace", _BLUE),
    "p_answer_given_not_trace": ("answer right, given a wrong trace", _RED),
}
LEAST = 20  # problems; no bar is drawn on fewer


def _gaps(middle, low, high) -> np.ndarray:
    """Lengths of error bars below and above, (2, n)."""
    return np.clip([middle - low, high - middle], 0, None)


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
            ax.errorbar(part.value, places, xerr=_gaps(part.value, part.low, part.high), **style)
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


def phi_forest(table: pd.DataFrame, ax: Axes, *, label: str, kind: str, colours: dict[str, str]) -> Axes:
    """Phi with its interval (columns phi, phi_low, phi_high; -1..1): see ``forest``."""
    shown = table.rename(columns={"phi": "value", "phi_low": "low", "phi_high": "high"})
    ax.axvline(0, color="#999999", lw=0.6)
    return forest(shown, ax, label=label, kind=kind, colours=colours, unit="phi of trace and answer")


def matrices(table: pd.DataFrame, axs: np.ndarray, *, title: str = "condition") -> np.ndarray:
    """A heat map per row of ``table`` (see ``matrix``) on the axes ``axs``; axes left over are switched off."""
    flat = np.ravel(axs)
    for ax, (_, row) in zip(flat, table.iterrows(), strict=False):
        matrix(row, ax, title=str(row[title]), step=row.get("step", "trace"))
    for ax in flat[len(table) :]:
        ax.axis("off")
    return axs


def matrix(row: pd.Series, ax: Axes, *, title: str, step: str = "trace") -> Axes:
    """One 2x2 table (both, answer_only, trace_only, neither) as a heat map with 95% Wilson intervals of the shares."""
    counts = np.array([[row["both"], row["trace_only"]], [row["answer_only"], row["neither"]]], float)
    n = counts.sum()
    ax.imshow(counts / max(n, 1), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), count in np.ndenumerate(counts):
        share = count / n if n else 0
        low, high = wilson(int(count), int(n)) if n else (0, 0)
        style = {"ha": "center", "va": "center", "color": "white" if share > 0.55 else "black"}
        ax.text(j, i - 0.12, f"{int(count)}\n{share:.0%}", fontsize=7, **style)
        ax.text(j, i + 0.3, f"{100 * low:.0f} to {100 * high:.0f}%", fontsize=5.5, **style)
    ax.set_xticks([0, 1], ["right", "wrong"])
    ax.set_yticks([0, 1], ["right", "wrong"], rotation=90, va="center")
    ax.set(xlabel="answer", ylabel=step, title=named(title))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax
