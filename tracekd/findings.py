"""Sentences whose numbers come from tables: what a notebook says it found is filled from what it computed."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tracekd.stats import minimum_detectable_phi


def percent(value: float, low: float | None = None, high: float | None = None) -> str:
    """A share as ``57.2% [52.7, 61.7]``; ``undefined`` for NaN."""
    if value != value:
        return "undefined"
    text = f"{100 * value:.1f}%"
    return text if low is None or low != low else f"{text} [{100 * low:.1f}, {100 * high:.1f}]"


def p_words(p: float) -> str:
    """A p-value as ``p = 0.03`` or ``p < 0.001``; ``p undefined`` for NaN."""
    if p != p:
        return "p undefined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def association_sentence(row: Mapping, what: str) -> str:
    """Joint share, conditional shares, phi and test of one row of ``tables.associations``."""
    joint = percent(row["joint"], row["joint_low"], row["joint_high"])
    if row["test"] == "undefined":
        return (
            f"{what}: trace and answer are both right in {joint} of {row['n']} outputs. Whether they hang together is "
            "undefined, since one of the two is always right or always wrong."
        )
    given = percent(row["p_answer_given_trace"], row["p_answer_given_trace_low"], row["p_answer_given_trace_high"])
    other = percent(
        row["p_answer_given_not_trace"], row["p_answer_given_not_trace_low"], row["p_answer_given_not_trace_high"]
    )
    adjusted = row.get("p_holm", float("nan"))
    p, named = (adjusted, "Holm-adjusted ") if adjusted == adjusted else (row["p_value"], "")
    # A test that finds nothing says little without what it could have found.
    phi = f"{minimum_detectable_phi(row['n']):.2f}"
    least = (
        f" One test of {row['n']} outputs would have shown a phi of {phi} or more with 80% power." if p >= 0.05 else ""
    )
    test = f"chi-squared {row['chi2']:.1f}" if row["test"] == "chi2" else "Fisher's exact test"
    return (
        f"{what}: trace and answer are both right in {joint} of {row['n']} outputs. The answer is right in {given} "
        f"where the trace is right and in {other} where it is wrong; phi = {row['phi']:.2f} [{row['phi_low']:.2f}, "
        f"{row['phi_high']:.2f}], {test}, {named}{p_words(p)}.{least}"
    )


def contrast_sentence(row: Mapping, margin: float) -> str:
    """Which of two conditions answers better on the same problems, or how little a missing difference says."""
    points = f"{100 * row['difference']:+.1f} points [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    pair = f"{row['first']} less {row['second']}: {points} on {row['n']} problems"
    if row["p_holm"] < 0.05:
        return f"{pair}, a difference (exact McNemar, Holm-adjusted {p_words(row['p_holm'])})."
    if row["equivalent"]:
        tested = f"two one-sided tests, {p_words(row['tost_p'])}"
        return f"{pair}; the two are equivalent within {100 * margin:.0f} points ({tested})."
    least = row["detectable"]
    power = f"one test would have shown {100 * least:.0f} points or more with 80% power"
    power = power if least == least else "n is too small for any"
    p = p_words(row["p_holm"])
    return f"{pair}: no difference is shown (Holm-adjusted {p}), and equivalence is not shown either; {power}."


def agreement_sentence(part: pd.DataFrame, what: str) -> str:
    """Where the answers of one group of ``tables.agreements`` come from: all its outputs, kind by kind."""
    row = part.set_index("agreement")
    n, right = row.n, row.answers_right
    return (
        f"{what}: of {n.sum()} outputs {n['not stated']} state no facts or no answer, and {n['not nameable']} are on "
        f"problems whose gold facts do not name the answer ({right['not nameable']} answered right). Of the others "
        f"{n['right both times']} have a right trace and a right answer, {n['copies from its trace']} more give an "
        f"answer that stands in the facts stated ({right['copies from its trace']} right), and "
        f"{n['ignores its trace']} give one that does not ({right['ignores its trace']} right)."
    )
