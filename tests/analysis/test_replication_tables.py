"""Tables of the replication: estimates by hand on invented verdicts, and forced traces of the recording."""

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
    assert (found["value"], found["fewest"]) == (pytest.approx(2 / 3 - 1 / 4), 3)
    none = rtab.tie(frame({"correct": [1, 0]}), "correct", rng(), 10)  # no right trace: no gap
    assert none == {"n": 2, "seeds": 1, "fewest": 0}
    assert rtab.tie(frame({"vanilla": [1, 0]}), "correct", rng(), 10) == {}


def test_answers_by_trace_pool_the_seeds_and_leave_out_what_a_few_problems_say():
    # 24 right traces, 16 with right answers; 19 wrong ones, too few to show; a question without an answer counts not.
    answers, traces = [1] * 16 + [0] * 8 + [1] * 6 + [0] * 13, [1] * 24 + [0] * 19
    table = frame({"correct": answers, "vanilla": answers}, {"correct": traces}, seeds=(1, 2))
    table = pd.concat([table, table[:1].assign(id="none", answerable=False, trace_correct=True)])
    (row,) = rtab.by_trace(table, rng(), 200).itertuples()
    assert (row.condition, row.trace_correct, row.problems, row.outputs) == ("correct", True, 24, 48)
    assert row.value == pytest.approx(2 / 3) and row.low < 2 / 3 < row.high
    # All 24 right: a resample of them is too, so Wilson's interval stands, 24 / (24 + 1.96^2) to 1.
    row = rtab.by_trace(frame({"correct": [1] * 24 + [0] * 19}, {"correct": traces}), rng(), 200).iloc[0]
    assert (row.low, row.high) == (pytest.approx(24 / (24 + 1.959964**2)), 1)


def test_free_text_is_measured_three_ways_where_questions_are_unanswerable():
    ours = frame({"correct": [1, 0, 1, 0]}, dataset="marco").assign(answerable=[True, True, False, False])
    ours = ours.assign(answer_f1=[1.0, 0.5, 1.0, 0.0], answer_rouge_l=0.25, declined=[True, False, False, False])
    babi = frame({"correct": [1]}).assign(answer_f1=1.0, answer_rouge_l=np.nan)
    value = rtab.by_answerable(pd.concat([ours, babi]), rng(), 50).set_index(["answerable", "measure"]).value
    assert value.xs(True).to_dict() == {"exact": 0.5, "F1": 0.75, "ROUGE-L": 0.25, "declines": 0.5}
    assert value[False, "F1"] == 0.5 and value[False, "declines"] == 0 and len(value) == 8
    assert rtab.by_answerable(babi, rng(), 50).empty


def test_accuracies_are_in_the_figures_order_with_what_was_cut():
    """Untrained first, then each size with the paper's conditions before ours; nothing on 19 problems."""
    right = [1, 0] * 10
    seeds = [frame({"r1": [1, *right[1:]], "vanilla": right}, seeds=(s,), size=183, dataset="cotempqa") for s in (1, 2)]
    seeds[1].loc[0, "answer_correct"] = False
    other = {"natural": right, "correct": right, "vanilla": right, "prompted": right}
    ours = [*seeds, frame(other, dataset="cotempqa"), frame({"vanilla": [1] * 19}, dataset="marco")]
    found = rtab.accuracies(pd.concat(ours), rng(), 20)
    row = found[found.condition == "r1 (templated)"].iloc[0]
    assert (row.value, row.cut, row.contains, row.problems, row.seeds) == (0.475, 0.05, 0.5, 20, 2)  # 19 of 40, 1 of 20
    shown = rtab.by_condition(found)
    assert shown[["training_problems", "condition"]].to_numpy().tolist() == [
        [0, "prompted"], [1000, "vanilla"], [1000, "correct"], [1000, "natural"], [183, "vanilla"],
        [183, "r1 (templated)"],
    ]  # fmt: skip


def test_forced_traces_of_the_recording():
    """Counted by hand on the rows: accuracy is a mean, the total effect that of gold minus both wrong."""
    replicated = recorded.load()
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
    panel = rtab.forced_panel(asked, replicated.verdicts, {"babi": size}, rng(), 50)
    assert set(panel.variant) == {"gold", "both_wrong", "empty"} and (panel.n >= 20).all()
    gold = panel[(panel.condition == "correct") & (panel.variant == "gold")].value.iloc[0]
    assert gold == pytest.approx(right["gold"])
    assert rtab.forced_panel(asked, replicated.verdicts, {"babi": 7}, rng(), 50).empty
