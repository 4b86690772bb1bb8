"""What the tables of the interventions say, in sentences that claim no more than their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from tracekd.analysis.narrative import INCONCLUSIVE, NOT_TESTED, percent

FEWEST = 20  # problems: a percentile bootstrap over fewer is too narrow to be believed
EFFECTS = {
    "observed": "accuracy after right minus after wrong own traces, as they came",
    "natural_direct": "natural direct effect (not by naming the answer)",
    "natural_indirect": "natural indirect effect (by naming the answer)",
}


def size(row: Mapping) -> str:
    """A difference of accuracies in percentage points with its interval and n."""
    if row["value"] != row["value"]:
        return "no value"
    ends = f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" if row["low"] == row["low"] else ""
    return f"{100 * row['value']:+.1f} points{ends}, n = {row['n']:.0f}"


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


def student_sentences(moved: pd.DataFrame, follows: pd.DataFrame) -> list[str]:
    """What was found on one student, the notebook's question first.

    Args:
        moved: its rows of ``effects.effects`` on right answers.
        follows: its rows of ``tables.follow_shares`` for one variant; may be empty.
    """
    rows = {row["effect"]: row for row in moved.to_dict("records")}
    verdict = direction(rows["total"])
    said = {
        "more": "The answer depends on the forced trace, and a right one helps",
        "less": "The answer depends on the forced trace, and a right one does harm",
    }.get(verdict, f"Does the answer depend on the forced trace? {verdict}")
    sentences = [f"{said} (total effect of a right trace: {size(rows['total'])})."]
    for name, words in EFFECTS.items():
        sign = {"more": "above zero", "less": "below zero"}
        verdict = direction(rows[name])
        sentences.append(f"{words}: {size(rows[name])}: {sign.get(verdict, verdict)}.")
    return [*sentences, follow_sentence(follows)] if len(follows) else sentences


def follow_sentence(part: pd.DataFrame) -> str:
    """What the answers of one student follow: trace or context more often only where their intervals do not overlap."""
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
