"""Interventions in training: which step of a trace is wrong, in how many traces, and traces that say nothing.

Each is a condition like ``correct``: every problem once, always with its right answer, and what its trace says is
chosen by us. Corruption is ``matched`` (see ``tracekd.corrupt``).

* ``wrong_label``, ``wrong_facts``: one step wrong, the other right. With ``correct`` and ``incorrect`` they are the
  2 x 2 of classification and retrieval. Wrong facts are chosen to suit the label that they stand under, so that those
  of ``wrong_facts`` are not always those of ``incorrect``.
* ``incorrect_25``, ``incorrect_50``, ``incorrect_75``: that many percent of the problems have the trace of
  ``incorrect``, the others that of ``correct``. A problem that is wrong at one dose is wrong at every higher one.
* ``filler``: as many words as the correct trace has, all of them dots. It costs the student the same writing and
  tells it nothing (the control of Pfau, Merrill and Bowman 2024, arXiv 2404.15758).
"""

from __future__ import annotations

from collections.abc import Sequence

from tracekd import traces
from tracekd.corrupt import generator
from tracekd.problems import Problem
from tracekd.traces import Trace

STEPS = {"wrong_label": "classification", "wrong_facts": "retrieval"}
DOSES = {"incorrect_25": 25, "incorrect_50": 50, "incorrect_75": 75}
FILLER = "filler"
CONDITIONS = (*STEPS, *DOSES, FILLER)
# The conditions whose traces state a label and facts, which can be right or wrong; free-form traces and filler do not.
STEPPED = ("correct", "incorrect", *STEPS, *DOSES)
# The conditions of each experiment with the ones that every grid has, in reading order.
TWO_BY_TWO = ("correct", "wrong_label", "wrong_facts", "incorrect")
BY_DOSE = {"correct": 0, **DOSES, "incorrect": 100}
DOTS = "..."


def build_all(problems: Sequence[Problem], condition: str, *, seed: int = 0) -> dict[str, Trace]:
    """The traces of one condition, by problem id.

    Args:
        problems: the problems of the set; a dose is a share of these.
        condition: one of ``CONDITIONS``.
        seed: of the corruption, and of which problems a dose falls on.

    Raises:
        ValueError: unknown condition.
    """
    if condition in STEPS:
        options = {"corrupt": STEPS[condition]}
        return {p.id: _as(condition, traces.build(p, "incorrect", seed=seed, **options)) for p in problems}
    if condition in DOSES:
        wrong = dosed([p.id for p in problems], DOSES[condition], seed)
        kinds = {p.id: "incorrect" if p.id in wrong else "correct" for p in problems}
        return {p.id: _as(condition, traces.build(p, kinds[p.id], seed=seed)) for p in problems}
    if condition == FILLER:
        return {p.id: Trace(FILLER, dots(traces.build(p, "correct").text)) for p in problems}
    raise ValueError(f"condition {condition!r} is no training intervention: expected one of {', '.join(CONDITIONS)}")


def _as(condition: str, trace: Trace) -> Trace:
    return Trace(condition, trace.text, trace.classification, trace.retrieval)


def dosed(ids: Sequence[str], percent: float, seed: int) -> set[str]:
    """The ``percent`` (0..100) of the ids, to whole ones, that a dose falls on; higher doses hold lower ones."""
    ranked = sorted(ids, key=lambda name: generator(seed, name, "dose").random())
    return set(ranked[: round(len(ranked) * percent / 100)])


def dots(text: str) -> str:
    """As many dots-words as ``text`` has words, with its line breaks."""
    return "\n".join(" ".join(DOTS for _ in line.split()) for line in text.split("\n"))
