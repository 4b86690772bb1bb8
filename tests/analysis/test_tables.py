"""Tables of the evaluation notebooks on verdict frames written by hand."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from invented_outputs import LISTS, PROBLEM, RIGHT

from tracekd import text
from tracekd.analysis import recorded, tables
from tracekd.data.problem import Problem
from tracekd.data.synthetic.generated import generate
from tracekd.io.records import write_jsonl
from tracekd.scoring import verdict_tables
from tracekd.scoring.aligned import VERDICT, passes_check, verdict
from tracekd.traces import templates


@pytest.fixture
def frame(tmp_path):
    def write(condition, seed, texts):
        path = tmp_path / f"{condition}-{seed}.jsonl"
        about = {"student": "S", "dataset": "cotempqa", "condition": condition, "seed": seed, "n_tokens": 30}
        rows = zip((PROBLEM, LISTS), texts, strict=True)
        write_jsonl(path, ({"id": p.id, "text": text, "finished": True, **about} for p, text in rows))
        return path

    good = f"<think>{RIGHT}</think> <answer>['Orion']</answer>"
    paths = [
        write("vanilla", 1, ["<answer>['Orion']</answer>", "<answer>milk</answer>"]),
        write("correct", 1, [good, "<think>x</think> <answer>milk,football</answer>"]),
        write("correct", 2, [good, "no idea"]),
    ]
    found, files = verdict_tables.verdict_frame([PROBLEM, LISTS], paths)
    assert list(files.outputs) == [2, 2, 2] and files.unknown.sum() == 0
    # Both invented problems count as one set here.
    return found.assign(dataset="cotempqa"), paths


def test_every_output_is_one_row_without_text_and_every_column_has_a_meaning(frame):
    table, _ = frame
    assert len(table) == 6 and list(table.seed) == [1, 1, 1, 1, 2, 2]
    bare = verdict_tables.without_text(table)
    assert not bare.map(lambda value: "Orion" in str(value) or "milk" in str(value)).to_numpy().any()
    assert {name.removeprefix("pub_") for part in (table, *recorded.load()[::2]) for name in part} <= {*VERDICT.column}


def test_verdicts_say_what_is_answerable_declined_free_and_revealed(tmp_path):
    """ROUGE-L of "the cat sat" with "the cat" is 0.8 (2 of 3 words, 2 of 2); of two facts the wrong one excludes."""
    about = {"dataset": "marco", "category": "ENTITY", "context": ("x.", "y."), "question": "who?", "split": "test"}
    free = Problem("marco/a/1", answers=("a cat sat", "the cat"), evidence=(0, 1), **about)
    without = Problem("marco/a/2", answers=("No Answer Present.",), evidence=(), **about)
    two = Problem("babi/a/1", "babi", "a", ("Ann is here.", "Bob is there."), "who?", ("Ann",), (0,), "test",
                  {"labels": "a|b", "label_counts": "1|1"})  # fmt: skip
    three = replace(two, id="babi/a/2", context=(*two.context, "Cleo is away."))
    asked, said = (free, without, two, three), ("the cat sat", "No Answer Present. Ann", "no answer present", "Ann")
    texts = zip(asked, said, strict=True)
    outputs = [{"id": p.id, "text": f"<answer>{text}</answer>", "finished": True} for p, text in texts]
    path = tmp_path / "vanilla-1.jsonl"
    write_jsonl(path, outputs)
    found = verdict_tables.verdict_frame(asked, [path])[0]
    assert (found.n_facts.tolist(), found.n_context[2:].tolist()) == ([2, 0, 1, 1], [2, 3])
    assert found.answerable.tolist() == [True, False, True, True]
    assert found.answer_rouge_l[0] == pytest.approx(0.8) and found.answer_rouge_l[2:].isna().all()
    assert found.declined.tolist() == [False, False, True, False]
    assert found.answer_correct.tolist() == [False, False, False, True]
    assert found.pub_answer_correct.astype(object).fillna("no rules").tolist() == [*["no rules"] * 2, False, True]
    assert found.drawn_reveals[2:].tolist() == ["excludes", "none"]


def test_accuracy_takes_problems_as_units(frame):
    table, _ = frame
    found = tables.accuracy(table, "answer_correct", np.random.default_rng(1), 200).set_index("condition")
    # Vanilla: 1 of 2. Correct: 3 of 4 outputs over two seeds and two problems, so the interval draws both again.
    assert found.loc["vanilla", "value"] == 0.5 and found.loc["vanilla", "interval"] == "wilson"
    assert found.loc["correct", "value"] == 0.75 and found.loc["correct", "interval"] == "crossed"
    assert (found.loc["correct", "problems"], found.loc["correct", "seeds"]) == (2, 2)
    again = tables.accuracy(table, "answer_correct", np.random.default_rng(1), 200).set_index("condition")
    assert again.equals(found)


def test_outputs_that_are_all_alike_still_have_an_interval():
    """40 problems, all wrong, also where a seed lacks the first: Wilson as for one seed, upper end 3.84 / 43.84."""
    one = pd.DataFrame({"dataset": "d", "condition": "c", "seed": 1, "id": range(40), "answer_correct": False})
    for made in (one, pd.concat([one, one.assign(seed=2)]), pd.concat([one[1:], one.assign(seed=2)])):
        row = tables.accuracy(made, "answer_correct", np.random.default_rng(1), 50).iloc[0]
        assert (row.value, row.low, row.interval) == (0, 0, "wilson")
        assert row.high == pytest.approx(1.96**2 / (40 + 1.96**2), abs=1e-4)


def test_pairs_that_no_test_can_tell_apart_do_not_count_as_tests():
    """Two of the three pairs rest on two problems: Holm's family is the third alone, p = 2 / 2^8 as it stands."""
    big = pd.DataFrame({"dataset": "big", "seed": 1, "id": range(20), "a": [True] * 8 + [False] * 12, "b": False})
    small = pd.DataFrame({"dataset": "small", "seed": 1, "id": ["x", "y"], "a": True, "b": False, "c": False})
    table = pd.concat([
        frame.melt(["dataset", "seed", "id"], var_name="condition", value_name="answer_correct").dropna()
        for frame in (big, small)
    ])  # fmt: skip
    found = tables.contrasts(table).set_index(["dataset", "first", "second"])
    assert found.p_holm["big", "a", "b"] == pytest.approx(2 / 2**8)
    assert (found.p_holm.loc["small"] == 1).all() and len(found) == 4
    # The same family for the equivalence tests: one test keeps its p, the others are no tests.
    assert found.tost_holm["big", "a", "b"] == found.tost_p["big", "a", "b"] and not found.equivalent.any()


