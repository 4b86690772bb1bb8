"""Sentences whose numbers come from tables: what a notebook says it found is filled from what it computed."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tracekd.analysis.recorded import SIZE
from tracekd.stats.intervals import minimum_detectable_phi

# The verdicts on a claim; inconclusive was tested, not tested would have meant nothing.
SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE, NOT_TESTED = "supported", "not supported", "inconclusive", "not tested"


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


def points(value: float, low: float | None = None, high: float | None = None) -> str:
    """A difference in points as ``-2.2 [-7.3, +2.8]``."""
    ends = "" if low is None or low != low else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f}{ends}"


def seed_count(number: int) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{number} seed" + ("s" if number > 1 else "")


def verdict_words(row) -> str:
    """A verdict of ``replication_claims.tested`` with its reason or note in brackets."""
    notes = [note for note in (row.reason, row.note) if isinstance(note, str) and note]
    return f"{row.verdict} ({'; '.join(notes)})" if notes else row.verdict


_TRAINED = {"vanilla": "no traces", "correct": "correct traces", "incorrect": "incorrect traces"}
_CLAIMED = {  # by first condition, second one and step
    ("incorrect", "correct", ""): "Training on incorrect traces changes accuracy, compared with correct ones, by",
    ("incorrect", "vanilla", ""): "Training on incorrect traces changes accuracy, compared with no traces, by",
    (
        "correct",
        "",
        "trace",
    ): "Trained on correct traces, accuracy after its own right minus after its own wrong traces is",
}
_OWN = {
    "right_traces": "Trained on correct traces, it writes a right trace in {} of its outputs.",
    "p_answer_given_trace": "It answers {} right after its own right traces (n = {right} outputs).",
    "p_answer_given_not_trace": "It answers {} right after its own wrong traces (n = {wrong} outputs).",
}
_FORCED = {
    ("correct", "total_all"): "A right trace put before its answer instead of a wrong one changes its accuracy by",
    ("correct", "facts_given_right_label"): "Right facts instead of wrong ones under a right label change it by",
    ("correct", "label_given_right_facts"): "A right label instead of a wrong one above right facts changes it by",
    ("incorrect", "total_all"): "Trained on incorrect traces, a right trace instead of a wrong one changes accuracy by",
}


def replication_sentences(
    shares: pd.DataFrame, whole: pd.DataFrame, claimed: pd.DataFrame, moved: pd.DataFrame, dataset: str = "babi"
) -> list[str]:
    """What the replication found on one data set, in sentences of one number each; none on what was not run.

    Args:
        shares: ``08_accuracy_table`` at one size for each data set (``recorded.of_sizes``).
        whole: of ``replication_tables.shares_by_trace`` at that size.
        claimed: of ``claims.claims``; the rows of that size count.
        moved: of ``replication_tables.forced``, or empty; the effects of that size count.
        dataset: the set to speak of.
    """
    part = shares[shares.dataset == dataset]
    size = part[SIZE].max()
    about = f"{dataset}, {size:,} training problems per condition"
    said = [
        f"Trained on {name}, the open student answers {percent(r.value, r.low, r.high)} right ({about}, {r.problems} "
        f"test problems, {seed_count(r.seeds)})."
        for c, name in _TRAINED.items()
        for r in part[part.condition == c].itertuples()
    ]
    rows = claimed[(claimed.dataset == dataset) & (claimed[SIZE] == size) & (claimed.reveals == "all")]
    for row in rows.fillna({"second": "", "step": ""}).to_dict("records"):
        if words := _CLAIMED.get((row["first"], row["second"], row["step"])):
            t = points(row["estimate"], row["t_low"], row["t_high"]).partition(" ")[2]
            gap = points(row["estimate"], row["low"], row["high"]) + (f" (t interval {t})" if t else "")
            verdict = verdict_words(pd.Series(row))
            said.append(f"{words} {gap} points ({row['n']} problems, {seed_count(row['seeds'])}). "
                        f"\"{row['claim']}\": {verdict}.")  # fmt: skip
    own = whole[(whole.dataset == dataset) & (whole.condition == "correct")].dropna(subset="right_traces")
    for row in own.to_dict("records"):
        counts = {"right": int(row["right_outputs"]), "wrong": int(row["wrong_outputs"])}
        said += [text.format(percent(row[k], row[f"{k}_low"], row[f"{k}_high"]), **counts) for k, text in _OWN.items()]
    return said + (_forced(moved, dataset, size) if len(moved) else [])


def _forced(moved: pd.DataFrame, dataset: str, size: int) -> list[str]:
    """What right traces that we chose do to the answers; no sentence if not all were asked at this size."""
    part = moved[(moved.dataset == dataset) & (moved[SIZE] == size) & (moved.reveals == "all")]
    found = {(row.condition, row.effect): row for row in part.itertuples()}
    if not set(_FORCED) <= set(found):
        return []
    said = []
    for key, words in _FORCED.items():
        row = found[key]
        gap = points(row.value, row.low, row.high)
        said.append(f"{words} {gap} points ({row.n} problems, {seed_count(row.seeds)}).")
    first = found["correct", "total_all"]
    names = f"The gold trace names the answer in {first.gold_names:.0f} of these {first.asked:.0f} problems."
    return [*said, names]
