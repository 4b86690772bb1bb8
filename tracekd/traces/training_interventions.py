"""Interventions in training: other kinds of wrong traces, and traces that are drawn blind or belong elsewhere.

Each is a condition like ``correct``: every problem once, always with its right answer, and a trace of our choice.

* ``incorrect_uniform``, ``incorrect_as_published``: both steps are wrong, drawn by that style of ``corruption``.
* ``any``: a label drawn by the labels' counts in training, and as many facts as gold has (at least one), drawn from
  the context. Both are blind: they are right by chance. It separates "wrong" from "unrelated".
* ``foreign``: another problem's correct trace, label and facts. Each trace is used once, so the set of traces is that
  of ``correct`` and only the pairing is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tracekd.data.problem import Problem
from tracekd.traces import natural, templates
from tracekd.traces.corruption import generator, label_counts
from tracekd.traces.freeform import swap
from tracekd.traces.templates import Trace

KINDS = {"incorrect_uniform": "uniform", "incorrect_as_published": "as_published"}
ANY, FOREIGN = "any", "foreign"
CONDITIONS = (*KINDS, ANY, FOREIGN)
# The conditions whose traces state a label and facts, which can be right or wrong.
STEPPED = ("correct", "incorrect", *CONDITIONS, *natural.CONDITIONS)


def build_all(problems: Sequence[Problem], condition: str, *, seed: int = 0) -> dict[str, Trace]:
    """The traces of one of ``CONDITIONS``, by problem id; foreign traces are exchanged among ``problems``.

    Raises:
        ValueError: unknown condition, or ``foreign`` of a single problem.
    """
    if condition == ANY:
        return {p.id: _any(p, seed) for p in problems}
    if condition == FOREIGN:
        others, right = swap(problems, seed), {p.id: templates.build(p, "correct") for p in problems}
        made = {p.id: right[others[p.id]] for p in problems}
    elif condition in KINDS:
        made = {p.id: templates.build(p, "incorrect", seed=seed, style=KINDS[condition]) for p in problems}
    else:
        expected = ", ".join(CONDITIONS)
        raise ValueError(f"condition {condition!r} is no training intervention: expected one of {expected}")
    return {name: replace(trace, condition=condition) for name, trace in made.items()}


def _any(problem: Problem, seed: int) -> Trace:
    """A label and facts drawn without a look at which are gold; facts in context order, each once."""
    rng, counts = generator(seed, problem.id, ANY), label_counts(problem)
    shares = np.array(list(counts.values()), dtype=float)
    label = list(counts)[rng.choice(len(counts), p=shares / shares.sum())]
    pool = tuple(dict.fromkeys(problem.context))
    number = min(max(len(problem.evidence), 1), len(pool))
    facts = tuple(pool[i] for i in sorted(rng.permutation(len(pool))[:number]))
    return Trace(ANY, templates.render(problem.dataset, label, facts), label, facts)
