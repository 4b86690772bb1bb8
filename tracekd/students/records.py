"""Adapters and outputs as files: where a run writes them, the keys of what decides them, which are there. No torch."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tracekd.config import UNTRAINED, Recipe
from tracekd.data.problem import Problem
from tracekd.data.problems import evaluation_set, label_of
from tracekd.data.problems import kept as kept_problems
from tracekd.io.records import recover_jsonl, sha256
from tracekd.students import registry, sft
from tracekd.traces import templates

WEIGHTS = "adapter_model.safetensors"
# Raise one when a change of the training, or of the decoding, changes what comes out.
ADAPTER_VERSION, OUTPUT_VERSION = 7, 4
# The part of a recipe that decides an adapter; the rest is about generation, or only a limit.
DECIDES = (
    "epochs", "learning_rate", "batch", "accumulation", "warmup", "lora_r", "lora_alpha", "lora_dropout", "habits",
    "quantise",
)  # fmt: skip
SHOTS = 4  # worked examples of a few-shot prompt
ROLES = ("user", "assistant")
PROMPTED = {"key": "prompted"}  # in place of the record of an adapter, for these
Job = tuple[str, str, int]  # data set, condition, seed
Turns = Sequence[Mapping[str, str]]


def adapter_path(run, dataset: str, condition: str, seed: int) -> Path:
    """The folder of one adapter of a run."""
    return run.path("adapters", dataset, condition, f"seed{seed}", "record.json").parent


def outputs_path(run, dataset: str, condition: str, seed: int) -> Path:
    """Where a run writes the outputs of one adapter (or of an untrained student)."""
    return run.path("outputs", dataset, f"{condition}-{seed}.jsonl")


def about(run, dataset: str, condition: str, seed: int) -> dict:
    """What every row that a student of the run writes says of it: ``student``, ``source`` and the job."""
    job = {"student": run.student, "dataset": dataset, "condition": condition, "seed": seed}
    return job | {"source": label_of(dataset, run.source)}


def adapter_jobs(run) -> list[Job]:
    """All (dataset, condition, seed) of a run's adapters, in a fixed order."""
    return [(d, c, s) for d in run.live for c in run.profile.conditions_of(d) for s in run.profile.seeds]


def output_jobs(run) -> list[Job]:
    """All (dataset, condition, seed) to be answered, the untrained students' (which have the first seed) first."""
    return [(d, c, run.profile.seeds[0]) for d in run.live for c in run.profile.untrained] + adapter_jobs(run)


def adapter_key(student: str, examples: Sequence[sft.Example], recipe: Recipe, seed: int) -> str:
    """A hash of everything that decides an adapter: student, examples, recipe, seed and the version of this code."""
    cut = {"max_tokens": recipe.max_tokens} if recipe.habits == "as_published" else {}
    decisive = {name: getattr(recipe, name) for name in DECIDES} | {"packing": False} | cut  # once a setting
    # Who wrote a text, and for which student alone, does not decide what is learned from it.
    texts = [{name: value for name, value in asdict(e).items() if name not in ("teacher", "seed")} for e in examples]
    return sha256([ADAPTER_VERSION, registry.identity(student), decisive, seed, texts])


def output_key(identity: str, record: Mapping, recipe: Recipe, problems: Sequence[Problem], before: Turns = ()) -> str:
    """A hash of what decides the outputs: student, adapter, prompts, the limit (``limit_of``) and the batch."""
    how = [limit_of(recipe, record), recipe.generate_batch] + ([list(before)] if before else [])
    how += ["plain weights"] if record["key"] == "prompted" and not recipe.quantise else []  # an adapter's key says it
    asked = [(p.id, templates.prompt(p)) for p in problems]
    return sha256([OUTPUT_VERSION, identity, record["key"], record.get("weights"), how, asked])[:16]


def limit_of(recipe: Recipe, record: Mapping) -> int:
    """Most new tokens of an answer: the recipe's, or ``room`` times the longest target that the student was taught."""
    return max(recipe.max_new_tokens, math.ceil(recipe.room * record.get("longest_target", 0)))


