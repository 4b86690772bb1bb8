"""Sentences about interventions: numbers from the tables, and no claim that an interval does not carry."""

import numpy as np
import pandas as pd
import pytest

from tracekd.analysis import forced_words as words


def row(value, low, high, n=20, outcome="answer_correct", **more):
    return {"value": value, "low": low, "high": high, "n": n, "outcome": outcome, **more}


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (row(0.2, 0.1, 0.3), "more"),
        (row(-0.2, -0.3, -0.1), "less"),
        (row(0.1, 0.0, 0.3), "inconclusive"),
        # The bootstrap alone shows a sign; the t interval over three seeds does not.
        (row(-0.07, -0.14, -0.02, t_low=-0.17, t_high=0.02), "inconclusive"),
        (row(-0.07, -0.14, -0.02, t_low=-0.12, t_high=-0.01), "less"),
        (row(1.0, np.nan, np.nan, n=1), "not tested"),
        (row(1.0, 0.9, 1.1, n=19), "not tested"),
        (row(np.nan, np.nan, np.nan, n=0), "not tested"),
    ],
)
def test_no_sign_is_claimed_that_an_interval_does_not_show(made, verdict):
    assert words.direction(made).partition(":")[0] == verdict


def shares(trace, context, n=24):
    made = {"trace": trace, "context": context, "neither": 1 - trace - context, "prefers_trace": 0.5}
    return pd.DataFrame(
        {"follows": f, "value": v, "low": max(v - 0.1, 0), "high": min(v + 0.1, 1), "n": n} for f, v in made.items()
    )


@pytest.mark.parametrize(
    ("part", "verdict"),
    [
        (shares(0.9, 0.1), "more often the trace"),
        (shares(0.1, 0.8), "more often the context"),
        (shares(0.5, 0.4), "inconclusive"),
        (shares(0.9, 0.1, n=19), "not tested"),
    ],
)
def test_what_answers_follow(part, verdict):
    said = words.follow_sentence(part)
    assert verdict in said and f"n = {part.n[0]} problems" in said and f"{100 * part.value[0]:.1f}%" in said


@pytest.mark.parametrize(
    ("total", "verdict"),
    [(row(0.2, 0.1, 0.3), "helps"), (row(-0.2, -0.3, -0.1), "harm"), (row(0, -0.1, 0.1), "inconclusive")],
)
def test_the_question_is_answered_by_the_total_effect(total, verdict):
    others = [row(np.nan, np.nan, np.nan, n=0), row(-0.125, -0.2, -0.05), row(0.1, -0.1, 0.3)]
    moved = pd.DataFrame(
        one | {"effect": name} for one, name in zip([total, *others], ["total", *words.EFFECTS], strict=True)
    )
    first, *rest, last = words.student_sentences(moved, shares(0.9, 0.1))
    assert verdict in first
    assert "no value: not tested" in rest[0]
    assert "-12.5 points [-20.0, -5.0], n = 20: below zero" in rest[1]
    assert "+10.0 points [-10.0, 30.0], n = 20: inconclusive" in rest[2]
    assert last == words.follow_sentence(shares(0.9, 0.1))
    assert len(words.student_sentences(moved, shares(0.9, 0.1)[:0])) == 4
