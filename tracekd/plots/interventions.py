"""Pictures of forced traces: accuracy of real students; kinds, learning curves and facts of the from-scratch ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tracekd.interventions.forced import VARIANTS
from tracekd.interventions.tables import FEWEST
from tracekd.plots.style import OKABE_ITO, colour_of, marker_of

VARIANT_NAMES = {
    "own": "own", "gold": "gold", "wrong_label": "wrong\nlabel", "wrong_facts": "wrong\nfacts",
    "both_wrong": "both\nwrong", "other": "another\nproblem's", "empty": "empty", "shuffled": "shuffled",
    "masked": "answer\nmasked",
}  # fmt: skip
FORCED_STYLE = {
    "own": ("no forced trace", OKABE_ITO["black"]), "gold": ("the right fact", OKABE_ITO["blue"]),
    "wrong_facts": ("one wrong fact", OKABE_ITO["vermilion"]), "all_wrong": ("all wrong facts", OKABE_ITO["orange"]),
    "empty": ("empty", OKABE_ITO["sky"]),
}  # fmt: skip
# In the order of ``from_scratch.KINDS``.
_COLOURS = {
    "none": OKABE_ITO["black"], "right": OKABE_ITO["blue"], "one_wrong": OKABE_ITO["vermilion"],
    "all_wrong": OKABE_ITO["orange"], "any": OKABE_ITO["green"], "foreign": OKABE_ITO["purple"],
    "filler": OKABE_ITO["grey"], "masked": OKABE_ITO["sky"],
    **{f"wrong_{n}": OKABE_ITO["yellow"] for n in (25, 50, 75)},
}  # fmt: skip


def variant_accuracy(table: pd.DataFrame, ax: Axes) -> Axes:
    """One point with interval per variant and training condition; dotted lines: the level after the own trace.

    Below each variant stands the number of problems that have it. Variants on fewer than ``FEWEST`` problems are not
    drawn. ``table`` is ``tables.levels`` of one student and data set; ``ax`` is at least 6 in wide.
    """
    table = table[(table.outcome == "answer_correct") & (table.n >= FEWEST)]
    names = [v for v in VARIANTS if v in set(table.variant)]
    kinds = list(dict.fromkeys(table.condition))
    for k, kind in enumerate(kinds):
        part = table[table.condition == kind].set_index("variant").reindex(names)
        x = np.arange(len(names)) + (k - (len(kinds) - 1) / 2) * 0.62 / len(kinds)
        gaps, colour = np.clip([part.value - part.low, part.high - part.value], 0, None), colour_of(kind)
        ax.errorbar(x, part.value, gaps, fmt=marker_of(kind), ms=3.5, lw=1, color=colour, label=kind)
        if "own" in names and not np.isnan(part.value["own"]):
            ax.axhline(part.value["own"], color=colour, lw=0.6, ls=":", zorder=0)
    for x in np.arange(1, len(names), 2):
        ax.axvspan(x - 0.5, x + 0.5, color="#F4F4F4", zorder=-1, lw=0)
    n = table.groupby("variant").n.agg(lambda n: "\N{EN DASH}".join(f"{end:.0f}" for end in sorted({n.min(), n.max()})))
    ax.set_xticks(range(len(names)), [f"{VARIANT_NAMES[name]}\nn = {n[name]}" for name in names])
    ax.set(xlim=(-0.5, max(len(names), 1) - 0.5), xlabel="trace put before the answer")
    ax.set(ylim=(-0.02, 1.02), ylabel="accuracy (share\nof right answers)")
    ax.tick_params(axis="x", length=0)
    ax.legend(ncols=min(len(kinds), 4), loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    return ax


def kinds_by_forced(final: pd.DataFrame, ax: Axes) -> Axes:
    """One group per trace kind, in it one column of dots per forced trace: a dot is a seed, a bar their mean.

    ``final`` is ``analysis.mechanism.last`` of one K and one number of steps per kind; ``ax`` is about 7 in wide.
    """
    kinds, jitter = _ordered(final.kind), np.random.default_rng(0)  # the jitter shows dots that lie on one another
    for j, (variant, (label, colour)) in enumerate(FORCED_STYLE.items()):
        for x, kind in enumerate(kinds):
            part = final[(final.kind == kind) & (final.variant == variant)]
            at = x + (j - (len(FORCED_STYLE) - 1) / 2) * 0.16
            named, spread = None if x else label, jitter.uniform(-0.05, 0.05, len(part))
            ax.plot(at + spread, part.share, "o", ms=2.5, alpha=0.6, mew=0, color=colour, label=named)
            ax.hlines(part.share.mean(), at - 0.06, at + 0.06, color=colour, lw=1.5)
    names = [kind.replace("_", "\n") if not kind[-1].isdigit() else f"{kind[-2:]}%\nwrong" for kind in kinds]
    ax.set_xticks(range(len(kinds)), names)
    ax.tick_params(axis="x", length=0)
    ax.legend(title="answer after", ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    return _with_chance(ax, final, "trace that was taught")


def learning_curves(looks: pd.DataFrame, ax: Axes) -> Axes:
    """Share of right answers after the own trace against steps, one thin line per seed.

    ``looks`` is ``analysis.mechanism.shares`` of one K; its ``own`` rows are drawn.
    """
    own = looks[looks.variant == "own"]
    for kind in _ordered(own.kind):
        for i, (_, part) in enumerate(own[own.kind == kind].groupby(["steps", "seed"])):
            label = kind.replace("_", " ") if not i else None
            ax.plot(part.step, part.share, color=_COLOURS[kind], lw=0.8, alpha=0.7, label=label)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _with_chance(ax, own, "steps of training")


def by_facts(final: pd.DataFrame, ax: Axes, *, variant: str) -> Axes:
    """Share of right answers after a forced trace by number of facts in the context; a dot is a seed, the line a mean.

    ``final`` is ``analysis.mechanism.last`` of one number of steps per kind; the dotted line marks chance, 1/K.
    """
    part = final[final.variant == variant]
    sizes, kinds = sorted(part.facts.unique()), _ordered(part.kind)
    for j, kind in enumerate(kinds):
        rows = part[part.kind == kind]
        rows = rows.assign(at=rows.facts.map(sizes.index) + (j - (len(kinds) - 1) / 2) * 0.07)
        ax.plot(rows["at"], rows.share, "o", ms=2, alpha=0.6, mew=0, color=_COLOURS[kind])
        ax.plot(rows.groupby("at").share.mean(), color=_COLOURS[kind], lw=1, label=kind.replace("_", " "))
    ax.plot(range(len(sizes)), [1 / k for k in sizes], ":", color="#888888", lw=0.8, label="chance")
    ax.set_xticks(range(len(sizes)), sizes)
    ax.set(ylim=(-0.03, 1.03), xlabel="facts in the context", ylabel="share of right answers")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _ordered(kinds) -> list[str]:
    """Trace kinds in the order in which pictures show them."""
    return [kind for kind in _COLOURS if kind in set(kinds)]


def _with_chance(ax: Axes, table: pd.DataFrame, xlabel: str) -> Axes:
    """Axes of shares with a dotted line at chance, 1/K."""
    ax.axhline(1 / table.facts.iloc[0], color="#888888", lw=0.6, ls=":", zorder=0)
    ax.set(ylim=(-0.03, 1.03), xlabel=xlabel, ylabel="share of right answers")
    return ax
