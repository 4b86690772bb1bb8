"""Pictures of the paper check: accuracy by condition, claims with their margins, and the finding."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tracekd.analysis.recorded import SIZE
from tracekd.analysis.tables import NOT_SUPPORTED, SUPPORTED
from tracekd.plots import scores
from tracekd.plots.style import OKABE_ITO, WIDTH, named

VERDICT_STYLE = {SUPPORTED: (OKABE_ITO["blue"], "o"), NOT_SUPPORTED: (OKABE_ITO["vermilion"], "D")}
INCONCLUSIVE_STYLE = (OKABE_ITO["grey"], "s")
FORCED = {"gold": "right trace", "empty": "no trace", "both_wrong": "wrong trace"}
FORCED_COLOURS = dict(zip(FORCED.values(), map(OKABE_ITO.get, ("blue", "grey", "vermilion")), strict=True))


def _panels(lines: list[int]) -> tuple[Figure, list[Axes]]:
    """One panel below the other, as high as their numbers of lines."""
    size = (WIDTH, 0.55 * len(lines) + 0.19 * sum(lines))
    fig, axs = plt.subplots(len(lines), 1, figsize=size, squeeze=False, height_ratios=lines)
    return fig, list(axs[:, 0])


def accuracy(table: pd.DataFrame) -> Figure:
    """Accuracy by condition (``replication_tables.by_condition``): one panel per data set, one line per training."""
    parts = dict(list(table.groupby("dataset", sort=False)))
    fig, axs = _panels([len(part) for part in parts.values()])
    for ax, (dataset, part) in zip(axs, parts.items(), strict=True):
        sizes = part[SIZE].map(lambda size: f", {size:,}" if size else "")
        shown = part.assign(line=part.condition.str.replace("_", " ") + sizes)
        scores.points(shown, ax, group="line", colour="condition", unit="")
        few, many = part.problems.min(), part.problems.max()
        n = f"{few}" if few == many else f"{few} to {many}"
        ax.set_title(f"{named(dataset)}, n = {n} problems", loc="left")
    axs[-1].set_xlabel("share of answers right")
    return fig


def claim_forest(table: pd.DataFrame) -> Figure:
    """One panel per unit, one line per claim and data set: estimate, 90% (thick) and 95% interval (thin), verdict.

    The intervals draw problems and seeds again; the dotted line is the 95% t interval; the margin is shaded.

    Args:
        table: of ``analysis.claims.tested``, claims that were tested; shares in -1..1, drawn in points.
    """
    parts = [part for _, part in table.groupby("margin")]
    fig, axs = _panels([len(part) + part.claim.nunique() for part in parts])
    for ax, part in zip(axs, parts, strict=True):
        compared = "one training minus another" if part.second.iloc[0] else "after right minus after wrong steps"
        ax.set_title(f"Accuracy, {compared} (points; shaded: the margin)", loc="left")
        _claims(part, ax)
    return fig


def _claims(table: pd.DataFrame, ax: Axes) -> None:
    y, ticks, side, margin = 0, {}, ax.get_yaxis_transform(), 100 * table.margin.iloc[0]
    ax.axvspan(-margin, margin, color="#EEEEEE", lw=0, zorder=-1)
    ax.axvline(0, color="black", lw=0.6, zorder=-1)
    for claim, rows in table.groupby("claim", sort=False):
        ax.text(0.005, y, claim, transform=side, fontsize=7, va="center", fontweight="bold")
        for row in rows.itertuples():
            y += 1
            colour, marker = VERDICT_STYLE.get(row.verdict, INCONCLUSIVE_STYLE)
            for ends, off, style in (
                ((row.low, row.high), 0, {"lw": 1}),
                ((row.low90, row.high90), 0, {"lw": 2.6}),
                ((row.t_low, row.t_high), 0.25, {"lw": 0.8, "ls": ":"}),
            ):
                ax.plot([100 * end for end in ends], [y + off] * 2, color=colour, **style)
            ax.plot(100 * row.estimate, y, marker, ms=5, mfc=colour, mec="white")
            ax.text(1.01, y, row.verdict, transform=side, fontsize=6.5, va="center", color=colour)
            ticks[y] = f"{named(row.dataset)}, trained on {row.training_problems:,}, n = {row.n}, seeds: {row.seeds}"
        y += 1
    ax.set_yticks(list(ticks), ticks.values())
    ax.set_ylim(y - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)


def hero(phi: pd.DataFrame, forced: pd.DataFrame, titles: tuple[str, str]) -> Figure:
    """(a) Phi of trace and answer in the authors' outputs; (b) the open student's accuracy after forced traces.

    Args:
        phi: rows of ``released_tables.compared``, one step and condition.
        forced: of ``replication_tables.forced_panel``.
        titles: what to see in each panel.
    """
    shown = forced.assign(
        variant=pd.Categorical(forced.variant, list(FORCED)),
        trace=forced.variant.map(FORCED),
        line=forced.dataset + ", taught\n" + forced.condition + " traces, n = " + forced.n.astype(str),
    ).sort_values(["dataset", "condition", "variant"])
    students = phi.assign(line=phi.dataset + ", " + phi.student.str.removesuffix("-Instruct"))
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.6), width_ratios=[1, 1])
    scores.phi_forest(students, left, label="line")
    scores.forest(shown, right, label="line", kind="trace", colours=FORCED_COLOURS, unit="share of answers right")
    right.set_xlim(-0.02, 1.02)
    for ax, letter, words in zip((left, right), "ab", titles, strict=True):
        ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.4, 1.0), columnspacing=0.8, handletextpad=0.2)
        ax.set_title(f"({letter}) {words}", loc="left", pad=20, fontweight="bold", x=-0.6)
    return fig
