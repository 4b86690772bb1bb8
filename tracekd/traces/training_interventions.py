"""Interventions in training: which step of a trace is wrong, how, in how many traces, and traces that say nothing.

Each is a condition like ``correct``: every problem once, always with its right answer, and a trace of our choice.
Corruption is ``matched`` unless the name says otherwise (see ``tracekd.traces.corruption``).

* ``wrong_label``, ``wrong_facts``: one step is wrong, the other right. With ``correct`` and ``incorrect`` they are the
  2 x 2 of classification and retrieval, with the same wrong label and the same wrong facts.
* ``incorrect_25``, ``incorrect_50``, ``incorrect_75``: that many percent of the problems have the trace of
  ``incorrect``, the others that of ``correct``. A problem that is wrong at one dose is wrong at every higher one.
* ``incorrect_uniform``, ``incorrect_as_published``: both steps are wrong, drawn by that style.
* ``any``: a label drawn by the labels' counts in training, and as many facts as gold has (at least one), drawn from
  the context. Both are blind: they are right by chance. It separates "wrong" from "unrelated".
* ``foreign``: another problem's correct trace, label and facts. Each trace is used once, so the set of traces is that
  of ``correct`` and only the pairing is wrong.
* ``filler``: as many tokens as the correct trace has, all of them dots. It costs the student the same writing and
  says nothing (the control of Pfau, Merrill and Bowman 2024, arXiv 2404.15758).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracekd.data.problem import Problem
from tracekd.traces import natural, templates
from tracekd.traces.corruption import generator, label_counts
from tracekd.traces.freeform import swap
from tracekd.traces.templates import Trace

STEPS = {"wrong_label": "classification", "wrong_facts": "retrieval"}
DOSES = {"incorrect_25": 25, "incorrect_50": 50, "incorrect_75": 75}
KINDS = {"incorrect_uniform": "uniform", "incorrect_as_published": "as_published"}
ANY, FOREIGN, FILLER = "any", "foreign", "filler"
CONDITIONS = (*STEPS, *DOSES, *KINDS, ANY, FOREIGN, FILLER)
# The conditions whose traces state a label and facts, which can be right or wrong; free-form traces and filler do not.
STEPPED = ("correct", "incorrect", *STEPS, *DOSES, *KINDS, ANY, FOREIGN, *natural.CONDITIONS)
# The conditions of each experiment with the ones that every grid has, in reading order.
TWO_BY_TWO = ("correct", "wrong_label", "wrong_facts", "incorrect")
BY_DOSE = {"correct": 0, **DOSES, "incorrect": 100}
DOTS = "..."


def build_all(problems: Sequence[Problem], condition: str, *, seed: int = 0, tokenizer=None) -> dict[str, Trace]:
    """The traces of one condition, by problem id.

    Args:
        problems: the problems of the set; a dose is a share of these, and foreign traces are exchanged among them.
        condition: one of ``CONDITIONS``.
        seed: of every draw.
        tokenizer: the student's, which ``filler`` needs.

    Raises:
        ValueError: unknown condition, ``filler`` without a tokenizer, or ``foreign`` of a single problem.
    """
    if condition == FILLER:
        if tokenizer is None:
            raise ValueError("filler has as many tokens as the correct trace: pass the student's tokenizer")
        return {p.id: Trace(FILLER, dots(templates.build(p, "correct").text, tokenizer)) for p in problems}
    if condition == FOREIGN:
        others, right = swap(problems, seed), {p.id: templates.build(p, "correct") for p in problems}
        return {p.id: _as(condition, right[others[p.id]]) for p in problems}
    if condition == ANY:
        return {p.id: _any(p, seed) for p in problems}
    if condition in DOSES:
        wrong = dosed([p.id for p in problems], DOSES[condition], seed)
        kinds = {p.id: "incorrect" if p.id in wrong else "correct" for p in problems}
        return {p.id: _as(condition, templates.build(p, kinds[p.id], seed=seed)) for p in problems}
    if condition not in (*STEPS, *KINDS):
        expected = ", ".join(CONDITIONS)
        raise ValueError(f"condition {condition!r} is no training intervention: expected one of {expected}")
    options = {"corrupt": STEPS[condition]} if condition in STEPS else {"style": KINDS[condition]}
    return {p.id: _as(condition, templates.build(p, "incorrect", seed=seed, **options)) for p in problems}


def _as(condition: str, trace: Trace) -> Trace:
    return Trace(condition, trace.text, trace.classification, trace.retrieval)


def _any(problem: Problem, seed: int) -> Trace:
    """A label and facts drawn without a look at which are gold; facts in context order, each once."""
    rng, counts = generator(seed, problem.id, ANY), label_counts(problem)
    shares = np.array(list(counts.values()), dtype=float)
    label = list(counts)[rng.choice(len(counts), p=shares / shares.sum())]
    pool = tuple(dict.fromkeys(problem.context))
    number = min(max(len(problem.evidence), 1), len(pool))
    facts = tuple(pool[i] for i in sorted(rng.permutation(len(pool))[:number]))
    return Trace(ANY, templates.render(problem.dataset, label, facts), label, facts)


def dosed(ids: Sequence[str], percent: float, seed: int) -> set[str]:
    """The ``percent`` (0..100) of the ids, to whole ones, that a dose falls on; higher doses hold lower ones."""
    ranked = sorted(ids, key=lambda name: generator(seed, name, "dose").random())
    return set(ranked[: round(len(ranked) * percent / 100)])


def dots(text: str, tokenizer) -> str:
    """Words of dots, as many as come closest to the tokens of ``text``, at least one."""

    def tokens(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False).input_ids)

    each = tokens(" ".join([DOTS] * 100)) / 100
    return " ".join([DOTS] * max(round(tokens(text) / each), 1))
