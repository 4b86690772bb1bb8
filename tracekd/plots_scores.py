"""Pictures of the evaluation: accuracy, matrices, shares, phi, agreement, seeds. Data and axes in, axes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tracekd.plots import COLOURS, OKABE_ITO, colour_of
from tracekd.stats import wilson

AGREEMENT_COLOURS = {
    "right both times": OKABE_ITO["blue"],
    "copies from its trace": OKABE_ITO["sky"],
    "ignores its trace": OKABE_ITO["vermilion"],
    "not nameable": "#BBBBBB",
    "not stated": OKABE_ITO["yellow"],
}
RULE_COLOURS = {"as published": OKABE_ITO["orange"], "id-aligned": OKABE_ITO["blue"]}
REVEALED = {
    "excludes": "exactly the facts that are not gold", "names": "a fact that names the answer",
    "derives": "facts from which the answer follows",
}  # fmt: skip
SHARES = {
    "joint": ("both right, of all", OKABE_ITO["grey"]),
    "p_answer_given_trace": ("answer right, given a right trace", OKABE_ITO["blue"]),
    "p_answer_given_not_trace": ("answer right, given a wrong trace", OKABE_ITO["vermilion"]),
}


def points(
    table: pd.DataFrame, ax: Axes, *, group: str, colour: str, colours: dict[str, str] | None = None,
    unit: str = "share of problems",
) -> Axes:  # fmt: skip
    """Estimates with intervals: one cluster a value of ``group``, one coloured point a value of ``colour``.

    Args:
        table: columns ``group``, ``colour``, value, low, high (0..1).
        ax: to draw on.
        group: column along the x axis.
        colour: column told apart by colour and marker.
        colours: value to colour; default: the conditions' own.
        unit: label of the y axis.
    """
    groups, kinds = list(dict.fromkeys(table[group])), list(dict.fromkeys(table[colour]))
    step = 0.7 / max(len(kinds), 1)
    for k, kind in enumerate(kinds):
        part = table[table[colour] == kind]
        x = np.array([groups.index(g) for g in part[group]]) + (k - (len(kinds) - 1) / 2) * step
        low, high = (part.value - part.low).clip(lower=0), (part.high - part.value).clip(lower=0)
        shown = colours.get(kind, OKABE_ITO["grey"]) if colours else colour_of(str(kind))
        ax.errorbar(x, part.value, [low, high], fmt="osD^vPX*"[k % 8], ms=3.5, lw=1, color=shown, label=str(kind))
    ax.set_xticks(range(len(groups)), [str(g).replace(" ", "\n", 1) for g in groups])
    ax.set_xlim(-0.5, len(groups) - 0.5)
    ax.set_ylim(-0.02, 1.02)
    ax.set_ylabel(unit)
    ax.legend(
        ncols=min(len(kinds), 4), loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1, handletextpad=0.3
    )
    return ax


def matrix(row: pd.Series, ax: Axes, *, title: str, step: str = "trace") -> Axes:
    """One 2x2 table as a heat map: count and share of all in each cell, with its 95% Wilson interval.

    Args:
        row: with both, answer_only, trace_only, neither.
        ax: to draw on.
        title: above it.
        step: name of the step on the y axis.
    """
    counts = np.array([[row["both"], row["trace_only"]], [row["answer_only"], row["neither"]]], float)
    n = counts.sum()
    ax.imshow(counts / max(n, 1), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), count in np.ndenumerate(counts):
        share = count / n if n else 0
        low, high = wilson(int(count), int(n)) if n else (0, 0)
        colour = "white" if share > 0.55 else "black"
        ax.text(j, i - 0.12, f"{int(count)}\n{share:.0%}", ha="center", va="center", color=colour, fontsize=7)
        ax.text(
            j, i + 0.3, f"{100 * low:.0f} to {100 * high:.0f}%", ha="center", va="center", color=colour, fontsize=5.5
        )
    ax.set_xticks([0, 1], ["right", "wrong"])
    ax.set_yticks([0, 1], ["right", "wrong"], rotation=90, va="center")
    ax.set_xlabel("answer")
    ax.set_ylabel(step)
    ax.set_title(title)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def matrices(table: pd.DataFrame, axs: np.ndarray, *, title: str = "condition") -> np.ndarray:
    """A heat map a row of ``table`` (see ``matrix``) on the axes ``axs``; axes left over are switched off."""
    flat = np.ravel(axs)
    for ax, (_, row) in zip(flat, table.iterrows(), strict=False):
        matrix(row, ax, title=str(row[title]), step=row.get("step", "trace"))
    for ax in flat[len(table) :]:
        ax.axis("off")
    return axs


def move_map(table: pd.DataFrame, ax: Axes, *, title: str) -> Axes:
    """Counts from published cell (rows) to id-aligned cell (columns) as a heat map; the diagonal is what stayed.

    Args:
        table: one adapter's rows of ``released_tables.moves``.
        ax: to draw on.
        title: above it.
    """
    names = ("both", "answer_only", "trace_only", "neither")
    rows = [name for name in (*names, "unevaluated") if name in set(table.published)]
    counts = table.set_index("published").reindex(index=rows, columns=names, fill_value=0).to_numpy(float)
    ax.imshow(counts / max(counts.sum(), 1), cmap="Blues", vmin=0, vmax=0.8, aspect="auto")
    for (i, j), count in np.ndenumerate(counts):
        if count:
            dark = count > 0.45 * counts.sum()
            ax.text(j, i, f"{int(count)}", ha="center", va="center", fontsize=6, color="white" if dark else "black")
    words = {
        "both": "both",
        "answer_only": "answer",
        "trace_only": "trace",
        "neither": "neither",
        "unevaluated": "skipped",
    }
    ax.set_xticks(range(4), [words[name] for name in names], rotation=60, fontsize=6)
    ax.set_yticks(range(len(rows)), [words[name] for name in rows], fontsize=6)
    ax.set_title(title, fontsize=6.5)
    ax.tick_params(length=0)
    return ax


def share_bars(table: pd.DataFrame, ax: Axes, *, label: str = "condition") -> Axes:
    """Joint share beside the two conditional shares, with intervals, one line of points a row of ``table``.

    Args:
        table: of ``tables.associations``, one step.
        ax: to draw on.
        label: column that names the rows.
    """
    places = np.arange(len(table))[::-1]
    for k, (name, (words, colour)) in enumerate(SHARES.items()):
        value = table[name]
        low, high = (value - table[f"{name}_low"]).clip(lower=0), (table[f"{name}_high"] - value).clip(lower=0)
        ax.errorbar(
            value, places + (1 - k) * 0.22, xerr=[low, high], fmt="Dos"[k], ms=3.5, lw=1, color=colour, label=words
        )
    ax.set_yticks(places, table[label])
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xlabel("share")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1, handletextpad=0.3)
    return ax


def phi_forest(table: pd.DataFrame, ax: Axes, *, label: str, kind: str, colours: dict[str, str]) -> Axes:
    """Phi with its interval: one line a value of ``label``, one coloured point a value of ``kind``.

    Args:
        table: columns ``label``, ``kind``, phi, phi_low, phi_high (-1..1; NaN rows are named "undefined").
        ax: to draw on.
        label: column that names the lines.
        kind: column told apart by colour.
        colours: kind to colour.
    """
    labels, kinds = list(dict.fromkeys(table[label])), list(dict.fromkeys(table[kind]))
    for k, name in enumerate(kinds):
        part = table[table[kind] == name]
        y = len(labels) - 1 - np.array([labels.index(v) for v in part[label]]) + ((len(kinds) - 1) / 2 - k) * 0.25
        known = part.phi.notna().to_numpy()
        seen = part[known]
        ax.errorbar(
            seen.phi, y[known], xerr=[seen.phi - seen.phi_low, seen.phi_high - seen.phi], fmt="osD"[k % 3], ms=3.5,
            lw=1, color=colours[name], label=name,
        )  # fmt: skip
    # One note a line where no rule set defines phi there.
    for name, part in table.groupby(label, sort=False):
        if part.phi.isna().all():
            place = len(labels) - 1 - labels.index(name)
            ax.text(0.01, place, "undefined: trace or answer never varies", fontsize=6, color="#555555", va="center")
    ax.axvline(0, color="#999999", lw=0.6)
    ax.set_yticks(range(len(labels)), labels[::-1])
    ax.set_ylim(-0.6, len(labels) - 0.4)
    ax.set_xlabel("phi of trace and answer")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(kinds))
    return ax


def agreement_bars(table: pd.DataFrame, ax: Axes, *, label: str = "condition") -> Axes:
    """Where answers came from, as stacked bars; the darker part of each colour is the answers that are right.

    Args:
        table: of ``tables.agreements`` with columns ``label``, agreement, n, answers_right.
        ax: to draw on.
        label: column that names the bars.
    """
    labels = list(dict.fromkeys(table[label]))
    totals = table.groupby(label, sort=False).n.sum()
    left = dict.fromkeys(labels, 0.0)
    for kind, colour in AGREEMENT_COLOURS.items():
        part = table[table.agreement == kind]
        for number, (_, row) in enumerate(part.iterrows()):
            y, total = len(labels) - 1 - labels.index(row[label]), max(totals[row[label]], 1)
            right, wrong = row.answers_right / total, (row.n - row.answers_right) / total
            ax.barh(y, right, left=left[row[label]], color=colour, height=0.7, label=kind if number == 0 else None)
            ax.barh(y, wrong, left=left[row[label]] + right, color=colour, height=0.7, alpha=0.45, hatch="////", lw=0)
            left[row[label]] += right + wrong
    ax.set_yticks(range(len(labels)), labels[::-1])
    ax.set_xlim(0, 1)
    ax.set_xlabel("share of outputs (hatched: answer wrong)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1)
    return ax


def ranges(table: pd.DataFrame, ax: Axes, *, label: str, colour: str = "condition", unit: str = "accuracy (%)") -> Axes:
    """Means with their range over seeds (no interval: a handful of seeds carries none).

    Args:
        table: of ``replicates.over_seeds`` with ``label`` and ``colour``.
        ax: to draw on.
        label: column along the x axis.
        colour: column told apart by colour.
        unit: label of the y axis.
    """
    shown = table.rename(columns={"mean": "value", "lowest": "low", "highest": "high"})
    points(shown, ax, group=label, colour=colour, unit=unit)
    ax.set_ylim(auto=True)
    ax.margins(y=0.12)
    ax.relim()
    ax.autoscale_view()
    return ax


def bars(
    table: pd.DataFrame, ax: Axes, *, group: str, colour: str, value: str, order: Sequence[str], unit: str
) -> Axes:
    """Plain bars of published numbers that come without an interval.

    Args:
        table: one row a bar.
        ax: to draw on.
        group: column along the x axis.
        colour: column told apart by colour, in ``order``.
        value: column with the height.
        order: the kinds shown.
        unit: label of the y axis.
    """
    groups = list(dict.fromkeys(table[group]))
    width = 0.8 / len(order)
    for k, kind in enumerate(order):
        part = table[table[colour] == kind]
        x = [groups.index(g) + (k - (len(order) - 1) / 2) * width for g in part[group]]
        ax.bar(x, part[value], width * 0.95, color=COLOURS.get(kind, OKABE_ITO["yellow"]), label=kind)
    ax.set_xticks(range(len(groups)), groups)
    ax.set_ylabel(unit)
    ax.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    return ax


def leakage(table: pd.DataFrame, ax: Axes) -> Axes:
    """Draw how many wrong traces reveal the answer, in percent with 95% Wilson intervals, one cluster a kind.

    Args:
        table: rows of ``leakage_table.row`` with ``kind``; each of at least 20 problems.
        ax: where.

    Raises:
        ValueError: a row of fewer problems.
    """
    if table.n.min() < 20:
        raise ValueError(f"a bar of {table.n.min()} problems: expected at least 20")
    colours = {"excludes": OKABE_ITO["orange"], "names": OKABE_ITO["sky"], "derives": OKABE_ITO["vermilion"]}
    for k, (measure, colour) in enumerate(colours.items()):
        places = [y + 0.25 * (k - 1) for y in range(len(table))]
        shares = [(hits / n, *wilson(hits, n)) for hits, n in zip(table[measure], table.n, strict=True)]
        middle, low, high = 100 * np.array(shares).T
        gaps = np.clip([middle - low, high - middle], 0, None)
        ax.barh(places, middle, 0.24, xerr=gaps, color=colour, error_kw={"lw": 0.7}, label=REVEALED[measure])
    ax.set_yticks(range(len(table)), [f"{kind} (n = {n:,})" for kind, n in zip(table.kind, table.n, strict=True)])
    ax.set(xlabel="share of wrong traces (%)", xlim=(0, 100))
    ax.invert_yaxis()
    return ax
