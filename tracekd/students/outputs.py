"""Outputs as files: where a run writes them, what decides them, which are missing. Nothing here needs torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.data.problems import evaluation_set
from tracekd.data.problems import kept as kept_problems
from tracekd.io.records import recover_jsonl, sha256
from tracekd.students import few_shot, lengths, registry
from tracekd.students.adapters import Job, adapter_path, read_record
from tracekd.students.few_shot import UNTRAINED, Turns
from tracekd.traces import templates

VERSION = 4  # raise it when a change of the decoding changes what a student answers


def limit_of(recipe: Recipe, record: Mapping) -> int:
    """Most new tokens of an answer: the recipe's, or ``room`` times the longest target that the student was taught."""
    return max(recipe.max_new_tokens, math.ceil(recipe.room * record.get("longest_target", 0)))


def outputs_path(run, dataset: str, condition: str, seed: int) -> Path:
    """Where a run writes the outputs of one adapter (or of an untrained student)."""
    return run.path("outputs", dataset, f"{condition}-{seed}.jsonl")


def jobs(run) -> list[Job]:
    """All (dataset, condition, seed) to be answered, the untrained student's first."""
    sets, seeds = run.live, run.profile.seeds
    untrained = [(d, c, seeds[0]) for d in sets for c in run.profile.untrained]
    return untrained + [(d, c, s) for d in sets for c in run.profile.conditions_of(d) for s in seeds]


def evaluation_problems(run) -> dict[str, list[Problem]]:
    """The test problems of a run, by data set."""
    problems = kept_problems(run)
    return {d: lengths.answerable(run, d, evaluation_set(run, d, problems[d])) for d in run.live}


def answered(run, problems: Sequence[Problem], dataset: str, condition: str, seed: int) -> bool:
    """Whether the outputs file of a job holds an output of each problem, made by the present adapter."""
    path, record = outputs_path(run, dataset, condition, seed), {"key": "prompted"}
    if condition not in UNTRAINED:
        record = read_record(adapter_path(run, dataset, condition, seed))
    if not path.exists() or record is None:
        return False
    before = few_shot.turns(run, dataset, condition)
    key = output_key(registry.identity(run.student), record, run.profile.recipe, problems, before)
    return {row["id"] for row in recover_jsonl(path) if row.get("key") == key} >= {p.id for p in problems}


def output_key(identity: str, record: Mapping, recipe: Recipe, problems: Sequence[Problem], before: Turns = ()) -> str:
    """A hash of what decides the outputs: student, adapter, prompts, the limit (``limit_of``) and the batch."""
    how = [limit_of(recipe, record), recipe.generate_batch] + ([list(before)] if before else [])
    asked = [(p.id, templates.prompt(p)) for p in problems]
    return sha256([VERSION, identity, record["key"], record.get("weights"), how, asked])[:16]
