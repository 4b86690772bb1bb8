"""Pictures and views of single problems, their steps and traces; and of agreement by rule."""

from collections.abc import Sequence
from itertools import product
from textwrap import fill, shorten

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tracekd.data.problem import Problem
from tracekd.plots.style import NAMES, OKABE_ITO, colour_of
from tracekd.traces import corruption, templates

_MEASURES = {
    "answers_agree": ("answers", "green"), "category_agree": ("category", "orange"),
    "evidence_agree": ("evidence", "sky"),
}  # fmt: skip
RIGHT, WRONG = "\u2713", "\u2717"
ONE_EACH, FORCED = "one small model per kind of trace", "new problem: it writes a trace, or we force one"


def flow(problem: Problem, ax: plt.Axes) -> plt.Axes:
    """Draw a problem as question, then classification, retrieval and answer, in boxes with arrows."""
    texts = {
        "classification": ([problem.category], "orange"),
        "retrieval": (problem.facts or ["(no fact answers)"], "sky"),
        "answer": ([", ".join(problem.answers)], "green"),
    }
    ax.set(xlim=(-0.05, 10.05), ylim=(-0.05, 2.05))
    ax.axis("off")
    question = fill(f"{NAMES.get(problem.dataset, problem.dataset)}: {problem.question}", 100)
    ax.set_title(question, loc="left", fontsize=7.5)
    for k, (step, (paragraphs, colour)) in enumerate(texts.items()):
        shown = [shorten(text, 240, placeholder=" …") for text in paragraphs]
        _card(ax, (3.5 * k, 0, 3, 2), step, OKABE_ITO[colour], shown)
    _arrows(ax, [(3.5 * k - 0.5, 1, 3.5 * k, 1) for k in (1, 2)])
    return ax


def agreement(table: pd.DataFrame, ax: plt.Axes) -> plt.Axes:
    """Draw the shares of problems whose derivation agrees with gold; ``table`` as from ``agreement.summary``."""
    rows = table.iloc[::-1].reset_index(drop=True)
    for k, (column, (name, colour)) in enumerate(_MEASURES.items()):
        places = [y + 0.25 * (1 - k) for y in range(len(rows))]
        ax.barh(places, 100 * rows[column] / rows.n, height=0.24, color=OKABE_ITO[colour], label=name)
    ax.set_yticks(range(len(rows)), [f"{c} ({n:,})" for c, n in zip(rows.category, rows.n, strict=True)], fontsize=6)
    ax.set(xlabel="agreement with gold (%)", xlim=(0, 100))
    return ax


def overview(problem: Problem, seed: int, ax: plt.Axes) -> plt.Axes:
    """Draw problem, taught texts, student and verdict from left to right; ``seed`` draws the incorrect trace."""
    label, facts = corruption.wrong_label(problem, seed), corruption.wrong_facts(problem, seed)
    ax.set(xlim=(-0.05, 10.05), ylim=(-0.05, 4.05))
    ax.axis("off")
    dark, answer = OKABE_ITO["black"], f"answer {RIGHT}  {', '.join(problem.answers)}"
    shown = [problem.question, "", *problem.context[:7], *["…"][: len(problem.context) > 7]]
    _card(ax, (0, 0.3, 2.5, 3.4), "problem", dark, shown)
    taught = {"correct": (problem.category, problem.facts, RIGHT), "incorrect": (label, facts, WRONG)}
    for y, (condition, (named, stated, mark)) in zip((2.1, 0), taught.items(), strict=True):
        facts = f"\n{13 * ' '}".join(stated).splitlines()  # below each other
        lines = [f"label {mark}  {named}", f"facts {mark}  {facts[0]}", *facts[1:], answer]
        _card(ax, (2.9, y, 3.25, 1.9), f"{condition} trace, right answer", colour_of(condition), lines)
    _card(ax, (6.6, 0.75, 1.4, 2.5), "student", dark, [ONE_EACH, "", FORCED])
    _card(ax, (8.5, 0.75, 1.5, 2.5), "verdict", dark, ["label right?", "facts right?", "answer right?"])
    _arrows(ax, ((2.5, 2.4, 2.9, 3), (2.5, 1.6, 2.9, 1), (6.15, 3, 6.6, 2.4), (6.15, 1, 6.6, 1.6), (8, 2, 8.5, 2)))
    return ax


def _arrows(ax: plt.Axes, places: Sequence[tuple[float, ...]]) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 8, "color": "0.3", "shrinkA": 1, "shrinkB": 1}
    for x, y, to_x, to_y in places:
        ax.add_patch(FancyArrowPatch((x, y), (to_x, to_y), **style))


def _card(ax: plt.Axes, place: tuple, title: str, colour: str, paragraphs: Sequence[str]) -> None:
    """A box (x, y, width, height) with a title and paragraphs that fill its width."""
    x, y, width, height = place
    style = "round,pad=0,rounding_size=0.08"
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, fc="white", ec=colour, lw=1.2))
    ax.text(x + 0.1, y + height - 0.12, title, va="top", fontsize=7.5, fontweight="bold", color=colour)
    lines = [fill(text, int(12.2 * width)) for text in paragraphs]
    ax.text(x + 0.1, y + height - 0.55, "\n".join(lines), va="top", fontsize=6.5, linespacing=1.4)


def corruptions(problem: Problem, seed: int = 0) -> pd.DataFrame:
    """Every way to make this problem's trace wrong, side by side.

    Returns one row per trace: ``trace``; ``label``, ``facts`` as stated; ``classification``, ``retrieval`` as verified.
    """
    made = {"correct": templates.build(problem, "correct", seed=seed)}
    for (kind, style), step in product(templates.INCORRECT.items(), ("classification", "retrieval", "both")):
        made[f"{style}: {step}"] = templates.build(problem, kind, seed=seed, corrupt=step)
    rows = []
    for name, trace in made.items():
        words = ["right" if right else "wrong" for right in templates.verify(trace, problem)]
        rows.append((name, trace.classification, trace.text.split("question: ", 1)[1], *words))
    return pd.DataFrame(rows, columns=["trace", "label", "facts", "classification", "retrieval"])
