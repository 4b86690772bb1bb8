"""Tables of the replication: estimates by hand on invented verdicts."""

import numpy as np
import pandas as pd
import pytest
from invented_verdicts import frame, rng

from tracekd.analysis import recorded
from tracekd.analysis import replication_tables as rtab
from tracekd.traces import freeform


def test_difference_is_paired_by_problem_and_averaged_over_seeds():
    table = pd.concat([
        frame({"correct": [1, 1, 1, 0], "vanilla": [1, 0, 0, 0]}, seeds=(1,)),  # 3/4 - 1/4
        frame({"correct": [1, 0, 0, 0], "vanilla": [1, 0, 0, 0]}, seeds=(2,)),  # none
        frame({"correct": [1, 1, 1, 1]}, seeds=(3,)),  # no partner: left out
    ])  # fmt: skip
    found = rtab.difference(table, "correct", "vanilla", rng(), 200)
    assert found["value"] == pytest.approx(0.25) and (found["n"], found["seeds"]) == (4, 2)
    assert found["by_seed"] == pytest.approx([0.5, 0.0])
    assert rtab.difference(table, "correct", "r1", rng(), 200) == {}


def test_tie_is_the_gap_between_answers_after_right_and_wrong_traces():
    # After right traces 2 of 3 answers are right, after wrong ones 1 of 4: 2/3 - 1/4.
    table = frame({"correct": [1, 1, 0, 1, 0, 0, 0]}, {"correct": [1, 1, 1, 0, 0, 0, 0]})
    found = rtab.tie(table, "correct", rng(), 200)
    assert found["value"] == pytest.approx(2 / 3 - 1 / 4)
    assert found["fewest"] == 3 and found["right_traces"] == pytest.approx(3 / 7)
    none = rtab.tie(frame({"correct": [1, 0]}), "correct", rng(), 10)  # no right trace: no gap
    assert none == {"n": 2, "seeds": 1, "fewest": 0, "right_traces": 0.0}
    assert rtab.tie(frame({"vanilla": [1, 0]}), "correct", rng(), 10) == {}


def test_shares_by_trace_pool_the_seeds_and_leave_out_what_a_few_problems_say():
    # 24 right traces, 16 with right answers; 19 wrong ones, too few to show.
    answers, traces = [1] * 16 + [0] * 8 + [1] * 6 + [0] * 13, [1] * 24 + [0] * 19
    table = frame({"correct": answers}, {"correct": traces})
    shares = rtab.shares_by_trace(pd.concat([table, table.assign(seed=2)]), rng(), 200).iloc[0]
    assert (shares.n, shares.seeds, shares.joint) == (43, 2, pytest.approx(16 / 43))
    assert shares.p_answer_given_trace == pytest.approx(2 / 3)
    assert shares.p_answer_given_trace_low < 2 / 3 < shares.p_answer_given_trace_high
    assert np.isnan(shares.p_answer_given_not_trace) and np.isnan(shares.p_answer_given_not_trace_low)
    # All 24 right: a resample of them is too, so Wilson's interval stands, 24 / (24 + 1.96^2) to 1.
    row = rtab.shares_by_trace(frame({"correct": [1] * 24 + [0] * 19}, {"correct": traces}), rng(), 200).iloc[0]
    assert row.p_answer_given_trace_low == pytest.approx(24 / (24 + 1.959964**2)) and row.p_answer_given_trace_high == 1
    more = frame({"correct": [*answers, 1]}, {"correct": [*traces, 0]})
    assert rtab.shares_by_trace(more, rng(), 20).p_answer_given_not_trace[0] == pytest.approx(7 / 20)


def test_problems_by_number_of_gold_facts():
    # One fact: 12 right traces, all answers right; 10 wrong ones, 5 answers right: 17 of 22, tie 1 - 1/2. Three facts:
    # 2 problems, too few for a tie. None: left out.
    answers, traces = [1] * 12 + [1, 0] * 5 + [1, 0, 1], [1] * 12 + [0] * 12 + [0]
    ours = frame({"correct": answers}, {"correct": traces}, seeds=(1, 2))
    assert rtab.by_kind(ours, ours, rng(), rng(), 50).empty  # records of the first edition, answerable questions alone
    facts = {f"p{i}": 1 if i < 22 else 3 if i < 24 else 0 for i in range(25)}
    with_facts = ours.assign(n_facts=ours.id.map(facts))
    found = rtab.by_kind(with_facts, with_facts, rng(), rng(), 50).set_index(["kind", "measure"])
    assert set(found.index) == {("one fact", "exact"), ("one fact", "tie"), ("more facts", "exact")}
    exact, tied = found.loc[("one fact", "exact")], found.loc[("one fact", "tie")]
    assert (exact.problems, exact.value, tied.value) == (22, pytest.approx(17 / 22), pytest.approx(0.5))
    assert tied.low < 0.5 < tied.high and exact.t_low < exact.value < exact.t_high
    assert found.loc[("more facts", "exact")].value == 0.5


