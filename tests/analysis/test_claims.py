"""Claims on the replication: decisions by the stated rules, what is not tested, splits, sizes, and the ledger."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_verdicts import frame, rng

from tracekd.analysis import claims

RAISE = "Correct traces do not raise accuracy, compared with no traces"
LOWER = "Incorrect traces do not lower accuracy, compared with correct ones"
AFTER = "Answers are as often right after wrong traces as after right ones"


def ends(low: float, high: float) -> dict:
    return {"low90": low, "high90": high}


ASKED = claims.load()


def judged(verdicts, repeats=50, asked_by="paper") -> pd.DataFrame:
    return claims.tested(verdicts, rng(), repeats, ASKED[ASKED.asked_by == asked_by])


# 90% intervals by hand, margin 0.05.
@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        ("not lower", -0.045, -0.035, claims.SUPPORTED),  # lower, by less than what counts
        ("not lower", -0.075, -0.005, claims.INCONCLUSIVE),  # the same difference, measured worse
        ("not lower", -0.18, -0.08, claims.NOT_SUPPORTED),
        ("not higher", 0.06, 0.20, claims.NOT_SUPPORTED),
        ("no difference", -0.04, 0.04, claims.SUPPORTED),
        ("no difference", -0.30, -0.06, claims.NOT_SUPPORTED),
        ("no difference", 0.03, 0.06, claims.INCONCLUSIVE),
        ("higher", 0.06, 0.2, claims.SUPPORTED),
        ("higher", 0.01, 0.2, claims.INCONCLUSIVE),  # higher, but perhaps not by what counts
        ("higher", -0.09, 0.04, claims.NOT_SUPPORTED),
        ("lower", -0.3, -0.06, claims.SUPPORTED),
    ],
)
def test_decisions_follow_the_stated_rules(rule, low, high, verdict):
    assert claims.decide(rule, ends(low, high), 0.05) == verdict
    # A second interval that gives another verdict makes it inconclusive; one that agrees changes nothing.
    assert claims.decide(rule, ends(low, high) | {"t_low90": -1, "t_high90": 1}, 0.05) == claims.INCONCLUSIVE
    assert claims.decide(rule, ends(low, high) | {"t_low90": low, "t_high90": high}, 0.05) == verdict


@given(st.floats(-1, 1), st.floats(0.001, 0.5), st.floats(0.01, 0.99))
def test_mirrored_and_narrower_intervals_decide_consistently(value, half, share):
    here, there = ends(value - half, value + half), ends(-value - half, -value + half)
    narrow = ends(value - share * half, value + share * half)
    for rule, mirrored in (("not lower", "not higher"), ("higher", "lower"), ("no difference", "no difference")):
        before = claims.decide(rule, here, 0.05)
        assert before == claims.decide(mirrored, there, 0.05)
        assert before in (claims.decide(rule, narrow, 0.05), claims.INCONCLUSIVE)
    for one, other in (("higher", "not higher"), ("lower", "not lower")):
        verdicts = {claims.decide(one, here, 0.05), claims.decide(other, here, 0.05)}
        assert verdicts in ({claims.SUPPORTED, claims.NOT_SUPPORTED}, {claims.INCONCLUSIVE})


def test_what_was_not_run_says_so_and_one_seed_too():
    # Two seeds, no difference in any of 120 problems. Bonett and Price: -+ 1.645 sqrt(2 / 122^2) = 0.019, within 0.05.
    whole = frame({"vanilla": [1, 0] * 60, "correct": [1, 0] * 60}, seeds=(1, 2))
    row = judged(whole, 200).set_index(["claim", "dataset"]).loc[RAISE, "babi"]
    assert (row.estimate, row.n, row.seeds, row.verdict, row.reason) == (0, 120, 2, claims.SUPPORTED, "")
    assert row.high90 == pytest.approx(1.645 * 2**0.5 / 122, abs=1e-4)
    found = judged(whole[whole.seed == 1], 200).set_index(["claim", "dataset"])
    assert len(found) == 5 * 3 + 6  # five claims on three sets, six on CoTempQA
    assert tuple(found.loc[(RAISE, "babi"), ["verdict", "reason"]]) == (claims.NOT_TESTED, "one seed")
    for key in ((RAISE, "marco"), ("Swapped R1 traces destroy accuracy, compared with no traces", "cotempqa")):
        assert tuple(found.loc[key, ["verdict", "reason", "n"]]) == (claims.NOT_TESTED, claims.NOT_RUN, 0)


def test_students_are_compared_with_those_trained_on_as_many_problems():
    """At 1,000 the pair differs by half, at 256 not at all; taken together it would be a quarter."""
    much = frame({"vanilla": [1, 0] * 20, "correct": [1, 1] * 20, "prompted": [0, 0] * 20})
    little = frame({"vanilla": [1, 0] * 20, "correct": [1, 0] * 20}, size=256, seeds=(1, 2))
    whole = judged(pd.concat([little, much]), 200)
    found = whole[(whole.claim == RAISE) & (whole.dataset == "babi")]
    assert found[["training_problems", "estimate", "seeds"]].to_numpy().tolist() == [[1000, 0.5, 1], [256, 0.0, 2]]
    # The overview has the largest size that was tested: one seed is none.
    assert claims.overview(whole).loc[RAISE, "babi"].startswith("+0.0 [")


def test_claims_on_incorrect_traces_are_split_by_what_a_wrong_trace_reveals():
    """Where the wrong facts reveal nothing incorrect loses all, where they exclude it loses none; together a half."""
    ours = frame({"correct": [1] * 40, "incorrect": [1] * 20 + [0] * 20}, seeds=(1, 2))
    assert set(judged(ours.assign(drawn_reveals="")).reveals) == {"all"}
    flag = np.where(ours.id.str[1:].astype(int) < 20, "excludes", "none")
    found = judged(ours.assign(drawn_reveals=flag)).query("dataset == 'babi'")
    rows = found[(found["first"] == "incorrect") & (found.second == "correct")].set_index("reveals")
    assert rows.estimate.to_dict() == {"all": -0.5, "excludes": 0.0, "none": -1.0}
    assert rows.n.to_dict() == {"all": 40, "excludes": 20, "none": 20}
    # No wrong traces in these claims; and what was not trained has one row.
    assert set(found.reveals[(found["first"] == "correct") | (found.verdict == claims.NOT_RUN)]) == {"all"}


def test_our_questions_are_tested_on_what_the_profiles_record():
    """Natural wrong traces lose a quarter against correct ones of the same problems, and nothing against default ones.

    ``grid`` and ``grid-natural`` have other training problems, so that only the conditions of one are compared.
    """
    quarter = [1] * 30 + [0] * 10
    grid = frame({"correct": [0] * 40, "incorrect": quarter, "incorrect_uniform": quarter}, seeds=(1,))
    natural = {"natural": quarter, "natural_correct": [1] * 40, "natural_incorrect": quarter}
    ours = pd.concat([grid, frame(natural, seeds=(1, 2), size=700)])
    found = judged(ours, 500, "us").query("dataset == 'babi'").set_index(["first", "second"])
    lower, same = found.loc[("natural", "natural_correct")], found.loc[("natural", "natural_incorrect")]
    assert (lower.estimate, lower.seeds, lower.training_problems) == (-0.25, 2, 700)
    assert (lower.verdict, same.estimate, same.reason) == (claims.NOT_SUPPORTED, 0, "")
    assert found.loc[("incorrect_uniform", "incorrect")].reason == "one seed"
    assert found.loc[("foreign", "correct")].reason == claims.NOT_RUN


def test_claims_are_tested_on_answerable_questions():
    """A student that always declines ties right traces to right answers on unanswerable questions, and on no other."""
    right = [0] * 20 + [1] * 20
    always = frame({"correct": right, "vanilla": [0] * 40}, {"correct": right}, dataset="marco")
    always["answerable"] = always.answer_correct.groupby(always.id).transform("sum") == 0
    row = judged(always).query("dataset == 'marco'").set_index("claim")
    assert (row.loc[AFTER].n, row.loc[AFTER].verdict, row.loc[RAISE].estimate) == (20, claims.NOT_TESTED, 0)
    # Of all questions, the same outputs would have shown a perfect tie.
    assert claims.tie(always, "correct", rng(), 50)["value"] == 1


def test_the_overview_has_each_claims_verdict_by_set():
    row = claims.overview(judged(frame({"vanilla": [1, 0] * 20, "correct": [1, 0] * 20}))).loc[RAISE]
    assert row.babi.startswith("+0.0 [") and row.babi.endswith("n = 40: not tested (one seed)")
    assert row.marco == "not tested (conditions not trained)"
