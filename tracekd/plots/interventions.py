"""Pictures of forced traces: accuracy of real students; kinds, learning curves and facts of the from-scratch ones."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tracekd.interventions.forced import VARIANTS
from tracekd.interventions.from_scratch import KINDS
from tracekd.interventions.tables import FEWEST
from tracekd.plots.scores import points
from tracekd.plots.style import OKABE_ITO, colour_of

FORCED_STYLE = {
    "own": ("no forced trace", OKABE_ITO["black"]), "gold": ("the right fact", OKABE_ITO["blue"]),
    "wrong_facts": ("one wrong fact", OKABE_ITO["vermilion"]), "all_wrong": ("all wrong facts", OKABE_ITO["orange"]),
    "empty": ("empty", OKABE_ITO["grey"]),
}  # fmt: skip


def variant_accuracy(table: pd.DataFrame, ax: Axes) -> Axes:
    """One line per forced trace, one point per training condition; dotted: the level after the student's own trace.

    ``table`` is ``tables.levels`` of one student and data set; variants on fewer than ``FEWEST`` problems are left out.
    """
    table = table[(table.outcome == "answer_correct") & (table.n >= FEWEST)]
    table = table.sort_values("variant", key=lambda names: names.map(VARIANTS.index), kind="stable")
    n = table.groupby("variant").n.agg(lambda n: "\N{EN DASH}".join(f"{end:.0f}" for end in sorted({n.min(), n.max()})))
    lines = [f"{name.replace('_', ' ')}, n = {n[name]}" for name in table.variant]
    for i, own in enumerate(table[table.variant == "own"].itertuples()):  # the dots of equal levels alternate
        ax.axvline(own.value, color=colour_of(own.condition), lw=0.8, ls=(3 * i, (1.5, 7.5)), zorder=0)
    return points(table.assign(line=lines), ax, group="line", unit="share of answers right after this trace")


def kinds_by_forced(final: pd.DataFrame, ax: Axes) -> Axes:
    """One group per trace kind, in it one column of dots per forced trace: a dot is a seed, a bar their mean.

    ``final`` is ``analysis.mechanism.last`` of one K and one number of steps per kind; ``ax`` is about 7 in wide.
    """
    kinds = [kind for kind in KINDS if kind in set(final.kind)]
    jitter = np.random.default_rng(0)  # shows dots that lie on one another
    for j, (variant, (label, colour)) in enumerate(FORCED_STYLE.items()):
        for x, kind in enumerate(kinds):
            part = final[(final.kind == kind) & (final.variant == variant)]
            at = x + (j - (len(FORCED_STYLE) - 1) / 2) * 0.16
            named, spread = None if x else label, jitter.uniform(-0.05, 0.05, len(part))
            ax.plot(at + spread, part.share, "PoD^s"[j], ms=2.5, alpha=0.6, mew=0, color=colour, label=named)
            ax.hlines(part.share.mean(), at - 0.06, at + 0.06, color=colour, lw=1.5)
    names = [kind.replace("_", "\n") if not kind[-1].isdigit() else f"{kind[-2:]}%\nwrong" for kind in kinds]
    ax.set_xticks(range(len(kinds)), names)
    ax.tick_params(axis="x", length=0)
    ax.legend(title="answer after", ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), markerscale=2)
    ax.axhline(1 / final.facts.iloc[0], color="#888888", lw=0.6, ls=":", zorder=0)
    ax.set(ylim=(-0.03, 1.03), xlabel="trace that was taught", ylabel="share of right answers")
    return ax


def panels(table: pd.DataFrame, axes: np.ndarray, x: str) -> None:
    """One panel per trace kind: share of right answers against ``step``, a line per training, or ``facts``, a dot each.

    ``table`` is ``mechanism.shares`` of one forced trace. Dotted: chance, 1/K; with ``facts`` a line joins the means.
    """
    sizes, jitter = sorted(table.facts.unique()), np.random.default_rng(0)
    kinds = [kind for kind in KINDS if kind in set(table.kind)]
    for ax in axes.flat[len(kinds) :]:
        ax.remove()
    for ax, kind in zip(axes.flat, kinds, strict=False):
        part = table[table.kind == kind]
        ax.set_title(kind.replace("_", " ") + f", {part.steps.max():,} steps" * (x == "step"))
        if x == "step":
            for _, seed in part.groupby(["steps", "seed"]):
                ax.plot(seed.step, seed.share, "k", lw=0.8, alpha=0.5)
            ax.axhline(1 / sizes[0], color="#888888", lw=0.8, ls=":", zorder=0)
            continue
        at = part.facts.map(sizes.index)
        ax.plot(at + jitter.uniform(-0.15, 0.15, len(part)), part.share, "ko", ms=2.5, alpha=0.5, mew=0)
        ax.plot(part.share.groupby(at).mean(), "k", lw=1)
        ax.plot(range(len(sizes)), [1 / k for k in sizes], ":", color="#888888", lw=0.8, zorder=0)
        ax.set_xticks(range(len(sizes)), sizes)
    axes.flat[0].set_ylim(-0.05, 1.05)
    axes.flat[0].figure.supxlabel({"step": "steps of training", "facts": "facts in the context"}[x], fontsize=8)
    axes.flat[0].figure.supylabel("share of right answers" + " after one wrong fact" * (x == "facts"), fontsize=8)