def test_free_text_is_measured_three_ways_where_questions_are_unanswerable():
    ours = frame({"correct": [1, 0, 1, 0]}, dataset="marco").assign(answerable=[True, True, False, False])
    ours = ours.assign(answer_f1=[1.0, 0.5, 1.0, 0.0], answer_rouge_l=0.25, declined=[True, False, False, False])
    value = rtab.by_kind(ours, ours, rng(), rng(), 50).set_index(["kind", "measure"]).value
    assert value["answerable"].to_dict() == {"exact": 0.5, "F1": 0.75, "ROUGE-L": 0.25, "declines": 0.5}
    assert value["unanswerable"]["F1"] == 0.5 and value["unanswerable"]["declines"] == 0


def test_accuracies_have_their_seeds_and_what_was_cut():
    ours = pd.concat([frame({"r1": [1, 0, 0, 0]}, seeds=(1,)), frame({"r1": [1, 1, 0, 0]}, seeds=(2,))])
    both = pd.concat([frame({"vanilla": [1, 0, 0, 0]}, size=256), ours, frame({"prompted": [0] * 4})])
    found = rtab.accuracies(both, rng(), 100)
    assert found.condition.tolist() == ["r1 (templated)", "vanilla", "prompted"]  # largest training first
    row = found.iloc[0]
    assert (row.value, row.lowest, row.highest, row.cut, row.contains_value) == (0.375, 0.25, 0.5, 0.25, 0.375)


def test_the_figures_groups_are_the_sizes_that_can_be_compared():
    """R1's students at another size than the main grid's stand beside the baselines of their own size."""
    right = [1, 0] * 10
    shares = rtab.accuracies(
        pd.concat([
            frame({"prompted": right, "vanilla": right, "correct": right, "natural": right}, dataset="cotempqa"),
            frame({"vanilla": right, "correct": right, "r1": right}, size=183, dataset="cotempqa"),
            frame({"incorrect": right}, size=64, dataset="cotempqa"),  # no baseline
            frame({"vanilla": [1] * 19, "correct": [1] * 19}, dataset="marco"),  # too few problems
        ]), rng(), 20,
    )  # fmt: skip
    found = rtab.by_condition(shares, {"cotempqa": 1000, "marco": 1000})
    assert found[["group", "condition"]].to_numpy().tolist() == [
        ["cotempqa 1,000", "prompted"], ["cotempqa 1,000", "vanilla"], ["cotempqa 1,000", "correct"],
        ["cotempqa 183", "vanilla"], ["cotempqa 183", "correct"], ["cotempqa 183", "r1 (templated)"],
    ]  # fmt: skip


@pytest.fixture(scope="module")
def replicated():
    return recorded.load()


def test_forced_traces_of_the_recording(replicated):
    """Counted by hand on the rows: accuracy is a mean, the total effect that of gold minus both wrong."""
    main = recorded.of_sizes(replicated.verdicts, recorded.main_sizes(replicated.verdicts))
    asked = freeform.spelled(replicated.interventions, recorded.teachers(main))
    asked = asked[(asked.dataset == "babi") & asked.condition.isin(["correct", "incorrect"])]
    found = rtab.forced(asked, rng(), 50)
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
    assert "correct minus incorrect" in set(found.condition[found.quantity == "training"])
    few = rtab.forced(asked, rng(), 20, few=10**6)
    assert "observed" in set(found.effect) and "observed" not in set(few.effect)
    panels = rtab.forced_panels(asked, replicated.verdicts, {"babi": size}, rng(), 50)
    assert set(panels.variant) == {"own", "gold", "both_wrong", "empty"} and (panels.n >= 20).all()
    assert rtab.forced_panels(asked, replicated.verdicts, {"babi": 7}, rng(), 50).empty
