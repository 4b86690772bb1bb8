"""Pictures of the from-scratch student: trace kinds by forced trace, learning curves, number of facts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tracekd.interventions.from_scratch import KINDS
from tracekd.plots.style import OKABE_ITO

FORCED_STYLE = {
    "own": ("no forced trace", OKABE_ITO["black"]), "gold": ("the right fact", OKABE_ITO["blue"]),
    "wrong_facts": ("one wrong fact", OKABE_ITO["vermilion"]), "all_wrong": ("all wrong facts", OKABE_ITO["orange"]),
    "empty": ("empty", OKABE_ITO["sky"]),
}  # fmt: skip
_NAMES = ("black", "blue", "vermilion", "orange", "green", "purple", "grey", "sky", "yellow", "yellow", "yellow")
_COLOURS = {kind: OKABE_ITO[name] for kind, name in zip(KINDS, _NAMES, strict=True)}


def ordered(kinds) -> list[str]:
    """Trace kinds in the order of ``KINDS``."""
    return [kind for kind in KINDS if kind in set(kinds)]


def kinds_by_forced(final: pd.DataFrame, ax: Axes) -> Axes:
    """One group per trace kind, in it one column of dots per forced trace: a dot is a seed, a bar their mean.

    Args:
        final: ``analysis.mechanism.last`` of one K and one number of steps per kind.
        ax: to draw on, about 7 in wide; a dotted line marks chance, 1/K.
    """
    kinds, jitter = ordered(final.kind), np.random.default_rng(0)  # the jitter shows dots that lie on one another
    for j, (variant, (label, colour)) in enumerate(FORCED_STYLE.items()):
        for x, kind in enumerate(kinds):
            part = final[(final.kind == kind) & (final.variant == variant)]
            at = x + (j - (len(FORCED_STYLE) - 1) / 2) * 0.16
            spread = jitter.uniform(-0.05, 0.05, len(part))
            named = label if not x else None
            ax.plot(at + spread, part.share, "o", ms=2.5, alpha=0.6, mew=0, color=colour, label=named)
            ax.hlines(part.share.mean(), at - 0.06, at + 0.06, color=colour, lw=1.5)
    ax.axhline(1 / final.facts.iloc[0], color="#888888", lw=0.6, ls=":", zorder=0)
    ax.set_xticks(range(len(kinds)), [kind.replace("_", "\n") for kind in kinds])
    ax.set(ylim=(-0.03, 1.03), xlabel="trace that was taught", ylabel="share of right answers")
    ax.tick_params(axis="x", length=0)
    ax.legend(title="answer after", ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), columnspacing=1)
    return ax


def learning_curves(looks: pd.DataFrame, ax: Axes) -> Axes:
    """Share of right answers after the own trace against steps, one thin line per seed.

    Args:
        looks: ``analysis.mechanism.shares`` of one K; its ``own`` rows are drawn.
        ax: to draw on.
    """
    own = looks[looks.variant == "own"]
    for kind in ordered(own.kind):
        for i, (_, part) in enumerate(own[own.kind == kind].groupby(["steps", "seed"])):
            label = kind.replace("_", " ") if not i else None
            ax.plot(part.step, part.share, color=_COLOURS[kind], lw=0.8, alpha=0.7, label=label)
    ax.axhline(1 / own.facts.iloc[0], color="#888888", lw=0.6, ls=":", zorder=0)
    ax.set(ylim=(-0.03, 1.03), xlabel="steps of training", ylabel="share of right answers")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def by_facts(final: pd.DataFrame, ax: Axes, *, variant: str = "own") -> Axes:
    """Share of right answers by number of facts in the context; a dot is a seed, the line their mean.

    Args:
        final: ``analysis.mechanism.last`` of one number of steps per kind.
        ax: to draw on; the dotted line marks chance, 1/K.
        variant: forced trace.
    """
    part = final[final.variant == variant]
    sizes = sorted(part.facts.unique())
    kinds = ordered(part.kind)
    for j, kind in enumerate(kinds):
        rows = part[part.kind == kind]
        x = rows.facts.map(sizes.index) + (j - (len(kinds) - 1) / 2) * 0.07
        ax.plot(x, rows.share, "o", ms=2, alpha=0.6, mew=0, color=_COLOURS[kind])
        means = rows.groupby("facts").share.mean()
        at = [sizes.index(k) + (j - (len(kinds) - 1) / 2) * 0.07 for k in means.index]
        ax.plot(at, means, color=_COLOURS[kind], lw=1, label=kind.replace("_", " "))
    ax.plot(range(len(sizes)), [1 / k for k in sizes], ":", color="#888888", lw=0.8, label="chance")
    ax.set_xticks(range(len(sizes)), sizes)
    ax.set(ylim=(-0.03, 1.03), xlabel="facts in the context", ylabel="share of right answers")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax
