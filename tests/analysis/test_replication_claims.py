"""Claims on the replication: decisions by the stated rules, what is not tested, splits and sizes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_verdicts import frame, rng

from tracekd.analysis import replication_claims as rc
from tracekd.analysis import replication_tables as rtab

RAISE = "Correct traces do not raise accuracy, compared with no traces"


def ends(low: float, high: float) -> dict:
    return {"low90": low, "high90": high}


# 90% intervals by hand, margin 0.05.
@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        ("not lower", -0.03, 0.03, rc.SUPPORTED),
        ("not lower", -0.045, -0.035, rc.SUPPORTED),  # lower, by less than what counts
        ("not lower", -0.075, -0.005, rc.INCONCLUSIVE),  # the same difference, measured worse
        ("not lower", -0.18, -0.08, rc.NOT_SUPPORTED),
        ("not higher", 0.06, 0.20, rc.NOT_SUPPORTED),
        ("no difference", -0.04, 0.04, rc.SUPPORTED),
        ("no difference", -0.30, -0.06, rc.NOT_SUPPORTED),
        ("no difference", 0.03, 0.06, rc.INCONCLUSIVE),
        ("higher", 0.06, 0.2, rc.SUPPORTED),
        ("higher", 0.01, 0.2, rc.INCONCLUSIVE),  # higher, but perhaps not by what counts
        ("higher", -0.09, 0.04, rc.NOT_SUPPORTED),
        ("lower", -0.3, -0.06, rc.SUPPORTED),
    ],
)
def test_decisions_follow_the_stated_rules(rule, low, high, verdict):
    assert rc.decide(rule, ends(low, high), 0.05) == verdict
    # A second interval that gives another verdict makes it inconclusive; one that agrees changes nothing.
    assert rc.decide(rule, ends(low, high) | {"t_low90": -1, "t_high90": 1}, 0.05) == rc.INCONCLUSIVE
    assert rc.decide(rule, ends(low, high) | {"t_low90": low, "t_high90": high}, 0.05) == verdict


@given(st.floats(-1, 1), st.floats(0.001, 0.5), st.floats(0.01, 0.99))
def test_mirrored_and_narrower_intervals_decide_consistently(value, half, share):
    here, there = ends(value - half, value + half), ends(-value - half, -value + half)
    narrow = ends(value - share * half, value + share * half)
    for rule, mirrored in (("not lower", "not higher"), ("higher", "lower"), ("no difference", "no difference")):
        before = rc.decide(rule, here, 0.05)
        assert before == rc.decide(mirrored, there, 0.05)
        assert before in (rc.decide(rule, narrow, 0.05), rc.INCONCLUSIVE)
    for one, other in (("higher", "not higher"), ("lower", "not lower")):
        verdicts = {rc.decide(one, here, 0.05), rc.decide(other, here, 0.05)}
        assert verdicts in ({rc.SUPPORTED, rc.NOT_SUPPORTED}, {rc.INCONCLUSIVE})


def test_where_nobody_answers_right_there_is_nothing_to_test():
    found = rc.tested(frame({"vanilla": [0] * 60, "correct": [0] * 60, "incorrect": [1] * 9 + [0] * 51}), rng(), 50)
    found = found[found.dataset == "babi"]
    assert set(found.verdict) == {rc.NOT_TESTED} and set(found.fewest) <= {0, 9}
    assert set(found.reason) == {"one seed; fewer than 10 problems of a kind"}


def test_what_was_not_run_says_so_and_one_seed_too():
    # Two seeds, no difference in any of 120 problems. Bonett and Price: -+ 1.645 sqrt(2 / 122^2) = 0.019, within 0.05.
    whole = frame({"vanilla": [1, 0] * 60, "correct": [1, 0] * 60}, seeds=(1, 2))
    row = rc.tested(whole, rng(), 200).set_index(["claim", "dataset"]).loc[RAISE, "babi"]
    assert (row.estimate, row.n, row.seeds, row.verdict, row.reason) == (0, 120, 2, rc.SUPPORTED, "")
    assert row.high90 == pytest.approx(1.645 * 2**0.5 / 122, abs=1e-4)
    found = rc.tested(whole[whole.seed == 1], rng(), 200).set_index(["claim", "dataset"])
    assert len(found) == sum(len(claim.datasets) for claim in rc.CLAIMS)
    assert (found.loc[RAISE, "babi"].verdict, found.loc[RAISE, "babi"].reason) == (rc.NOT_TESTED, "one seed")
    for key in ((RAISE, "marco"), ("Swapped R1 traces destroy accuracy, compared with no traces", "cotempqa")):
        assert tuple(found.loc[key, ["verdict", "reason", "n"]]) == (rc.NOT_TESTED, rc.NOT_RUN, 0)


def test_students_are_compared_with_those_trained_on_as_many_problems():
    """At 1,000 the pair differs by half, at 256 not at all; taken together it would be a quarter."""
    much = frame({"vanilla": [1, 0] * 20, "correct": [1, 1] * 20, "prompted": [0, 0] * 20})
    little = frame({"vanilla": [1, 0] * 20, "correct": [1, 0] * 20}, size=256, seeds=(1, 2))
    found = rc.tested(pd.concat([little, much]), rng(), 200)
    found = found[(found.claim == RAISE) & (found.dataset == "babi")]
    assert found[["training_problems", "estimate", "seeds"]].to_numpy().tolist() == [[1000, 0.5, 1], [256, 0.0, 2]]


def test_claims_on_incorrect_traces_are_split_by_what_a_wrong_trace_reveals():
    """Where the wrong facts reveal nothing incorrect loses all, where they exclude it loses none; together a half."""
    ours = frame({"correct": [1] * 40, "incorrect": [1] * 20 + [0] * 20}, seeds=(1, 2))
    assert set(rc.tested(ours.assign(drawn_reveals=""), rng(), 50).reveals) == {"all"}
    flag = np.where(ours.id.str[1:].astype(int) < 20, "excludes", "none")
    found = rc.tested(ours.assign(drawn_reveals=flag), rng(), 50).query("dataset == 'babi'")
    rows = found[(found["first"] == "incorrect") & (found.second == "correct")].set_index("reveals")
    assert rows.estimate.to_dict() == {"all": -0.5, "excludes": 0.0, "none": -1.0}
    assert rows.n.to_dict() == {"all": 40, "excludes": 20, "none": 20}
    # No wrong traces in these claims; and what was not trained has one row.
    assert set(found.reveals[(found["first"] == "correct") | (found.verdict == rc.NOT_RUN)]) == {"all"}


def test_our_questions_are_tested_on_what_the_profiles_record():
    """Natural wrong traces lose a quarter against correct ones of the same problems, and nothing against default ones.

    ``run_grid`` and ``grid-natural`` have other training problems, so that only the conditions of one are compared.
    """
    quarter = [1] * 30 + [0] * 10
    grid = frame({"correct": [0] * 40, "incorrect": quarter, "incorrect_uniform": quarter}, seeds=(1,))
    natural = {"natural": quarter, "natural_correct": [1] * 40, "natural_incorrect": quarter}
    ours = pd.concat([grid, frame(natural, seeds=(1, 2), size=700)])
    found = rc.tested(ours, rng(), 500, rc.QUESTIONS).query("dataset == 'babi'").set_index(["first", "second"])
    lower, same = found.loc[("natural", "natural_correct")], found.loc[("natural", "natural_incorrect")]
    assert (lower.estimate, lower.seeds, lower.training_problems, lower.verdict) == (-0.25, 2, 700, rc.NOT_SUPPORTED)
    assert (same.estimate, same.reason) == (0, "") and same.low90 < 0 < same.high90
    assert found.loc[("incorrect_uniform", "incorrect")].reason == "one seed"
    assert found.loc[("foreign", "correct")].reason == rc.NOT_RUN


def test_claims_are_tested_on_answerable_questions():
    """A student that always declines ties right traces to right answers on unanswerable questions, and on no other."""
    right = [0] * 20 + [1] * 20
    always = frame({"correct": right, "vanilla": [0] * 40}, {"correct": right}, dataset="marco")
    always["answerable"] = always.answer_correct.groupby(always.id).transform("sum") == 0
    row = rc.tested(always, rng(), 50).query("dataset == 'marco'").set_index("claim")
    tied = row.loc["Answers are as often right after wrong traces as after right ones"]
    assert (tied.n, tied.verdict, tied.categories) == (20, rc.NOT_TESTED, "all of them, answerable questions alone")
    assert row.loc[RAISE].estimate == 0
    # Of all questions, the same outputs would have shown a perfect tie.
    assert rtab.tie(always, "correct", rng(), 50)["value"] == 1


def test_outputs_cut_at_the_limit_are_named_on_the_compared_seeds():
    ours = frame({"correct": [1] * 50, "r1": [1] * 50}, dataset="cotempqa")
    other = frame({"correct": [1] * 50}, dataset="cotempqa", seeds=(2,)).assign(status="truncated")
    row = rc.tested(pd.concat([ours, other]), rng(), 50).query("first == 'r1' and second == 'correct'").iloc[0]
    assert row.contrast == "accuracy: r1 (templated) minus correct" and row.reason.endswith("traces written by rules")
    assert row.cut == "r1 (templated) 2.0%"  # one of fifty; `correct` has none on the common seed


def test_a_difference_that_is_shown_but_not_beyond_the_margin_is_noted():
    """Eight of a hundred lost, none won: 8 points, 90% interval 3.5 to 12.5, so less, but by five points or not?"""
    ours = frame({"correct": [1] * 100, "incorrect": [0] * 8 + [1] * 92}, seeds=(1, 2, 3))
    row = rc.tested(ours, rng(), 2000).query("dataset == 'babi'").set_index("claim")
    row = row.loc["Incorrect traces do not lower accuracy, compared with correct ones"]
    assert (row.verdict, row.note) == (rc.INCONCLUSIVE, "both 95% intervals below 0")
    # Seeds that lose 0, 8 and 16: the bootstrap is below 0, the t interval with its two degrees of freedom is not.
    lost = [frame({"correct": [1] * 100, "incorrect": [0] * k + [1] * (100 - k)}, seeds=(k,)) for k in (0, 8, 16)]
    row = rc.tested(pd.concat(lost), rng(), 2000).query("dataset == 'babi' and first == 'incorrect'").iloc[0]
    assert row.t_low < row.low < 0 < row.t_high and row.note == ""
