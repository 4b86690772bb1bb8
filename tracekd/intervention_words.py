"""What the tables of the interventions say, in sentences that claim no more than their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from tracekd.findings import INCONCLUSIVE, NOT_TESTED, percent

FEWEST = 20  # problems: a percentile bootstrap over fewer is too narrow to be believed
WORDS = {
    "own": "the own trace", "gold": "the gold trace", "wrong_label": "a wrong label on right facts",
    "wrong_facts": "a right label on wrong facts", "both_wrong": "a trace wrong in both steps",
    "other": "another problem's trace", "empty": "an empty trace", "shuffled": "the gold trace shuffled",
    "masked": "the gold trace with its answer masked",
}  # fmt: skip
EFFECTS = {
    "total": "total effect of a right trace", "natural_direct": "natural direct effect (not by naming the answer)",
    "natural_indirect": "natural indirect effect (by naming the answer)",
    "facts_given_right_label": "right minus wrong facts under the right label",
    "label_given_right_facts": "right minus wrong label on the right facts",
    "observed": "right minus wrong own traces, as they came",
}  # fmt: skip


def size(row: Mapping) -> str:
    """A difference with its interval and n: in percentage points for answers, in nats for log-probabilities."""
    if row["value"] != row["value"]:
        return "no value"
    scale, form, unit = (100, ".1f", " points") if row["outcome"] == "answer_correct" else (1, ".3g", " nats")
    text = f"{scale * row['value']:+{form}}{unit}"
    if row["low"] == row["low"]:
        text += f" [{scale * row['low']:{form}}, {scale * row['high']:{form}}]"
    return f"{text}, n = {row['n']:.0f}"


def direction(row: Mapping) -> str:
    """``more`` or ``less``; ``inconclusive`` or ``not tested``, and why.

    A sign needs both intervals, the one by resampling and (from two seeds on) the t interval, on one side of zero, and
    ``FEWEST`` problems.
    """
    if row["low"] != row["low"] or row["n"] < FEWEST:
        return f"{NOT_TESTED}: {row['n']:.0f} problem{'' if row['n'] == 1 else 's'}"
    t_low, t_high = row.get("t_low", math.nan), row.get("t_high", math.nan)
    if row["low"] > 0 and not t_low <= 0:
        return "more"
    if row["high"] < 0 and not t_high >= 0:
        return "less"
    return f"{INCONCLUSIVE}: {'an' if t_low == t_low else 'the'} interval covers zero"


def change_sentence(row: Mapping) -> str:
    """One row of ``intervention_tables.changes``: what a given trace does to the answers of one student."""
    what = {"answer_correct": "accuracy", "logp_gold": "log-probability of the gold answer"}[row["outcome"]]
    verdict = direction(row)
    verdict = {"more": "higher", "less": "lower"}.get(verdict, verdict)
    return f"{what} after {WORDS[row['variant']]} minus after {WORDS[row['against']]}: {size(row)}: {verdict}."


def follow_sentence(part: pd.DataFrame) -> str:
    """One student and one variant of ``intervention_tables.follow_shares``: what its answers follow.

    Which of trace and context they follow more often is said only where their intervals do not overlap, and for no
    fewer than ``FEWEST`` problems.
    """
    of = part.set_index("follows")
    trace, context = of.loc["trace"], of.loc["context"]
    verdict = INCONCLUSIVE if trace.n >= FEWEST else NOT_TESTED
    if trace.n >= FEWEST and trace.low > context.high:
        verdict = "more often the trace"
    elif trace.n >= FEWEST and context.low > trace.high:
        verdict = "more often the context"
    first, second = (percent(row.value, row.low, row.high) for row in (trace, context))
    return (
        f"where trace and context disagree (n = {trace.n:.0f} problems), {first} of the answers follow the trace. "
        f"{second} follow the context: {verdict}."
    )


def effect_sentence(row: Mapping) -> str:
    """One row of ``effects.effects``: its name in words, its size, and its sign where both intervals show one."""
    verdict = direction(row)
    verdict = {"more": "above zero", "less": "below zero"}.get(verdict, verdict)
    return f"{EFFECTS.get(row['effect'], row['effect'])} ({row['contrast']}): {size(row)}: {verdict}."


def uses_trace(row: Mapping) -> str:
    """The notebook's question, by the total effect of one student (gold minus both_wrong) on right answers."""
    return {
        "more": "the answer depends on the given trace, and a right one helps",
        "less": "the answer depends on the given trace, and a right one does harm",
    }.get(verdict := direction(row), f"does the answer depend on the given trace? {verdict}")
