"""Small seeded draws, and invented texts, that the generators share."""

import tomllib
from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from string import Formatter
from typing import TypeVar

import numpy as np

T = TypeVar("T")

VOCABULARY = tomllib.loads(Path(__file__).with_name("generated_words.toml").read_text(encoding="utf-8"))
WORDS: dict[str, list[str]] = VOCABULARY["words"] | {"year": [str(year) for year in range(1790, 2013)]}


class Draws:
    """The numbers of a Generator's ``random``, one by one: drawn 8,192 at a time, which is several times as fast."""

    def __init__(self, seed: Sequence[int]):
        """Seed the Generator."""
        rng = np.random.default_rng(seed)
        self.random = chain.from_iterable(iter(lambda: rng.random(8192).tolist(), None)).__next__


def pick(rng: Draws, items: Sequence[T]) -> T:
    """One of ``items``, each as likely as another."""
    return items[int(rng.random() * len(items))]


def between(rng: Draws, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def several(rng: Draws, items: Sequence[T], k: int | None = None) -> list[T]:
    """``k`` different positions of ``items``, by default all of them, in drawn order."""
    pool, random = list(items), rng.random
    size = len(pool)
    for i in range(size if k is None else k):
        j = i + int(random() * (size - i))
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:k]


@cache
def _parts(text: str) -> list[tuple[str, str | None]]:
    return [(before, slot) for before, slot, *_ in Formatter().parse(text)]


def fill(rng: Draws, text: str, lists: dict[str, list[str]] = WORDS, **given: str) -> str:
    """Fill the slots of a text: what is given, ``{3-48}`` a number in that range, else one of ``lists``, filled."""
    found = []
    for before, slot in _parts(text):
        found.append(before)
        if slot in given:
            found.append(given[slot])
        elif slot and slot[0].isdigit():
            found.append(f"{between(rng, *map(int, slot.split('-'))):,}")
        elif slot:
            found.append(fill(rng, pick(rng, lists[slot]), lists, **given))
    return "".join(found)
