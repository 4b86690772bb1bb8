"""Natural wrong traces: what a student trained on correct traces got wrong by itself, as a training condition.

The student of condition ``correct`` and the same seed answers training problems that it was not trained on (see
``run_grid.answer_naturally``). ``natural`` teaches its own wrong traces with the gold answer; ``natural_correct``
and ``natural_incorrect`` those of ``correct`` and ``incorrect`` on the same problems, which are each seed's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tracekd.data.problem import Problem
from tracekd.io.records import read_jsonl, sha256
from tracekd.traces import templates
from tracekd.traces.templates import Trace

# Condition to the rule that writes its traces; None: the student itself did.
CONDITIONS = {"natural": None, "natural_correct": "correct", "natural_incorrect": "incorrect"}
STEPPED = (*templates.STEPPED, *CONDITIONS)  # conditions whose traces state a label and facts, right or wrong


def conditions_of(run, dataset: str) -> tuple[str, ...]:
    """The natural conditions that a run trains on a data set."""
    return tuple(c for c in run.profile.conditions_of(dataset) if c in CONDITIONS)


def traces_path(run, dataset: str, seed: int) -> Path:
    """Where a run keeps the wrong traces of one seed's student: ``id`` and ``trace``, one problem a line."""
    return run.path("natural", dataset, f"wrong-{seed}.jsonl")


def marker(run) -> dict[str, str]:
    """Checksums of the wrong traces that a run has, by data set and seed."""
    named = [(d, s) for d in run.datasets if conditions_of(run, d) for s in run.profile.seeds]
    return {f"{d}/{s}": sha256(path) for d, s in named if (path := traces_path(run, d, s)).exists()}


def build_all(run, dataset: str, problems: Sequence[Problem], condition: str, seed: int) -> dict[str, Trace]:
    """The traces of a natural condition for one seed's student, by problem id.

    FileNotFoundError (with the command) before a student has answered; ValueError for a trace of no training problem.
    """
    path = traces_path(run, dataset, seed)
    if not path.exists():
        raise FileNotFoundError(
            f"no natural wrong traces at {path}: `python -m tracekd train --profile {run.profile.name}` makes them"
        )
    own = {row["id"]: row["trace"] for row in read_jsonl(path)}
    chosen = {p.id: p for p in problems if p.id in own and p.split == "train"}
    if unknown := sorted(set(own) - set(chosen)):
        raise ValueError(f"{path}: {len(unknown)} ids of no training problem, first {unknown[0]!r}: delete the file")
    if rule := CONDITIONS[condition]:
        return {i: templates.build(chosen[i], rule, seed=run.seed) for i in own}
    stated = {i: templates.read(text, chosen[i].context) for i, text in own.items()}
    return {i: Trace(condition, text, *stated[i], teacher=run.student) for i, text in own.items()}
