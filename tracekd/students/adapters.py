"""Adapters as files: where a run writes them, what decides them, whether they are whole. Nothing here needs torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tracekd.config import Recipe
from tracekd.io.records import sha256
from tracekd.students import registry, sft
from tracekd.traces import freeform

WEIGHTS = "adapter_model.safetensors"
VERSION = 7  # raise it when a change of the training changes what an adapter comes out as
# The part of a recipe that decides an adapter; the rest is about generation, or only a limit.
DECIDES = (
    "epochs", "learning_rate", "batch", "accumulation", "warmup", "lora_r", "lora_alpha", "lora_dropout", "habits",
    "quantise",
)  # fmt: skip
FORMER = {"packing": False}  # a setting that recipes no longer have, in the keys of recorded adapters
Job = tuple[str, str, int]  # data set, condition, seed


def key(student: str, examples: Sequence[sft.Example], recipe: Recipe, seed: int) -> str:
    """A hash of everything that decides an adapter: student, examples, recipe, seed and the version of this code."""
    decisive = {**{name: getattr(recipe, name) for name in DECIDES}, **FORMER}
    # Who wrote a text, and for which student alone, does not decide what is learned from it.
    texts = [{name: value for name, value in asdict(e).items() if name not in ("teacher", "seed")} for e in examples]
    return sha256([VERSION, registry.identity(student), decisive, seed, texts])


def damaged(folder: Path, record: Mapping) -> str | None:
    """What is wrong with a finished adapter's weights; None if they are those that were trained."""
    if not (folder / WEIGHTS).is_file():
        return f"{WEIGHTS} is missing"
    return None if record.get("weights") == sha256(folder / WEIGHTS) else f"{WEIGHTS} is not what was trained"


def read_record(folder: Path) -> dict | None:
    """The record of a finished training in ``folder``, else None."""
    path = folder / "record.json"
    return json.loads(path.read_text()) if path.exists() else None


def teacher_of(record: Mapping, condition: str) -> str:
    """Who wrote the traces that an adapter was trained on; the first records do not say, and had templated ones."""
    return record.get("teacher", freeform.TEMPLATED if freeform.takes_texts(condition) else "")


def adapter_path(run, dataset: str, condition: str, seed: int) -> Path:
    """The folder of one adapter of a run."""
    return run.path("adapters", dataset, condition, f"seed{seed}", "record.json").parent


def jobs(run) -> list[Job]:
    """All (dataset, condition, seed) of a run's adapters, in a fixed order."""
    return [(d, c, s) for d in run.live for c in run.profile.conditions_of(d) for s in run.profile.seeds]


def finished(run, examples: Sequence[sft.Example], dataset: str, condition: str, seed: int) -> bool:
    """Whether an adapter is there, whole, and of exactly these examples, student and recipe."""
    folder = adapter_path(run, dataset, condition, seed)
    if (record := read_record(folder)) is None:
        return False
    wanted = key(run.student, sft.of_seed(examples, seed), run.profile.recipe, seed)
    return record["key"] == wanted and damaged(folder, record) is None
