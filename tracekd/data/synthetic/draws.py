"""Small seeded draws, and texts filled from the invented vocabulary, that the generators share."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

T = TypeVar("T")

# Word lists, texts with slots, shares counted in the real files, and the topics of generated search queries.
VOCABULARY = tomllib.loads(Path(__file__).with_name("generated_words.toml").read_text(encoding="utf-8"))
_WORDS: dict[str, list[str]] = VOCABULARY["words"]
_SLOT = re.compile(r"\{([a-z_]+|\d+-\d+)\}")


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of ``items``, each as likely as another (a scalar draw: much faster than ``rng.choice``)."""
    return items[int(rng.random() * len(items))]


def between(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def several(rng: np.random.Generator, items: Sequence[T], k: int) -> list[T]:
    """``k`` different positions of ``items`` in drawn order."""
    pool = list(items)
    for i in range(k):
        j = i + int(rng.random() * (len(pool) - i))
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:k]


def shuffled(rng: np.random.Generator, items: Sequence[T], marked: Sequence[int]) -> tuple[list[T], list[int]]:
    """``items`` in a drawn order, and where those at the indices ``marked`` are now."""
    order = several(rng, range(len(items)), len(items))
    return [items[i] for i in order], [order.index(i) for i in marked]


def weighted(rng: np.random.Generator, weights: Mapping[T, float]) -> T:
    """One key, as likely as its weight; the weights need not sum to one."""
    point = rng.random() * sum(weights.values())
    for item, weight in weights.items():
        point -= weight
        if point < 0:
            return item
    return item


@lru_cache(maxsize=4096)
def _pieces(text: str) -> tuple[str, ...]:
    """A text cut at its slots: literal, slot, literal, slot, ..., literal."""
    return tuple(_SLOT.split(text))


def fill(rng: np.random.Generator, text: str, given: Mapping[str, str | Sequence[str]] | None = None) -> str:
    """A text with its slots filled from ``given`` (values, or lists to draw from), else from the common vocabulary.

    ``{3-48}`` becomes a whole number in that range, ``{year}`` a year, ``{name}`` an entry of the list of that name.
    """
    pieces = _pieces(text)
    return "".join(_slot(rng, piece, given or {}) if i % 2 else piece for i, piece in enumerate(pieces))


def _slot(rng: np.random.Generator, slot: str, given: Mapping[str, str | Sequence[str]]) -> str:
    if slot in given:
        return given[slot] if isinstance(given[slot], str) else fill(rng, pick(rng, given[slot]))
    if slot[0].isdigit():
        low, high = map(int, slot.split("-"))
        return f"{between(rng, low, high):,}"
    if slot == "year":
        return str(between(rng, 1790, 2012))
    return fill(rng, pick(rng, _WORDS[slot]))


def quotas(size: int, shares: Mapping[str, float], least: int) -> dict[str, int]:
    """Whole numbers that sum to ``size`` in the given shares, by largest remainder, each at least ``least``."""
    if size < least * len(shares):
        raise ValueError(f"size {size} is too small for these categories: ask for size >= {least * len(shares)}")
    exact = {key: share / sum(shares.values()) * size for key, share in shares.items()}
    counts = {key: max(least, int(value)) for key, value in exact.items()}
    while gap := size - sum(counts.values()):
        step = 1 if gap > 0 else -1
        free = (key for key in exact if gap > 0 or counts[key] > least)
        counts[max(free, key=lambda key: step * (exact[key] - counts[key]))] += step
    return counts
