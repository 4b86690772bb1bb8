"""The picture of the whole experiment on one problem: what is taught, who learns, what is judged."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tracekd.data.problem import Problem
from tracekd.plots.style import OKABE_ITO, colour_of


def overview(problem: Problem, wrong: str, ax: plt.Axes) -> plt.Axes:
    """Draw problem, taught text, student and verdict from left to right.

    Args:
        problem: its question, category, facts and answers are shown.
        wrong: a fact of the context that does not answer, as a wrong trace would state it.
        ax: an axes as wide as a page.
    """
    ax.set(xlim=(0, 10), ylim=(0, 4))
    ax.axis("off")
    fact = problem.facts[0]
    _box(ax, (0.0, 0.5, 2.3, 3.0), "problem", OKABE_ITO["black"])
    _text(ax, 0.12, 2.95, f"Question: {problem.question}", 27)
    _text(ax, 0.12, 1.55, f"Context: {len(problem.context)} facts, among them “{fact}”", 27)
    _box(ax, (2.8, 2.1, 3.0, 1.9), "correct trace", colour_of("correct"))
    _trace(ax, 3.55, problem.category, fact, "right")
    _box(ax, (2.8, 0.0, 3.0, 1.9), "incorrect trace", colour_of("incorrect"))
    _trace(ax, 1.45, "another label", wrong, "wrong")
    _box(ax, (6.3, 0.5, 1.25, 3.0), "student", OKABE_ITO["black"])
    _text(ax, 6.4, 2.75, "a small model, fine-tuned on one kind of trace, always with the right answer:", 14)
    _text(ax, 6.4, 0.98, ", ".join(problem.answers), 14, weight="bold")
    _box(ax, (8.05, 0.5, 1.95, 3.0), "verdict on new outputs", OKABE_ITO["black"])
    for k, (step, asked) in enumerate(
        {"classification": "is the label right?", "retrieval": "are the facts right?", "answer": "is it right?"}.items()
    ):
        _text(ax, 8.17, 2.95 - 0.85 * k, step, 22, weight="bold")
        _text(ax, 8.17, 2.65 - 0.85 * k, asked, 24)
    for start, end in (((2.3, 2.3), (2.8, 2.9)), ((2.3, 1.7), (2.8, 1.1)), ((5.8, 2.9), (6.3, 2.3)),
                       ((5.8, 1.1), (6.3, 1.7)), ((7.55, 2.0), (8.05, 2.0))):  # fmt: skip
        ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=8, color="0.3"))
    return ax


def _box(ax: plt.Axes, place: tuple, title: str, colour: str) -> None:
    x, y, width, height = place
    ax.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.08", fc="white", ec=colour)
    )
    ax.text(x + 0.12, y + height - 0.1, title, va="top", fontsize=7.5, fontweight="bold", color=colour)


def _text(ax: plt.Axes, x: float, y: float, text: str, width: int, **font) -> None:
    ax.text(x, y, textwrap.fill(text, width), va="top", fontsize=6.5, **font)


def _trace(ax: plt.Axes, y: float, label: str, fact: str, verdict: str) -> None:
    _text(ax, 2.92, y, f"classification ({verdict}): {label}", 40)
    _text(ax, 2.92, y - 0.35, f"retrieval ({verdict}): {fact}", 40)
