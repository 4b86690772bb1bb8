"""Profiles: the one dial, read from ``profiles.toml``."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HABITS = ("aligned", "as_published")


@dataclass(frozen=True)
class Recipe:
    """How a student is trained and asked.

    Attributes:
        epochs: passes over the training problems.
        learning_rate: peak, after a warm-up over ``warmup`` of the steps; then a cosine down to 0.
        batch, accumulation: an update learns from ``batch`` x ``accumulation`` examples, over all devices together.
        max_tokens: longest example. A problem with a longer one is left out of every condition and counted.
        leave_out: largest share of a data set's problems that may be left out as too long; beyond it the run stops.
        max_new_tokens: most tokens generated per answer; an output that reaches it is ``truncated``.
        room: a trained student may generate up to this many times its longest training target; 0: no more than
            ``max_new_tokens``.
        generate_batch: most problems generated at once; fewer where their caches would not fit into memory.
        lora_r, lora_alpha, lora_dropout: LoRA as in the paper, on all seven projections.
        habits: ``aligned``, or ``as_published`` for those of the authors' release: see ``sft.encode_as_published``.
        quantise: hold the student in NF4 (QLoRA), else in plain weights (LoRA).
    """

    epochs: float
    learning_rate: float
    batch: int
    accumulation: int
    max_tokens: int
    max_new_tokens: int
    generate_batch: int
    warmup: float = 0.1
    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    habits: str = "aligned"
    quantise: bool = True
    room: float = 1.25
    leave_out: float = 0.02

    def __post_init__(self):
        """Refuse unknown habits."""
        if self.habits not in HABITS:
            raise ValueError(f"habits {self.habits!r} of a recipe: {nearest(self.habits, HABITS)}")


@dataclass(frozen=True)
class Profile:
    """One entry of ``profiles.toml``.

    Attributes:
        train, test, interventions: numbers of problems by data set, or ``"all"``, which also holds for a set not named:
            trained on, answered (notebook 04), and answered again after forced traces (notebook 07).
        generated: problems to generate by data set.
        conditions, also: trained on every data set, and further ones by data set.
        untrained: conditions in which the student is asked as it is: see ``outputs.UNTRAINED``.
        marco: settings of real MS MARCO: ``test_share`` of ``load_marco.split``.
        datasets: those that the profile runs on; empty: all.
        live: the data sets whose students are trained, answer and are scored in a run; empty: all. Of the others the
            sets are built, and the recorded results are shown.
        texts: where free-form traces come from: see ``run_texts.find_texts``.
    """

    name: str
    about: str
    hardware: str
    student: str
    data: str
    seeds: tuple[int, ...]
    generated: dict[str, int]
    train: dict[str, int | str]
    test: dict[str, int | str]
    interventions: dict[str, int | str]
    conditions: tuple[str, ...]
    recipe: Recipe
    study_repeats: int
    bootstrap: int
    also: dict[str, tuple[str, ...]] = field(default_factory=dict)
    marco: dict[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    untrained: tuple[str, ...] = ("prompted",)
    texts: str = "auto"
    live: tuple[str, ...] = ()

    def conditions_of(self, dataset: str) -> tuple[str, ...]:
        """The training conditions of one data set: ``conditions``, and what ``also`` adds for it."""
        return (*self.conditions, *self.also.get(dataset, ()))

    def live_of(self, datasets: Sequence[str]) -> tuple[str, ...]:
        """Those of a source's data sets whose students are trained and asked; a reader's own set always is."""
        return tuple(d for d in datasets if d in self.live) or tuple(datasets)


def nearest(value: str, known: list[str] | tuple[str, ...]) -> str:
    """A hint for a message: the nearest right name, or all of them."""
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


@cache
def _entries() -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "profiles.toml").read_text(encoding="utf-8"))


def names() -> list[str]:
    """The names of all profiles, smallest first."""
    return list(_entries())


def load(name: str) -> Profile:
    """Read one profile; one that is ``like`` another inherits what it does not say itself.

    Raises:
        ValueError: no profile has that name; the message gives the nearest.
    """
    if name not in _entries():
        raise ValueError(f"no profile {name!r}: {nearest(name, names())}")
    entry = dict(_entries()[name])
    own = entry.pop("recipe", {})
    while like := entry.pop("like", None):
        base = _entries()[like]
        own = {**base.get("recipe", {}), **own}
        entry = {**{k: v for k, v in base.items() if k != "recipe"}, **entry}
    # A recipe's key may be changed in one line of an heir, without a table of its own.
    for key in list(entry):
        if key in Recipe.__dataclass_fields__:
            own[key] = entry.pop(key)
    entry = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    entry["also"] = {dataset: tuple(conditions) for dataset, conditions in entry.get("also", {}).items()}
    return Profile(name=name, recipe=Recipe(**own), **entry)
