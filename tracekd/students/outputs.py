"""Outputs as files: which problems a run's students answer, where their outputs lie, and which are missing.

Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.data.problems import evaluation_set
from tracekd.data.problems import kept as kept_problems
from tracekd.io.records import recover_jsonl, sha256
from tracekd.students import registry, sft
from tracekd.students.adapters import Job, adapter_path, read_record
from tracekd.traces import templates

VERSION = 4  # raise it when a change of the decoding changes what a student answers
SHOTS = 4  # worked examples of a few-shot prompt
# Conditions without training, to the condition whose targets their worked examples show; None: no example.
UNTRAINED: Mapping[str, str | None] = {"prompted": None, "few_shot": "vanilla", "few_shot_traces": "correct"}
Turns = Sequence[Mapping[str, str]]


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
    return {d: answerable(run, d, evaluation_set(run, d, problems[d])) for d in run.live}


def answerable(run, dataset: str, problems: Sequence[Problem]) -> list[Problem]:
    """The test problems whose prompt and ``max_new_tokens`` fit into the student's context; says how many do not.

    Raises:
        ValueError: more than the recipe's share ``leave_out`` does not fit.
    """
    recipe = run.profile.recipe
    context = getattr(registry.load_config(run.student), "max_position_embeddings", None)
    if context is None:
        return list(problems)
    asked = ((p.id, templates.prompt(p), None) for p in problems)
    long = sft.too_long(asked, registry.load_tokenizer(run.student), context - recipe.max_new_tokens)
    what = f"test problems leave no room for {recipe.max_new_tokens} new tokens in the student's context of {context}"
    sft.report_left_out(dataset, what, long, len(problems), recipe.leave_out, "max_new_tokens")
    return [problem for problem in problems if problem.id not in long]


def answered(run, problems: Sequence[Problem], dataset: str, condition: str, seed: int) -> bool:
    """Whether the outputs file of a job holds an output of each problem, made by the present adapter."""
    path, record = outputs_path(run, dataset, condition, seed), {"key": "prompted"}
    if condition not in UNTRAINED:
        record = read_record(adapter_path(run, dataset, condition, seed))
    if not path.exists() or record is None:
        return False
    before = turns(run, dataset, condition)
    key = output_key(registry.identity(run.student), record, run.profile.recipe, problems, before)
    return {row["id"] for row in recover_jsonl(path) if row.get("key") == key} >= {p.id for p in problems}


def output_key(identity: str, record: Mapping, recipe: Recipe, problems: Sequence[Problem], before: Turns = ()) -> str:
    """A hash of what decides the outputs: student, adapter, prompts, the limit (``limit_of``) and the batch."""
    how = [limit_of(recipe, record), recipe.generate_batch] + ([list(before)] if before else [])
    asked = [(p.id, templates.prompt(p)) for p in problems]
    return sha256([VERSION, identity, record["key"], record.get("weights"), how, asked])[:16]


def worked_examples(problems: Sequence[Problem], rng) -> list[Problem]:
    """Draw ``SHOTS`` training problems of the shorter half of the prompts, of different categories where possible.

    Raises:
        ValueError: fewer than ``SHOTS`` training problems.
    """
    train = [p for p in problems if p.split == "train"]
    lengths = sorted(len(templates.prompt(p)) for p in train)
    short = [p for p in train if len(templates.prompt(p)) <= lengths[len(lengths) // 2]]
    if len(short) < SHOTS:
        raise ValueError(f"{len(short)} training problems, expected at least {SHOTS} for the worked examples")
    drawn = [short[i] for i in rng.permutation(len(short))]
    first = {p.category: p for p in reversed(drawn)}  # of each category the one that was drawn first
    fresh = sorted(first.values(), key=drawn.index)
    return (fresh + [p for p in drawn if p not in fresh])[:SHOTS]


def turns(run, dataset: str, condition: str, problems: Sequence[Problem] | None = None) -> list[dict[str, str]]:
    """The chat turns before the question, the same for every question; none for a condition without worked examples."""
    if not (shown := UNTRAINED.get(condition)):
        return []
    problems = kept_problems(run)[dataset] if problems is None else problems
    made = []
    for p in worked_examples(problems, run.rng(f"{dataset}/few_shot")):
        made.append({"role": "user", "content": templates.prompt(p)})
        made.append({"role": "assistant", "content": templates.target(p, templates.build(p, shown))})
    return made