def read_record(folder: Path) -> dict | None:
    """The record of a finished training in ``folder``, else None."""
    path = folder / "record.json"
    return json.loads(path.read_text()) if path.exists() else None


def damaged(folder: Path, record: Mapping | None) -> str | None:
    """What is wrong with an adapter's weights; None if they are those that were trained."""
    if record is None or not (folder / WEIGHTS).is_file():
        return f"{WEIGHTS if record else 'record.json'} is missing"
    return None if record.get("weights") == sha256(folder / WEIGHTS) else f"{WEIGHTS} is not what was trained"


def finished(run, examples: Sequence[sft.Example], dataset: str, condition: str, seed: int) -> bool:
    """Whether an adapter is there, whole, and of exactly these examples, student and recipe."""
    folder = adapter_path(run, dataset, condition, seed)
    wanted = adapter_key(run.student, sft.of_seed(examples, seed), run.profile.recipe, seed)
    return (record := read_record(folder)) is not None and record["key"] == wanted and not damaged(folder, record)


def answered(run, problems: Sequence[Problem], dataset: str, condition: str, seed: int) -> bool:
    """Whether the outputs file of a job holds an output of each problem, made by the present adapter."""
    job = dataset, condition, seed
    record = PROMPTED if condition in UNTRAINED else read_record(adapter_path(run, *job))
    if record is None:
        return False
    before, identity = turns(run, dataset, condition), registry.identity(run.student)
    key = output_key(identity, record, run.profile.recipe, problems, before)
    rows = recover_jsonl(outputs_path(run, *job))
    return {row["id"] for row in rows if row.get("key") == key} >= {p.id for p in problems}


def evaluation_problems(run) -> dict[str, list[Problem]]:
    """The test problems of a run, by data set."""
    problems = kept_problems(run)
    return {d: answerable(run, d, evaluation_set(run, d, problems[d])) for d in run.live}


def answerable(run, dataset: str, problems: Sequence[Problem]) -> list[Problem]:
    """The test problems whose prompt and ``max_new_tokens`` fit into the student's context (see ``sft.too_long``)."""
    recipe = run.profile.recipe
    context = getattr(registry.load_config(run.student), "max_position_embeddings", None)
    if context is None:
        return list(problems)
    limit = context - recipe.max_new_tokens
    what = f"{dataset}: test problems with no room for max_new_tokens = {recipe.max_new_tokens} in {context} tokens"
    rows = ((p.id, templates.prompt(p), "") for p in problems)
    long = sft.too_long(what, rows, run.student, limit, recipe.leave_out, "max_new_tokens")
    return [problem for problem in problems if problem.id not in long]


def worked_examples(problems: Sequence[Problem], rng) -> list[Problem]:
    """Draw ``SHOTS`` short training problems, of different categories if possible; ValueError if there are too few."""
    train = [p for p in problems if p.split == "train"]
    lengths = sorted(len(templates.prompt(p)) for p in train)
    short = [p for p in train if len(templates.prompt(p)) <= lengths[len(lengths) // 2]]
    if len(short) < SHOTS:
        raise ValueError(f"{len(short)} training problems, expected at least {SHOTS} for the worked examples")
    drawn = [short[i] for i in rng.permutation(len(short))]
    first = {p.category: p for p in reversed(drawn)}  # of each category the one that was drawn first
    return sorted(drawn, key=lambda p: first[p.category] is not p)[:SHOTS]


def turns(run, dataset: str, condition: str) -> list[dict[str, str]]:
    """The chat turns before the question, the same for every question; none for a condition without worked examples."""
    if not (shown := UNTRAINED.get(condition)):
        return []
    drawn = worked_examples(kept_problems(run)[dataset], run.rng(f"{dataset}/few_shot"))
    texts = [(templates.prompt(p), templates.target(p, templates.build(p, shown))) for p in drawn]
    return [{"role": role, "content": text} for pair in texts for role, text in zip(ROLES, pair, strict=True)]
