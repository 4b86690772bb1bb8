"""The gold-free check: it looks at context and question alone, and says where it does not apply."""

from dataclasses import replace

import numpy as np
import pandas as pd
from invented_outputs import PROBLEM

from tracekd import schema
from tracekd.analysis import gold_free
from tracekd.data.synthetic.generated import generate
from tracekd.io.records import write_jsonl
from tracekd.scoring import score_runs
from tracekd.scoring.aligned import passes_check, verdict
from tracekd.traces import templates


def test_right_traces_pass_and_wrong_ones_fail_whatever_gold_says():
    for problem in generate("babi", 120, seed=4):
        other = replace(problem, category="unknown", evidence=(), answers=("nothing",))
        for condition, passes in (("correct", True), ("incorrect", False)):
            text = templates.target(problem, templates.build(problem, condition))
            # The same output judged against a problem with another gold: the check does not move.
            assert passes_check(other, verdict(other, text)) is passes, problem.id


def test_a_problem_without_rules_is_not_checked():
    own = replace(PROBLEM, dataset="own", id="own/a/1")
    assert passes_check(own, verdict(own, "<answer>Orion</answer>")) is None
    flags = {"passes_check": pd.array([None], "boolean"), "trace_correct": [False], "answer_correct": [True]}
    frame = pd.DataFrame({"dataset": ["own"], "condition": ["correct"], "id": [own.id], **flags})
    assert gold_free.at_inference(frame, np.random.default_rng(1)).empty


def test_the_table_counts_what_it_leaves_out():
    flags = pd.array([True, True, False, None], "boolean")
    right = {"trace_correct": [True, False, False, True], "answer_correct": [True, True, False, True]}
    frame = pd.DataFrame({"dataset": "d", "condition": "c", "id": list("abcd"), "passes_check": flags, **right})
    found = gold_free.at_inference(frame, np.random.default_rng(1)).set_index("measure")
    # Three are checked: two agree with gold, two pass and are right, one fails and is wrong; the fourth is left out.
    assert found.loc["agrees with gold", ["value", "outputs", "not_checked"]].tolist() == [2 / 3, 3, 1]
    assert found.loc["passes", "value"] == 2 / 3 and found.loc["answer right", "value"] == 2 / 3
    assert found.loc["answer right, trace passes", ["value", "outputs"]].tolist() == [1, 2]
    assert found.loc["answer right, trace fails", ["value", "outputs"]].tolist() == [0, 1]


def test_every_column_of_a_verdict_table_has_a_meaning(tmp_path):
    path = tmp_path / "correct-1.jsonl"
    write_jsonl(path, [{"id": PROBLEM.id, "text": "x", "student": "s", "condition": "correct", "seed": 1}])
    frame, _ = score_runs.verdict_frame([PROBLEM], [path])
    assert {column.removeprefix("pub_") for column in frame} <= set(schema.VERDICT)
