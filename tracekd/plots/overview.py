"""The picture of the whole experiment on one problem: what is taught, who learns, what is judged."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tracekd.data.problem import Problem
from tracekd.plots.style import OKABE_ITO, colour_of
from tracekd.traces import corruption

RIGHT, WRONG = "\u2713", "\u2717"


def overview(problem: Problem, seed: int, ax: plt.Axes) -> plt.Axes:
    """Draw problem, taught texts, student and verdict from left to right; ``seed`` draws the incorrect trace."""
    label, facts = corruption.wrong_label(problem, seed), corruption.wrong_facts(problem, seed)
    ax.set(xlim=(-0.05, 10.05), ylim=(-0.05, 4.05))
    ax.axis("off")
    dark, answer = OKABE_ITO["black"], f"answer {RIGHT}  {', '.join(problem.answers)}"
    shown = [problem.question, "", *problem.context[:7], *["…"][: len(problem.context) > 7]]
    _card(ax, (0, 0.3, 2.4, 3.4), "problem", dark, shown)
    taught = {"correct": (problem.category, problem.facts, RIGHT), "incorrect": (label, facts, WRONG)}
    for y, (condition, (named, stated, mark)) in zip((2.1, 0), taught.items(), strict=True):
        lines = [f"label {mark}  {named}", f"facts {mark}  {' '.join(stated)}", answer]
        _card(ax, (2.9, y, 3.2, 1.9), f"{condition} trace, right answer", colour_of(condition), lines)
    _card(ax, (6.6, 1.05, 1.4, 1.9), "student", dark, ["a small model, fine-tuned on one kind of trace"])
    _card(ax, (8.5, 1.05, 1.5, 1.9), "verdict", dark, ["new output:", "label right?", "facts right?", "answer right?"])
    for start, end in (((2.4, 2.4), (2.9, 3.0)), ((2.4, 1.6), (2.9, 1.0)), ((6.1, 3.0), (6.6, 2.4)),
                       ((6.1, 1.0), (6.6, 1.6)), ((8.0, 2.0), (8.5, 2.0))):  # fmt: skip
        ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, color="0.3", shrinkA=1, shrinkB=1))
    return ax


def _card(ax: plt.Axes, place: tuple, title: str, colour: str, paragraphs: Sequence[str]) -> None:
    """A box (x, y, width, height) with a title and paragraphs that fill its width."""
    x, y, width, height = place
    style = "round,pad=0,rounding_size=0.08"
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, fc="white", ec=colour, lw=1.2))
    ax.text(x + 0.1, y + height - 0.12, title, va="top", fontsize=7.5, fontweight="bold", color=colour)
    lines = [textwrap.fill(text, int(12.2 * width)) for text in paragraphs]
    ax.text(x + 0.1, y + height - 0.55, "\n".join(lines), va="top", fontsize=6.5, linespacing=1.4)
