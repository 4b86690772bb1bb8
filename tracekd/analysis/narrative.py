"""Numbers in words: shares, differences, tests and verdicts as notebooks and tables print them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from tracekd.stats.intervals import minimum_detectable_phi

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


def association_sentence(row: Mapping, what: str) -> str:
    """Joint share, conditional shares, phi and test of one row of ``tables.associations``."""
    joint = percent(row["joint"], row["joint_low"], row["joint_high"])
    both = f"{what}: trace and answer are both right in {joint} of {row['n']} outputs."
    if row["test"] == "undefined":
        return f"{both} The tie between them is undefined, since one of the two is always right or always wrong."
    given, other = (
        percent(row[name], row[f"{name}_low"], row[f"{name}_high"])
        for name in ("p_answer_given_trace", "p_answer_given_not_trace")
    )
    adjusted = row.get("p_holm", float("nan"))
    p, named = (adjusted, "Holm-adjusted ") if adjusted == adjusted else (row["p_value"], "")
    test = f"chi-squared {row['chi2']:.1f}" if row["test"] == "chi2" else "Fisher's exact test"
    # A test that finds nothing says little without what it could have found.
    phi = f"{minimum_detectable_phi(row['n']):.2f}"
    least = f" One test of {row['n']} outputs would have shown a phi of {phi} or more with 80% power."
    return (
        f"{both} Accuracy when the trace is right is {given}. Accuracy when it is wrong is {other}. Phi is "
        f"{row['phi']:.2f} [{row['phi_low']:.2f}, {row['phi_high']:.2f}] ({test}, {named}{p_words(p)})."
    ) + (least if p >= 0.05 else "")


def contrast_sentence(row: Mapping, margin: float) -> str:
    """Which of two conditions answers better on the same problems, or how little a missing difference says."""
    gap = f"{points(row['difference'], row['low'], row['high'])} points"
    pair = f"{row['first']} minus {row['second']}: {gap} on {row['n']} problems"
    if row["p_holm"] < 0.05:
        return f"{pair}, a difference (exact McNemar, Holm-adjusted {p_words(row['p_holm'])})."
    if row["equivalent"]:
        tested = f"two one-sided tests, Holm-adjusted {p_words(row['tost_holm'])}"
        return f"{pair}; the two are equivalent within {100 * margin:.0f} points ({tested})."
    least = row["detectable"]
    power = f"one test would have shown {100 * least:.0f} points or more with 80% power"
    power = power if least == least else "n is too small for any"
    return f"{pair}: inconclusive (McNemar, Holm-adjusted {p_words(row['p_holm'])}); {power}."
