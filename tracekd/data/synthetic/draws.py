"""Small seeded draws, and invented texts, that the generators share."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

T = TypeVar("T")

VOCABULARY = tomllib.loads(Path(__file__).with_name("generated_words.toml").read_text(encoding="utf-8"))
WORDS: dict[str, list[str]] = VOCABULARY["words"] | {"year": [str(year) for year in range(1790, 2013)]}


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of ``items``, each as likely as another (a scalar draw: much faster than ``rng.choice``)."""
    return items[int(rng.random() * len(items))]


def between(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def several(rng: np.random.Generator, items: Sequence[T], k: int | None = None) -> list[T]:
    """``k`` different positions of ``items``, by default all of them, in drawn order."""
    pool = list(items)
    k = len(pool) if k is None else k
    for i in range(k):
        j = i + int(rng.random() * (len(pool) - i))
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:k]


class Slots(dict):
    """The slots of a text: what is given, ``{3-48}`` a number in that range, else one of ``lists``, slots filled."""

    def __init__(self, rng: np.random.Generator, lists: dict[str, list[str]] = WORDS, **given: str):
        """Take the draws from ``rng``."""
        super().__init__(given)
        self._rng, self._lists = rng, lists

    def __missing__(self, slot: str) -> str:
        """Draw what is not given."""
        if slot[0].isdigit():
            return f"{between(self._rng, *map(int, slot.split('-'))):,}"
        return pick(self._rng, self._lists[slot]).format_map(self)
