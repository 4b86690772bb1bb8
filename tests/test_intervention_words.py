"""Sentences about interventions: numbers from the tables, and no claim that an interval does not carry."""

import numpy as np
import pandas as pd
import pytest

from tracekd import intervention_words as words
from tracekd.effects import CONTRASTS
from tracekd.variants import VARIANTS


def row(value, low, high, n=20, outcome="answer_correct", **more):
    return {"value": value, "low": low, "high": high, "n": n, "outcome": outcome, **more}


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (row(0.2, 0.1, 0.3), "more"),
        (row(-0.2, -0.3, -0.1), "less"),
        (row(0.1, -0.1, 0.3), "inconclusive: the interval covers zero"),
        (row(0.1, 0.0, 0.3), "inconclusive: the interval covers zero"),
        # The bootstrap alone shows a sign; the t interval over three seeds does not.
        (row(-0.07, -0.14, -0.02, t_low=-0.17, t_high=0.02), "inconclusive: an interval covers zero"),
        (row(-0.07, -0.14, -0.02, t_low=-0.12, t_high=-0.01), "less"),
        (row(1.0, np.nan, np.nan, n=1), "not tested: 1 problem"),
        (row(1.0, 0.9, 1.1, n=9), "not tested: 9 problems"),
        (row(np.nan, np.nan, np.nan, n=0), "not tested: 0 problems"),
    ],
)
def test_no_sign_is_claimed_that_an_interval_does_not_show(made, verdict):
    assert words.direction(made) == verdict


def test_sentences_carry_size_interval_n_and_verdict():
    change = row(0.125, 0.05, 0.2, variant="gold", against="own")
    assert words.change_sentence(change) == (
        "accuracy after the gold trace minus after the own trace: +12.5 points [5.0, 20.0], n = 20: higher."
    )
    change |= {"outcome": "logp_gold", "value": -1.25, "low": -2.0, "high": 1.0, "variant": "masked"}
    assert "-1.25 nats [-2, 1], n = 20: inconclusive" in words.change_sentence(change)
    effect = row(-0.5, -0.6, -0.4, effect="total", contrast="gold - both_wrong")
    assert words.effect_sentence(effect).endswith(
        "(gold - both_wrong): -50.0 points [-60.0, -40.0], n = 20: below zero."
    )
    assert words.effect_sentence(row(np.nan, np.nan, np.nan, 0, effect="x", contrast="c")).startswith("x (c): no value")


@pytest.mark.parametrize(
    ("trace", "context", "verdict"),
    [(0.9, 0.1, "more often the trace"), (0.1, 0.8, "more often the context"), (0.5, 0.4, "inconclusive")],
)
def test_whom_answers_follow(trace, context, verdict):
    shares = {"trace": trace, "context": context, "neither": 1 - trace - context, "prefers_trace": 0.5}
    part = pd.DataFrame(
        {"follows": f, "value": v, "low": max(v - 0.1, 0), "high": min(v + 0.1, 1), "n": 24} for f, v in shares.items()
    )
    said = words.follow_sentence(part)
    assert "not tested" in words.follow_sentence(part.assign(n=19))
    assert verdict in said and "n = 24 problems" in said and f"{100 * trace:.1f}%" in said


def test_the_question_is_answered_by_the_interval():
    assert "helps" in words.uses_trace(row(0.2, 0.1, 0.3)) and "harm" in words.uses_trace(row(-0.2, -0.3, -0.1))
    assert "inconclusive" in words.uses_trace(row(0, -0.1, 0.1))


def test_every_variant_and_headline_effect_has_words():
    assert set(words.WORDS) == set(VARIANTS)
    assert set(words.EFFECTS) <= {*CONTRASTS, "observed"}
