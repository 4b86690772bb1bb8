"""Pictures of the evaluation: accuracy, matrices, shares, phi, seeds. Data and axes in, axes out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tracekd.plots.style import OKABE_ITO, colour_of, marker_of
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


def _legend_above(ax: Axes, ncols: int, **options) -> Axes:
    ax.legend(ncols=ncols, loc="lower center", bbox_to_anchor=(0.5, 1.0), **options)
    return ax


def points(
    table: pd.DataFrame, ax: Axes, *, group: str, colour: str, colours: dict[str, str] | None = None,
    unit: str = "share of problems",
) -> Axes:  # fmt: skip
    """Estimates with intervals: one cluster per value of ``group``, one coloured point per value of ``colour``.

    Args:
        table: columns ``group``, ``colour``, value, low, high (0..1).
        ax: to draw on.
        group: column along the x axis.
        colour: column shown by colour and marker.
        colours: value to colour; default: the conditions' own.
        unit: label of the y axis.
    """
    groups, kinds = list(dict.fromkeys(table[group])), list(dict.fromkeys(table[colour]))
    step = 0.7 / max(len(kinds), 1)
    for k, kind in enumerate(kinds):
        part = table[table[colour] == kind]
        x = np.array([groups.index(g) for g in part[group]]) + (k - (len(kinds) - 1) / 2) * step
        shown = colours.get(kind, OKABE_ITO["grey"]) if colours else colour_of(str(kind))
        marker = "osD^vPX*"[k % 8] if colours else marker_of(str(kind))
        style = {"fmt": marker, "ms": 3.5, "lw": 1, "color": shown, "label": str(kind)}
        ax.errorbar(x, part.value, _gaps(part.value, part.low, part.high), **style)
    ax.set_xticks(range(len(groups)), [str(g).replace(" ", "\n", 1) for g in groups])
    ax.set(xlim=(-0.5, len(groups) - 0.5), ylim=(-0.02, 1.02), ylabel=unit)
    return _legend_above(ax, min(len(kinds), 4), columnspacing=1, handletextpad=0.3)


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
    ax.set(xlabel="answer", ylabel=step, title=title)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def matrices(table: pd.DataFrame, axs: np.ndarray, *, title: str = "condition") -> np.ndarray:
    """A heat map per row of ``table`` (see ``matrix``) on the axes ``axs``; axes left over are switched off."""
    flat = np.ravel(axs)
    for ax, (_, row) in zip(flat, table.iterrows(), strict=False):
        matrix(row, ax, title=str(row[title]), step=row.get("step", "trace"))
    for ax in flat[len(table) :]:
        ax.axis("off")
    return axs


def share_bars(table: pd.DataFrame, ax: Axes, *, label: str = "condition") -> Axes:
    """Joint share beside the two conditional shares, with intervals: one line of points per row of ``table``.

    Args:
        table: of ``tables.associations``, one step.
        ax: to draw on.
        label: column that names the rows.
    """
    places = np.arange(len(table))[::-1]
    for k, (name, (words, colour)) in enumerate(SHARES.items()):
        gaps = _gaps(table[name], table[f"{name}_low"], table[f"{name}_high"])
        style = {"fmt": "Dos"[k], "ms": 3.5, "lw": 1, "color": colour, "label": words}
        ax.errorbar(table[name], places + (1 - k) * 0.22, xerr=gaps, **style)
    ax.set_yticks(places, table[label])
    ax.set(ylim=(-0.6, len(table) - 0.4), xlim=(-0.02, 1.02), xlabel="share")
    return _legend_above(ax, 1, handletextpad=0.3)


def phi_forest(table: pd.DataFrame, ax: Axes, *, label: str, kind: str, colours: dict[str, str]) -> Axes:
    """Phi with its interval: one line per value of ``label``, one coloured point per value of ``kind``.

    Args:
        table: columns ``label``, ``kind``, phi, phi_low, phi_high (-1..1; NaN: a line without any is "undefined").
        ax: to draw on.
        label: column that names the lines.
        kind: column shown by colour.
        colours: kind to colour.
    """
    labels, kinds = list(dict.fromkeys(table[label])), list(dict.fromkeys(table[kind]))
    for k, name in enumerate(kinds):
        seen = table[(table[kind] == name) & table.phi.notna()]
        y = len(labels) - 1 - np.array([labels.index(v) for v in seen[label]]) + ((len(kinds) - 1) / 2 - k) * 0.25
        style = {"fmt": "osD"[k % 3], "ms": 3.5, "lw": 1, "color": colours[name], "label": name}
        ax.errorbar(seen.phi, y, xerr=[seen.phi - seen.phi_low, seen.phi_high - seen.phi], **style)
    for name, part in table.groupby(label, sort=False):
        if part.phi.isna().all():
            place = len(labels) - 1 - labels.index(name)
            ax.text(0.01, place, "undefined: trace or answer never varies", fontsize=6, color="#555555", va="center")
    ax.axvline(0, color="#999999", lw=0.6)
    ax.set_yticks(range(len(labels)), labels[::-1])
    ax.set(ylim=(-0.6, len(labels) - 0.4), xlabel="phi of trace and answer")
    return _legend_above(ax, len(kinds))


def leakage(table: pd.DataFrame, ax: Axes) -> Axes:
    """How many wrong traces reveal the answer, in percent with 95% Wilson intervals, one cluster per kind.

    Args:
        table: rows of ``leakage.row`` with ``kind``.
        ax: to draw on.

    Raises:
        ValueError: a row of fewer than 20 problems.
    """
    if table.n.min() < LEAST:
        raise ValueError(f"a bar of {table.n.min()} problems: expected at least {LEAST}")
    for k, (measure, (words, colour)) in enumerate(REVEALED.items()):
        places = [y + 0.25 * (k - 1) for y in range(len(table))]
        shares = [(hits / n, *wilson(hits, n)) for hits, n in zip(table[measure], table.n, strict=True)]
        middle, low, high = 100 * np.array(shares).T
        style = {"color": colour, "error_kw": {"lw": 0.7}, "label": words}
        ax.barh(places, middle, 0.24, xerr=_gaps(middle, low, high), **style)
    ax.set_yticks(range(len(table)), [f"{kind} (n = {n:,})" for kind, n in zip(table.kind, table.n, strict=True)])
    ax.set(xlabel="share of wrong traces (%)", xlim=(0, 100))
    ax.invert_yaxis()
    return ax
