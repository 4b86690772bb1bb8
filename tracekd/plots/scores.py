"""Pictures of training, evaluation and the paper check: losses, estimates by condition, phi, claims, the finding."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from tracekd.analysis.tables import NOT_SUPPORTED, SUPPORTED
from tracekd.interventions.tables import FEWEST
from tracekd.plots.style import OKABE_ITO, WIDTH, colour_of, marker_of, named

RULES = {"as printed": OKABE_ITO["grey"], "as published": OKABE_ITO["orange"], "id-aligned": OKABE_ITO["blue"]}
FORCED = {
    "gold": ("right trace", OKABE_ITO["blue"]), "empty": ("empty trace", OKABE_ITO["grey"]),
    "both_wrong": ("wrong trace", OKABE_ITO["vermilion"]),
}  # fmt: skip
TAUGHT = {"correct": "correct", "incorrect": "incorrect", "vanilla": "no", "any": "blind"}  # traces, in reading order
VERDICT_STYLE = {SUPPORTED: (OKABE_ITO["blue"], "o"), NOT_SUPPORTED: (OKABE_ITO["vermilion"], "D")}
INCONCLUSIVE_STYLE = (OKABE_ITO["grey"], "s")
HEADING = {"fc": "white", "ec": "none", "pad": 0.5}  # no line runs through its words


def forest(
    table: pd.DataFrame, ax: Axes, *, label: str, kind: str, unit: str, colours: dict[str, str] | None = None
) -> Axes:
    """Estimates with 95% intervals: one line per value of ``label``, one coloured point per value of ``kind``.

    ``table`` has the columns ``label``, ``kind``, value, low, high; a NaN has no point. ``unit`` labels the x axis;
    ``colours`` are by kind (default: the conditions' own). No legend where each line has one point.
    """
    lines, kinds = list(dict.fromkeys(table[label]))[::-1], list(dict.fromkeys(table[kind]))
    single = table[label].is_unique
    step = 0 if single else min(0.25, 0.8 / len(kinds))
    for k, name in enumerate(map(str, kinds)):
        part = table[(table[kind] == name) & table.value.notna()]
        places = [lines.index(line) + ((len(kinds) - 1) / 2 - k) * step for line in part[label]]
        colour, marker = (colours[name], "osD^vP"[k % 6]) if colours else (colour_of(name), marker_of(name))
        if len(part):
            gaps = np.clip([part.value - part.low, part.high - part.value], 0, None)
            ax.errorbar(part.value, places, xerr=gaps, fmt=marker, ms=3.5, lw=1, color=colour, label=named(name))
    ax.set_yticks(range(len(lines)), [named(str(line)) for line in lines])
    ax.set(ylim=(-0.6, len(lines) - 0.4), xlabel=unit)
    if not single:
        ax.legend(ncols=min(len(kinds), 4), loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    return ax


def points(table: pd.DataFrame, ax: Axes, *, group: str, unit: str) -> Axes:
    """Shares in 0..1 by ``group`` (lines) and ``condition`` (colours): see ``forest``."""
    forest(table, ax, label=group, kind="condition", unit=unit).set_xlim(-0.02, 1.02)
    return ax


def phi_forest(table: pd.DataFrame, ax: Axes) -> Axes:
    """Phi with its interval (columns phi, phi_low, phi_high; -1..1) under each of ``rules``, one line per ``title``.

    No point on fewer than ``FEWEST`` right or wrong traces.
    """
    few = np.minimum(table.both + table.trace_only, table.answer_only + table.neither) < FEWEST
    shown = table.assign(phi=table.phi.mask(few)).rename(columns={"phi": "value", "phi_low": "low", "phi_high": "high"})
    ax.axvline(0, color="#999999", lw=0.6)
    for y in np.flatnonzero(shown.value.isna().groupby(shown.title, sort=False).all()[::-1]):
        ax.text(0.01, y, f"fewer than {FEWEST} right or wrong traces", fontsize=6, color="#555555", va="center")
    return forest(shown, ax, label="title", kind="rules", unit="phi of trace and answer", colours=RULES)


def loss_curves(ax: Axes, logs: pd.DataFrame, part: str) -> Axes:
    """The ``trace_loss`` or ``answer_loss`` (``part``) over training, a line per condition and seed.

    ``logs`` is of ``sft_tables.losses``. A condition without such tokens (vanilla has no trace) has no line.
    """
    for (condition, _), rows in logs.dropna(subset=[part]).groupby(["condition", "seed"], sort=False):
        rows = rows.sort_values("step")
        smooth = rows[part].rolling(max(1, len(rows) // 12), min_periods=1).mean()
        colour, dot = colour_of(condition), "o" if len(rows) == 1 else None  # no line of one step
        ax.plot(rows.examples, rows[part], color=colour, alpha=0.25, lw=0.7)
        ax.plot(rows.examples, smooth, color=colour, marker=dot, ms=3.5, label=condition)
    ax.set(xlabel="examples seen", yscale="log")
    labels = LogLocator(subs=(1, 2, 5))  # enough to read a value, few enough not to touch
    ax.yaxis.set(major_locator=labels, major_formatter="{x:g}", minor_formatter=NullFormatter())
    return ax


def _panels(lines: list[int]) -> tuple[Figure, list[Axes]]:
    """One panel below the other, as high as their numbers of lines."""
    size = (WIDTH, 0.55 * len(lines) + 0.19 * sum(lines))
    fig, axs = plt.subplots(len(lines), 1, figsize=size, squeeze=False, height_ratios=lines)
    return fig, list(axs[:, 0])


def accuracy(table: pd.DataFrame) -> Figure:
    """Accuracy by condition, a panel per data set: ``replication.accuracies`` at ``recorded.largest`` sizes."""
    lone = np.where((table.training_problems > 0) & (table.seeds == 1), ", one seed", "")
    table = table.assign(line=table.condition.str.replace("_", " ") + lone)
    parts = list(table.groupby("dataset", sort=False))
    fig, axs = _panels([len(part) for _, part in parts])
    for ax, (dataset, part) in zip(axs, parts, strict=True):
        points(part, ax, group="line", unit="").set_xlim(-0.02, table.high.max() + 0.02)  # room where the points are
        size, n = part.training_problems.max(), part.problems.max()
        ax.set_title(f"{named(dataset)}, trained on {size:,} problems (n = {n} test problems)", loc="left")
        ax.tick_params(labelbottom=ax is axs[-1])
    axs[-1].set_xlabel("share of answers right")
    return fig


def claim_forest(table: pd.DataFrame) -> Figure:
    """One panel per unit, one line per claim and data set: estimate, 90% (thick) and 95% interval (thin), verdict.

    The intervals draw problems and seeds again; the dotted line is the 95% t interval; the margin is shaded. ``table``
    is of ``replication.tested``, claims that were tested; shares in -1..1, drawn in points.
    """
    parts = [part for _, part in table.groupby("margin")]
    fig, axs = _panels([len(part) + part.claim.nunique() for part in parts])
    for ax, part in zip(axs, parts, strict=True):
        compared = "one training minus another" if part.second.iloc[0] else "after right minus after wrong steps"
        ax.set_title(f"Accuracy, {compared} (points; thick 90%, thin 95%, dotted t; shaded: margin)", loc="left")
        y, ticks, side, margin = 0, {}, ax.get_yaxis_transform(), 100 * part.margin.iloc[0]
        ax.axvspan(-margin, margin, color="#EEEEEE", lw=0, zorder=-1)
        ax.axvline(0, color="black", lw=0.6, zorder=-1)
        for claim, rows in part.groupby("claim", sort=False):
            ax.text(0.005, y, claim, transform=side, fontsize=6.3, va="center", fontweight="bold", bbox=HEADING)
            for row in rows.itertuples():
                y += 1
                colour, marker = VERDICT_STYLE.get(row.verdict, INCONCLUSIVE_STYLE)
                ax.plot([100 * row.low, 100 * row.high], [y, y], color=colour, lw=1)
                ax.plot([100 * row.low90, 100 * row.high90], [y, y], color=colour, lw=2.6)
                ax.plot([100 * row.t_low, 100 * row.t_high], [y + 0.25] * 2, color=colour, lw=0.8, ls=":")
                ax.plot(100 * row.estimate, y, marker, ms=5, mfc=colour, mec="white")
                ax.text(1.01, y, row.verdict, transform=side, fontsize=6.5, va="center", color=colour)
                ticks[y] = f"{named(row.dataset)}, trained on {row.training_problems:,}, n = {row.n}, {row.seeds} seeds"
            y += 1
        ax.set_yticks(list(ticks), ticks.values())
        ax.set_ylim(y - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
    return fig


def hero(phi: pd.DataFrame, forced: pd.DataFrame, titles: tuple[str, str]) -> Figure:
    """(a) Phi of trace and answer in the authors' outputs; (b) the open student's accuracy after forced traces.

    ``phi``: rows of ``paper_check.compared``; ``forced``: of ``replication.forced_panel``; ``titles`` say what to see.
    """
    shown = forced.assign(
        variant=pd.Categorical(forced.variant, list(FORCED)),
        condition=pd.Categorical(forced.condition, list(TAUGHT)),
        trace=[FORCED[variant][0] for variant in forced.variant],
        line=forced.dataset + ", taught\n" + forced.condition.map(TAUGHT) + " traces, n = " + forced.n.astype(str),
    ).sort_values(["dataset", "condition", "variant"])
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.6), width_ratios=[1, 1])
    phi_forest(phi.assign(title=phi.dataset + ", " + phi.student.str.removesuffix("-Instruct")), left)
    unit = "share of answers right"
    forest(shown, right, label="line", kind="trace", unit=unit, colours=dict(FORCED.values())).set_xlim(-0.02, 1.02)
    for ax, letter, words in zip((left, right), "ab", titles, strict=True):
        ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.4, 1.0), columnspacing=0.8, handletextpad=0.2)
        ax.set_title(f"({letter}) {words}", loc="left", pad=20, fontweight="bold", x=-0.6)
    return fig
