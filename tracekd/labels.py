"""Labels and facts in the form in which they are compared, for the verdicts and for the verifier alike."""

from __future__ import annotations

from collections.abc import Iterable

from tracekd.text import normalise


def same_label(stated: str | None, right: str) -> bool:
    """Whether a stated label is the right one; a label that is not stated is not."""
    return stated is not None and normalise(stated) == normalise(right)


def fact_set(facts: Iterable[str]) -> frozenset[str]:
    """Normalised facts; what is empty after normalisation is left out."""
    return frozenset(filter(None, map(normalise, facts)))
