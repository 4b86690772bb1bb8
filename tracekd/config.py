"""Profiles: the one dial, read from ``profiles.toml``."""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tracekd.machine import ROOT

HABITS = ("aligned", "as_published")
# Conditions without training, to the condition whose targets their worked examples show; None: no example.
UNTRAINED: Mapping[str, str | None] = {"prompted": None, "few_shot": "vanilla", "few_shot_traces": "correct"}


@dataclass(frozen=True)
class Recipe:
    """How a student is trained and asked; LoRA as in the paper, on all seven projections."""

    epochs: float  # passes over the training problems
    learning_rate: float  # peak, after a warm-up over ``warmup`` of the steps; then a cosine down to 0
    batch: int  # an update learns from ``batch`` x ``accumulation`` examples, over all devices together
    accumulation: int
    max_tokens: int  # longest example; a problem with a longer one is left out of every condition and counted
    max_new_tokens: int  # most tokens generated per answer; an output that reaches it is ``truncated``
    generate_batch: int  # most problems generated at once; fewer where their caches would not fit into memory
    warmup: float = 0.1
    lora_r: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    habits: str = "aligned"  # or ``as_published``, those of the authors' release: see ``sft.encode``
    quantise: bool = True  # hold the student in NF4 (QLoRA), else in plain weights (LoRA)
    room: float = 1.25  # an answer may have so many times the tokens of the longest target; 0: ``max_new_tokens``
    leave_out: float = 0.02  # largest share of a set's problems that may be too long; beyond it the run stops

    def __post_init__(self):
        """Refuse unknown habits."""
        if self.habits not in HABITS:
            raise ValueError(f"habits {self.habits!r} of a recipe: {nearest(self.habits, HABITS)}")


@dataclass(frozen=True)
class Profile:
    """One entry of ``profiles.toml``; numbers of problems are by data set, ``"all"`` holds for a set not named."""

    name: str
    about: str
    hardware: str
    student: str
    data: str
    seeds: tuple[int, ...]
    generated: dict[str, int]  # problems to generate
    train: dict[str, int | str]
    test: dict[str, int | str]  # answered (notebook 04)
    interventions: dict[str, int | str]  # answered again after forced traces (notebook 07)
    conditions: tuple[str, ...]  # trained on every data set
    recipe: Recipe
    study_repeats: int
    bootstrap: int
    also: dict[str, tuple[str, ...]] = field(default_factory=dict)  # further conditions by data set
    marco: dict[str, Any] = field(default_factory=dict)  # ``test_share`` of ``load_marco.split``
    datasets: tuple[str, ...] = ()  # those that the profile runs on; empty: all
    untrained: tuple[str, ...] = ("prompted",)  # the student is asked as it is: see ``UNTRAINED``
    texts: str = "auto"  # where free-form traces come from: see ``run_texts.find_texts``
    live: tuple[str, ...] = ()  # sets whose students are trained and asked; empty: all. The others are only built

    def __post_init__(self):
        """Refuse numbers of problems that no run can draw, and what is no list."""
        sizes = [size for part in (self.generated, self.train, self.test, self.interventions) for size in part.values()]
        lists = (self.seeds, self.conditions, self.untrained, *self.also.values())
        if wrong := [size for size in sizes if size != "all" and (type(size) is not int or size < 1)]:
            raise ValueError(f"profile {self.name!r}: {wrong[0]!r} problems: expected 1 or more, or 'all'")
        if wrong := [value for value in lists if not isinstance(value, tuple)]:
            raise ValueError(f"profile {self.name!r}: {wrong[0]!r} where a list is expected, such as [{wrong[0]!r}]")
        if wrong := [name for name in self.untrained if name not in UNTRAINED]:
            raise ValueError(f"profile {self.name!r}: untrained {wrong[0]!r}: {nearest(wrong[0], [*UNTRAINED])}")

    def conditions_of(self, dataset: str) -> tuple[str, ...]:
        """The training conditions of one data set: ``conditions``, and what ``also`` adds for it, each once."""
        return tuple(dict.fromkeys((*self.conditions, *self.also.get(dataset, ()))))


def nearest(value: str, known: Sequence[str]) -> str:
    """A hint for a message: the nearest right name, or all of them."""
    close = difflib.get_close_matches(value, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


@cache
def _entries() -> dict[str, dict[str, Any]]:
    return tomllib.loads((ROOT / "tracekd" / "profiles.toml").read_text(encoding="utf-8"))


def names() -> list[str]:
    """The names of all profiles, smallest first."""
    return list(_entries())


def load(name: str) -> Profile:
    """Read one profile; one that is ``like`` another inherits what it does not say itself; ValueError if unknown."""
    if name not in _entries():
        raise ValueError(f"no profile {name!r}: {nearest(name, names())}")
    lines = [_entries()[name]]
    while like := lines[0].get("like"):
        if like not in _entries() or len(lines) > len(_entries()):
            raise ValueError(f"profile {name!r} is like {like!r}, no other profile: {nearest(like, names())}")
        lines.insert(0, _entries()[like])
    entry, recipe = {}, {}
    for line in lines:  # a recipe's key may be changed in one line of an heir, without a table of its own
        recipe |= line.get("recipe", {}) | {key: line[key] for key in line if key in Recipe.__dataclass_fields__}
        entry |= {key: value for key, value in line.items() if key not in Recipe.__dataclass_fields__}
    entry |= {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
    try:
        entry["also"] = {d: tuple(c) if isinstance(c, list) else c for d, c in entry.get("also", {}).items()}
        entry |= {"name": name, "recipe": Recipe(**recipe)}
        return Profile(**{key: value for key, value in entry.items() if key != "like"})
    except TypeError as error:  # a key that there is not, or one that is missing
        raise ValueError(f"profile {name!r} in profiles.toml: {str(error).partition(' ')[2]}") from error
    except AttributeError as error:
        raise ValueError(f"profile {name!r}: sizes and `also` are tables, such as train = {{ babi = 100 }}") from error
