"""Numbers in words: shares, differences, tests and verdicts as notebooks and tables print them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

# The verdicts on a claim; inconclusive was tested, not tested would have meant nothing.
SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE, NOT_TESTED = "supported", "not supported", "inconclusive", "not tested"
ENDS = ("value", "low", "high")


def percent(value: float, low: float | None = None, high: float | None = None) -> str:
    """A share as ``57.2% [52.7, 61.7]``; ``undefined`` for NaN."""
    if value != value:
        return "undefined"
    text = f"{100 * value:.1f}%"
    return text if low is None or low != low else f"{text} [{100 * low:.1f}, {100 * high:.1f}]"


def points(value: float, low: float | None = None, high: float | None = None) -> str:
    """A difference in points as ``-2.2 [-7.3, +2.8]``; empty for NaN."""
    if value != value:
        return ""
    ends = "" if low is None or low != low else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f}{ends}"


def in_words(table: pd.DataFrame, words: Callable = percent, columns: Sequence[str] = ENDS) -> list[str]:
    """Each row's estimate and interval by ``percent`` or ``points``."""
    return [words(*row) for row in table[list(columns)].itertuples(index=False)]


def p_words(p: float) -> str:
    """A p-value as ``p = 0.03`` or ``p < 0.001``; ``p undefined`` for NaN."""
    if p != p:
        return "p undefined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
