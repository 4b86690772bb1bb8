"""Small seeded draws and invented vocabulary that the three generators share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

FIRST_NAMES = tuple(
    "Adela Alaric Anselm Beatrix Benno Bryony Calder Cecily Corin Dagny Darius Delphine Edda Elias Elspeth Emeric "
    "Fabian Fenella Florian Freya Gideon Greta Hadrian Helena Hollis Ilse Imogen Isidor Jarek Jocasta Joss Kasimir "
    "Katrin Klara Lambert Leonie Linus Lorenz Mabel Magnus Marit Matthias Nadia Nestor Ottilie Orson Ottoline Pascal "
    "Petra Quentin Ragna Roderick Rosalind Ruben Sabine Sigrid Silas Tamsin Thaddeus Tobias Ursula Valentin Verity "
    "Viktor Wanda Wendel Xenia Yolanda Yorick Zelda".split()
)
_LAST_STARTS = (
    "Alder Ash Bram Brock Carl Cors Dray Dun Elder Fair Falk Gar Grim Hal Harg Hol Kel Kirk Lang Lin Marl Mere Nor Oak "
    "Pell Quar Rav Rook Sel Stan Thorn Tref Und Vail Wend Wyn"
).split()
_LAST_ENDS = (
    "berg bourne by dahl field gate grave holm hurst land low man more quist ridge sen stead strom ton worth".split()
)
_TOWN_STARTS = (
    "Abber Arlen Bel Bran Cald Carra Dorn Drum Eller Esk Farn Glan Gorse Hart Hazel Inver Kes Lark Len Mar Mill Mor Nether "
    "Ost Pen Quill Rin Sal Sedge Sker Tarn Thistle Ul Ver Wal Wester Yar Zel"
).split()
_TOWN_ENDS = (
    "bridge brook cliff combe dale den fell ford haven ham leigh mark mere mouth nau port stow ville wick wold".split()
)
_LANDS = (
    "Aldovia Brennmark Corvania Drevland Esmoria Fennland Galdria Hestoria Isendal Jorvania Kestria Lorvenia".split()
)


def pick(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of ``items``, each as likely as another (a scalar draw: much faster than ``rng.choice``)."""
    return items[int(rng.random() * len(items))]


def between(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int(rng.random() * (high - low + 1))


def several(rng: np.random.Generator, items: Sequence[T], k: int) -> list[T]:
    """``k`` different positions of ``items`` in drawn order.

    Raises:
        ValueError: if ``items`` has fewer than ``k``.
    """
    if k > len(items):
        raise ValueError(f"cannot draw {k} different items from {len(items)}: ask for fewer or give a longer list")
    pool = list(items)
    for i in range(k):
        j = i + int(rng.random() * (len(pool) - i))
        pool[i], pool[j] = pool[j], pool[i]
    return pool[:k]


def shuffled(rng: np.random.Generator, items: Sequence[T], marked: Sequence[int]) -> tuple[list[T], list[int]]:
    """``items`` in a drawn order, and where the ones at the indices ``marked`` now stand."""
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


def town(rng: np.random.Generator) -> str:
    """An invented town, one of about 760."""
    return pick(rng, _TOWN_STARTS) + pick(rng, _TOWN_ENDS)


def land(rng: np.random.Generator) -> str:
    """An invented country."""
    return pick(rng, _LANDS)


def last_name(rng: np.random.Generator) -> str:
    """An invented family name, one of 720."""
    return pick(rng, _LAST_STARTS) + pick(rng, _LAST_ENDS)


def person(rng: np.random.Generator) -> str:
    """An invented person's full name, one of about 50,000."""
    return f"{pick(rng, FIRST_NAMES)} {last_name(rng)}"


def quotas(size: int, shares: Mapping[str, float], least: int) -> dict[str, int]:
    """Whole numbers that sum to ``size`` in the given shares, by largest remainder, each at least ``least``.

    Raises:
        ValueError: if ``size`` cannot give every key ``least``.
    """
    if size < least * len(shares):
        raise ValueError(
            f"size {size} is too small: {len(shares)} categories need at least {least} problems each "
            f"(one in train, one in test), so ask for size >= {least * len(shares)}"
        )
    total = sum(shares.values())
    exact = {key: share / total * size for key, share in shares.items()}
    counts = {key: max(least, int(value)) for key, value in exact.items()}
    while sum(counts.values()) < size:
        key = max(exact, key=lambda k: exact[k] - counts[k])
        counts[key] += 1
    while sum(counts.values()) > size:
        key = max((k for k in exact if counts[k] > least), key=lambda k: counts[k] - exact[k])
        counts[key] -= 1
    return counts
