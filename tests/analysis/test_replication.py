"""The replication on invented verdicts: estimates by hand, claims by the stated rules, and what is not tested."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented_verdicts import frame, rng

from tracekd.analysis import recorded, replication, tables
from tracekd.traces import freeform

RAISE = "Correct traces do not raise accuracy, compared with no traces"
AFTER = "Answers are as often right after wrong traces as after right ones"


def test_difference_is_paired_by_problem_and_averaged_over_seeds():
    table = pd.concat([
        frame({"correct": [1, 1, 1, 0], "vanilla": [1, 0, 0, 0]}, seeds=(1,)),  # 3/4 - 1/4
        frame({"correct": [1, 0, 0, 0], "vanilla": [1, 0, 0, 0]}, seeds=(2,)),  # none
        frame({"correct": [1, 1, 1, 1]}, seeds=(3,)),  # no partner: left out
    ])  # fmt: skip
    found = replication.difference(table, "correct", "vanilla", rng(), 200)
    assert found["value"] == pytest.approx(0.25) and (found["n"], found["seeds"]) == (4, 2)
    assert found["by_seed"] == pytest.approx([0.5, 0.0])
    assert replication.difference(table, "correct", "r1", rng(), 200) == {}


def test_tie_is_the_gap_between_answers_after_right_and_wrong_traces():
    # After right traces 2 of 3 answers are right, after wrong ones 1 of 4: 2/3 - 1/4.
    table = frame({"correct": [1, 1, 0, 1, 0, 0, 0]}, {"correct": [1, 1, 1, 0, 0, 0, 0]})
    found = replication.tie(table, "correct", rng(), 200)
    assert (found["value"], found["fewest"]) == (pytest.approx(2 / 3 - 1 / 4), 3)
    none = replication.tie(frame({"correct": [1, 0]}), "correct", rng(), 10)  # no right trace: no gap
    assert none == {"n": 2, "seeds": 1, "fewest": 0}
    assert replication.tie(frame({"vanilla": [1, 0]}), "correct", rng(), 10) == {}


def test_answers_by_trace_and_facts_pool_the_seeds_and_leave_out_what_a_few_problems_say():
    # 24 right traces, 16 with right answers; 19 wrong ones, too few to show; a question without an answer counts not.
    answers, traces = [1] * 16 + [0] * 8 + [1] * 6 + [0] * 13, [1] * 24 + [0] * 19
    table = frame({"correct": answers, "vanilla": answers}, {"correct": traces}, seeds=(1, 2)).assign(n_facts=1)
    table.loc[table.id.isin(["p41", "p42"]), "n_facts"] = 2
    table = pd.concat([table, table[:1].assign(id="none", answerable=False, trace_correct=True)])
    found = replication.by_trace(table, rng(), 200).set_index(["condition", "facts", "trace"])
    assert found.problems.to_dict() == {
        ("correct", "all", "all"): 43, ("correct", "1", "all"): 41, ("correct", "all", "right"): 24,
        ("correct", "1", "right"): 24, ("vanilla", "all", "all"): 43, ("vanilla", "1", "all"): 41,
    }  # fmt: skip
    row = found.loc["correct", "all", "right"]
    assert row.outputs == 48 and row.value == pytest.approx(2 / 3) and row.low < 2 / 3 < row.high
    # All 24 right: a resample of them is too, so Wilson's interval stands, 24 / (24 + 1.96^2) to 1.
    table = frame({"correct": [1] * 24 + [0] * 19}, {"correct": traces}).assign(n_facts=1)
    row = replication.by_trace(table, rng(), 200).query("trace == 'right'").iloc[0]
    assert (row.low, row.high) == (pytest.approx(24 / (24 + 1.959964**2)), 1)


def test_accuracies_are_in_the_figures_order_with_what_was_cut():
    """Untrained students first, then falling sizes, the conditions as they were recorded."""
    right = [1, 0] * 10
    seeds = [frame({"r1": [1, *right[1:]], "vanilla": right}, seeds=(s,), size=183, dataset="cotempqa") for s in (1, 2)]
    seeds[1].loc[0, "answer_correct"] = False
    ours = [*seeds, frame({"correct": right, "prompted": right}, dataset="cotempqa")]
    found = replication.accuracies(pd.concat(ours), rng(), 20)
    row = found[found.condition == "r1 (templated)"].iloc[0]
    assert (row.value, row.cut, row.contains, row.problems, row.seeds) == (0.475, 0.05, 0.5, 20, 2)  # 19 of 40, 1 of 20
    # By the published metric 20 of 20 (Wilson: from 20 / (20 + 1.96^2) on).
    share = found.set_index("condition").loc["correct", [*replication.PUBLISHED]]
    assert share.tolist() == pytest.approx([1, 20 / (20 + 1.959964**2), 1])
    # By category 3 of 3 and 0 of 1: their mean is 0.5, over all problems it is 0.75.
    four = frame({"correct": [1] * 4}).assign(category=list("aaab"), pub_answer_correct=[1, 1, 1, 0])
    row = replication.accuracies(four, rng(), 20).iloc[0]
    assert (row.published, row.by_category) == (0.75, pytest.approx(0.5)) and row.by_category_low < row.by_category_high
    sizes = found[["training_problems", "condition"]].to_numpy().tolist()
    assert sizes == [[0, "prompted"], [1000, "correct"], [183, "r1 (templated)"], [183, "vanilla"]]


def test_forced_traces_of_the_recording():
    """Counted by hand on the rows: accuracy is a mean, the total effect that of gold minus both wrong."""
    replicated = recorded.load()
    asked = freeform.spelled(replicated.interventions, recorded.teachers(replicated.verdicts))
    asked = asked[(asked.dataset == "babi") & asked.condition.isin(["correct", "incorrect"])]
    found = replication.forced(asked, rng(), 50)
    size = found.training_problems.max()
    rows = asked[(asked.training_problems == size) & (asked.condition == "correct")]
    right = rows.groupby("variant").answer_correct.mean()
    one = found[(found.training_problems == size) & (found.condition == "correct") & (found.reveals == "all")]
    by_name = one.set_index(["quantity", "effect"]).value
    assert by_name["accuracy", "masked"] == pytest.approx(right["masked"])
    assert by_name["effect", "total_all"] == pytest.approx(right["gold"] - right["both_wrong"])
    apart = rows[rows.disagrees.eq(True) & (rows.variant != "own")]
    follows = apart.follows.eq("trace").groupby(apart.id).mean().mean()
    assert by_name["follows", "trace"] == pytest.approx(follows)
    panel = replication.forced_panel(asked, rng(), 50)
    assert set(panel.variant) == {"gold", "both_wrong", "empty"} and (panel.n >= 20).all()
    gold = panel[(panel.condition == "correct") & (panel.variant == "gold")].value.iloc[0]
    assert gold == pytest.approx(right["gold"])


def ends(low: float, high: float) -> dict:
    return {"low90": low, "high90": high}


def judged(verdicts, repeats=50) -> pd.DataFrame:
    return replication.tested(verdicts, rng(), repeats)


# 90% intervals by hand, margin 0.05.
@pytest.mark.parametrize(("rule", "low", "high", "verdict"), [
    ("not lower", -0.045, -0.035, tables.SUPPORTED),  # lower, by less than what counts
    ("not lower", -0.075, -0.005, tables.INCONCLUSIVE),  # the same difference, measured worse
    ("not lower", -0.18, -0.08, tables.NOT_SUPPORTED), ("not higher", 0.06, 0.20, tables.NOT_SUPPORTED),
    ("no difference", -0.04, 0.04, tables.SUPPORTED), ("no difference", -0.30, -0.06, tables.NOT_SUPPORTED),
    ("no difference", 0.03, 0.06, tables.INCONCLUSIVE), ("higher", 0.06, 0.2, tables.SUPPORTED),
    ("higher", 0.01, 0.2, tables.INCONCLUSIVE),  # higher, but perhaps not by what counts
    ("higher", -0.09, 0.04, tables.NOT_SUPPORTED), ("lower", -0.3, -0.06, tables.SUPPORTED),
])  # fmt: skip
def test_decisions_follow_the_stated_rules(rule, low, high, verdict):
    assert replication.decide(rule, ends(low, high), 0.05) == verdict
    # A second interval that gives another verdict makes it inconclusive; one that agrees changes nothing.
    assert replication.decide(rule, ends(low, high) | {"t_low90": -1, "t_high90": 1}, 0.05) == tables.INCONCLUSIVE
    assert replication.decide(rule, ends(low, high) | {"t_low90": low, "t_high90": high}, 0.05) == verdict


@given(st.floats(-1, 1), st.floats(0.001, 0.5), st.floats(0.01, 0.99))
def test_mirrored_and_narrower_intervals_decide_consistently(value, half, share):
    here, there = ends(value - half, value + half), ends(-value - half, -value + half)
    narrow = ends(value - share * half, value + share * half)
    for rule, mirrored in (("not lower", "not higher"), ("higher", "lower"), ("no difference", "no difference")):
        before = replication.decide(rule, here, 0.05)
        assert before == replication.decide(mirrored, there, 0.05)
        assert before in (replication.decide(rule, narrow, 0.05), tables.INCONCLUSIVE)
    for one, other in (("higher", "not higher"), ("lower", "not lower")):
        verdicts = {replication.decide(one, here, 0.05), replication.decide(other, here, 0.05)}
        assert verdicts in ({tables.SUPPORTED, tables.NOT_SUPPORTED}, {tables.INCONCLUSIVE})


def test_what_was_not_run_says_so_and_one_seed_too():
    # Two seeds, no difference in any of 120 problems. Bonett and Price: -+ 1.645 sqrt(2 / 122^2) = 0.019, within 0.05.
    whole = frame({"vanilla": [1, 0] * 60, "correct": [1, 0] * 60}, seeds=(1, 2))
    row = judged(whole, 200).set_index(["claim", "dataset"]).loc[RAISE, "babi"]
    assert (row.estimate, row.n, row.seeds, row.verdict, row.reason) == (0, 120, 2, tables.SUPPORTED, "")
    assert row.high90 == pytest.approx(1.645 * 2**0.5 / 122, abs=1e-4)
    found = judged(whole[whole.seed == 1], 200).set_index(["claim", "dataset"])
    assert len(found) == 5 * 3 + 6 + 11  # five claims on three sets, six on CoTempQA; and our eleven questions
    assert tuple(found.loc[(RAISE, "babi"), ["verdict", "reason"]]) == (tables.NOT_TESTED, "one seed")
    for key in ((RAISE, "marco"), ("Swapped R1 traces destroy accuracy, compared with no traces", "cotempqa")):
        assert tuple(found.loc[key, ["verdict", "reason", "n"]]) == (tables.NOT_TESTED, "conditions not trained", 0)


def test_students_are_compared_with_those_trained_on_as_many_problems():
    """At 1,000 the pair differs by half, at 256 not at all; taken together it would be a quarter."""
    much = frame({"vanilla": [1, 0] * 20, "correct": [1, 1] * 20, "prompted": [0, 0] * 20})
    little = frame({"vanilla": [1, 0] * 20, "correct": [1, 0] * 20}, size=256, seeds=(1, 2))
    whole = judged(pd.concat([little, much]), 200)
    found = whole[(whole.claim == RAISE) & (whole.dataset == "babi")]
    assert found[["training_problems", "estimate", "seeds"]].to_numpy().tolist() == [[1000, 0.5, 1], [256, 0.0, 2]]
    # The overview has the largest size that was tested: one seed is none. The published metric takes all as right.
    here, alone = (replication.overview(table).loc[RAISE, "babi"] for table in (whole, judged(much, 200)))
    assert here.startswith("+0.0 [") and "published" not in here and "(one seed); published metric +0.0 [" in alone


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
    assert set(found.reveals[(found["first"] == "correct") | (found.reason == "conditions not trained")]) == {"all"}


def test_claims_are_tested_on_answerable_questions():
    """A student that always declines ties right traces to right answers on unanswerable questions, and on no other."""
    right = [0] * 20 + [1] * 20
    always = frame({"correct": right, "vanilla": [0] * 40}, {"correct": right}, dataset="marco")
    always["answerable"] = always.answer_correct.groupby(always.id).transform("sum") == 0
    row = judged(always).query("dataset == 'marco'").set_index("claim")
    assert (row.loc[AFTER].n, row.loc[AFTER].verdict, row.loc[RAISE].estimate) == (20, tables.NOT_TESTED, 0)
    # Of all questions, the same outputs would have shown a perfect tie.
    assert replication.tie(always, "correct", rng(), 50)["value"] == 1
