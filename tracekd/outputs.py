"""Outputs as files: where a run keeps them, what decides them, which are missing. Nothing here needs torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tracekd import few_shot, lengths, students, traces
from tracekd.adapters import adapter_path, read_record
from tracekd.few_shot import UNTRAINED, Turns
from tracekd.problems import Problem, evaluation_set
from tracekd.problems import kept as kept_problems
from tracekd.profiles import Recipe
from tracekd.records import recover_jsonl, sha256

BACKENDS = ("transformers", "vllm")
VERSION = 4  # raise it when a change of the decoding changes what a student answers


def limit_of(recipe: Recipe, record: Mapping) -> int:
    """Most new tokens of an answer: the recipe's, or its ``room`` for the longest target that the student was taught.

    Args:
        recipe: with ``max_new_tokens`` and ``room``.
        record: of the adapter's training; one without ``longest_target`` (older, or the prompted student's) adds none.
    """
    return max(recipe.max_new_tokens, math.ceil(recipe.room * record.get("longest_target", 0)))


def outputs_path(run, dataset: str, condition: str, seed: int) -> Path:
    """Where a run keeps the outputs of one adapter (or of the prompted student)."""
    return run.path("outputs", dataset, f"{condition}-{seed}.jsonl")


def jobs(run) -> list[tuple[str, str, int]]:
    """All (dataset, condition, seed) to be answered, the untrained student's first."""
    sets, seeds = run.live, run.profile.seeds
    untrained = [(d, c, seeds[0]) for d in sets for c in run.profile.untrained]
    return untrained + [(d, c, s) for d in sets for c in run.profile.conditions_of(d) for s in seeds]


def evaluation_problems(run) -> dict[str, list[Problem]]:
    """The test problems of a run, by data set."""
    problems = kept_problems(run)
    return {d: lengths.answerable(run, d, evaluation_set(run, d, problems[d])) for d in run.live}


def answered(run, problems: Sequence[Problem], dataset: str, condition: str, seed: int) -> bool:
    """Whether the outputs file of a job holds an output of each problem, made by the adapter that is there now."""
    path, record = outputs_path(run, dataset, condition, seed), {"key": "prompted"}
    before = few_shot.turns(run, dataset, condition)
    if condition not in UNTRAINED:
        record = read_record(adapter_path(run, dataset, condition, seed))
    if not path.exists() or record is None:
        return False
    identity, recipe = students.identity(run.student), run.profile.recipe
    keys = {output_key(identity, record, recipe, problems, backend, before) for backend in BACKENDS}
    return {row["id"] for row in recover_jsonl(path) if row.get("key") in keys} >= {p.id for p in problems}


def output_key(
    identity: str, record: Mapping, recipe: Recipe, problems: Sequence[Problem], backend: str = BACKENDS[0],
    before: Turns = (),
) -> str:  # fmt: skip
    """A hash of what decides the outputs: student, adapter, prompts, the limit (``limit_of``) and the batch."""
    how = [limit_of(recipe, record), recipe.generate_batch] + ([backend] if backend != BACKENDS[0] else [])
    how += [list(before)] if before else []
    asked = [(p.id, traces.prompt(p)) for p in problems]
    return sha256([VERSION, identity, record["key"], record.get("weights"), how, asked])[:16]
