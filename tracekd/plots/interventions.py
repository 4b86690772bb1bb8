"""Pictures of forced traces: accuracy of real students; kinds, learning curves and facts of the from-scratch ones."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tracekd.interventions.forced import VARIANTS
from tracekd.interventions.tables import FEWEST
from tracekd.plots.scores import points
from tracekd.plots.style import OKABE_ITO, colour_of

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
    """One line per forced trace, one point per training condition; dotted: the level after the student's own trace.

    ``table`` is ``tables.levels`` of one student and data set; variants on fewer than ``FEWEST`` problems are left out.
    """
    table = table[(table.outcome == "answer_correct") & (table.n >= FEWEST)]
    table = table.sort_values("variant", key=lambda names: names.map(VARIANTS.index), kind="stable")
    n = table.groupby("variant").n.agg(lambda n: "\N{EN DASH}".join(f"{end:.0f}" for end in sorted({n.min(), n.max()})))
    lines = [f"{name.replace('_', ' ')}, n = {n[name]}" for name in table.variant]
    for own in table[table.variant == "own"].itertuples():
        ax.axvline(own.value, color=colour_of(own.condition), lw=0.6, ls=":", zorder=0)
    return points(table.assign(line=lines), ax, group="line", unit="share of answers right after this trace")


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
