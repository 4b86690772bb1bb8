"""Pictures of steps: the three-step flow, agreement. Data and axes in, axes out."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tracekd.data.problem import Problem
from tracekd.plots.style import NAMES, OKABE_ITO

_MEASURES = {"answers_agree": "answers", "category_agree": "category", "evidence_agree": "evidence"}


def flow(problem: Problem, ax: plt.Axes, width: int = 34) -> plt.Axes:
    """Draw a problem as question, then classification, retrieval and answer, in boxes with arrows."""
    texts = {
        "classification": problem.category,
        "retrieval": "\n".join(problem.facts) or "(no fact answers)",
        "answer": ", ".join(problem.answers),
    }
    colours = (OKABE_ITO["orange"], OKABE_ITO["sky"], OKABE_ITO["green"])
    ax.set(xlim=(0, 3), ylim=(0, 1))
    ax.axis("off")
    ax.set_title(
        textwrap.fill(f"{NAMES.get(problem.dataset, problem.dataset)}: {problem.question}", 100),
        loc="left",
        fontsize=7.5,
    )
    for k, ((step, text), colour) in enumerate(zip(texts.items(), colours, strict=True)):
        box = FancyBboxPatch((k + 0.06, 0.08), 0.84, 0.84, boxstyle="round,pad=0.02", fc="white", ec=colour, lw=1.5)
        ax.add_patch(box)
        ax.text(k + 0.48, 0.85, step, ha="center", va="top", fontweight="bold", color=colour)
        lines = [textwrap.fill(textwrap.shorten(line, 210, placeholder=" …"), width) for line in text.split("\n")]
        ax.text(k + 0.48, 0.4, "\n".join(lines), ha="center", va="center", fontsize=6.5)
        if k < 2:
            ends = (k + 0.93, 0.5), (k + 1.04, 0.5)
            ax.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=9, color="0.3"))
    return ax


def agreement(table: pd.DataFrame, ax: plt.Axes, legend: bool = True) -> plt.Axes:
    """Draw the shares of problems whose derivation agrees with gold; ``table`` as from ``agreement.summary``."""
    colours = (OKABE_ITO["blue"], OKABE_ITO["orange"], OKABE_ITO["green"])
    rows = table.iloc[::-1].reset_index(drop=True)
    for k, ((column, name), colour) in enumerate(zip(_MEASURES.items(), colours, strict=True)):
        places = [y + 0.25 * (1 - k) for y in range(len(rows))]
        ax.barh(places, 100 * rows[column] / rows.n, height=0.24, color=colour, label=name)
    ax.set_yticks(range(len(rows)), [f"{c} ({n:,})" for c, n in zip(rows.category, rows.n, strict=True)], fontsize=6)
    ax.set(xlabel="agreement with gold (%)", xlim=(0, 100))
    if legend:
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=6.5)
    return ax