def test_associations_and_contrasts(frame):
    table, _ = frame
    rows = tables.associations(table).set_index(["condition", "step"])
    cell = rows.loc[("correct", "trace")]
    assert [cell[c] for c in ("both", "answer_only", "trace_only", "neither")] == [1, 1, 0, 0]
    pair = tables.contrasts(table, order=("vanilla", "correct")).iloc[0]
    # First seeds only: problem 1 right in both, problem 2 right in correct alone.
    assert (pair.n, pair.only_first, pair.only_second) == (2, 0, 1)
    assert rows.loc[("vanilla", "trace")].test == "undefined"
    assert all([*of(table[:0])] == [*of(table)] for of in (tables.associations, tables.contrasts))  # a run without any


def test_missing_problems_are_counted(tmp_path):
    path = tmp_path / "cotempqa" / "correct-1.jsonl"
    about = {"student": "S", "condition": "correct", "seed": 1, "n_tokens": 30}
    write_jsonl(path, [{"id": PROBLEM.id, "text": "<answer>['Orion']</answer>", "finished": True, **about}])
    asked = {"cotempqa": [PROBLEM, replace(PROBLEM, id="cotempqa/equal/0077")]}
    found, files = verdict_tables.verdict_frame(asked["cotempqa"], [path], asked)
    assert list(files.missing) == [1]
    status = tables.Evaluation(asked["cotempqa"], [path], found, files.assign(seed=1), "").statuses().iloc[0]
    assert (status.n, status.missing, status.no_trace, status.new_tokens) == (2, 1, 1, 30)


def test_right_traces_pass_and_wrong_ones_fail_whatever_gold_says():
    for problem in generate("babi", 120, seed=4):
        other = replace(problem, category="unknown", evidence=(), answers=("nothing",))
        for condition, passes in (("correct", True), ("incorrect", False)):
            output = templates.target(problem, templates.build(problem, condition))
            # The same output judged against a problem with another gold: the check does not move.
            assert passes_check(other, verdict(other, output)) is passes, problem.id


def test_the_check_without_gold_leaves_out_what_it_does_not_apply_to():
    own = replace(PROBLEM, dataset="own", id="own/a/1")
    assert passes_check(own, verdict(own, "<answer>Orion</answer>")) is None  # no rules for it
    flags = pd.array([True, True, False, None], "boolean")
    right = {"trace_correct": [True, False, False, True], "answer_correct": [True, True, False, True]}
    table = pd.DataFrame({"dataset": "d", "condition": "c", "id": list("abcd"), "passes_check": flags, **right})
    assert tables.gold_free(table[3:], np.random.default_rng(1)).empty
    found = tables.gold_free(table, np.random.default_rng(1))
    found = found.set_index(found.measure.str.removeprefix("gold-free check: "))[["value", "outputs"]]
    # Three are checked: two agree with gold, two pass and are right, one fails and is wrong; the fourth is left out.
    assert found.T.to_dict("list") == {
        "agrees with gold": [2 / 3, 3], "passes": [2 / 3, 3], "answer right": [2 / 3, 3],
        "answer right, trace passes": [1, 2], "answer right, trace fails": [0, 1],
    }  # fmt: skip


def test_repetition_counts_word_sequences_that_come_again():
    """By hand: of the five sequences abcd, bcda, cdab, dabc, abcd the last stands twice."""
    assert text.repetition("a b c d a b c d") == pytest.approx(0.2)
    assert text.repetition("round " * 103) == pytest.approx(0.99)  # one of a hundred is new


def test_an_evaluation_has_one_row_per_file_and_measure(frame):
    table, paths = frame
    files = pd.DataFrame({"dataset": "cotempqa", "condition": ["vanilla", "correct", "correct"], "seed": [1, 1, 2],
                          "missing": [0, 1, 0]})  # fmt: skip
    prompted = table.assign(condition=table.condition.replace("vanilla", "prompted"))
    found = tables.Evaluation([PROBLEM, LISTS], paths, prompted, files, "")
    assert set(found.traced.condition) == {"correct"}
    pair = found.contrasts(0.05).iloc[0]  # "trained minus prompted", whatever comes first in the frame
    assert (pair["first"], pair.second) == ("correct", "prompted")
    freeform = table.assign(condition=table.condition.replace({"vanilla": "r1 (templated)", "correct": "natural"}))
    assert set(found._replace(frame=freeform).traced.condition) == {"natural"}
    found = found._replace(frame=table)
    # A missing problem counts in n.
    rows = found.statuses().set_index(["condition", "seed"])
    assert rows.n.to_dict() == {("vanilla", 1): 2, ("correct", 1): 3, ("correct", 2): 2}
    measured = found.accuracies(np.random.default_rng(1), 50).set_index(["condition", "measure"])
    assert measured.value["correct", "answer exactly right"] == 0.75 and measured.value["correct", "label right"] == 0.5
    assert "label right" not in measured.loc["vanilla"].index
    assert found.contrasts(0.05).measure.tolist() == ["answer exactly right", "contains the answer"]


def test_a_share_is_rounded_as_its_csv_file_says_it():
    """Halves of a tenth: 3.75 points is 9 of 240, whether the mean in memory lies a hair below it or not."""
    below = math.nextafter(9 / 240, 0)
    assert below < 9 / 240 and tables.points(below) == tables.points(float(f"{below:.6g}")) == "+3.8"
    assert tables.percent(below, below, below) == "3.8% [3.8, 3.8]"
