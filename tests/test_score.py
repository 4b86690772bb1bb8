"""The grader's test table (``tracekd.cases``, which notebook 04 prints), and the joins around it."""

import gzip
import json

import pytest

from tracekd import score
from tracekd.cases import CASES, LISTS, NOTHING, PROBLEM, RIGHT, T


@pytest.mark.parametrize(("problem", "text", "finished", "expected"), CASES)
def test_verdict_table(problem, text, finished, expected):
    found = score.verdict(problem, text, finished)
    steps = (found["classification_correct"], found["retrieval_correct"], found["answer_correct"])
    assert (found["status"], *steps) == expected
    assert found["trace_correct"] == (expected[1] and expected[2])
    assert found["cell"] == score.CELLS[found["trace_correct"], found["answer_correct"]]
    assert found["status"] in score.STATUSES


def test_degrees_beside_the_verdict():
    two_of_three = f"<think>{T.format('equal', list(PROBLEM.context))}</think> <answer>['Orion', 'Vale']</answer>"
    found = score.verdict(PROBLEM, two_of_three)
    # One gold fact among three stated: precision 1/3, recall 1/1. Two answers stated, one gold: F1 = 2*1/(2+1).
    assert found["retrieval_precision"] == pytest.approx(1 / 3)
    assert found["retrieval_recall"] == 1
    assert found["retrieval_any"] is True
    assert found["answer_f1"] == pytest.approx(2 / 3)
    assert found["answer_contains"] is True


def test_marco_f1_counts_words():
    # "the red wool" against "red wool coat": 2 shared of 3 + 3 words, F1 = 4/6.
    assert score.word_f1("The red wool!", "red wool coat") == pytest.approx(4 / 6)
    assert score.word_f1("", "coat") == 0


def test_normalise():
    assert score.normalise("  St. Mary's_College –  X ") == "st mary s college x"


@pytest.mark.parametrize(
    "text", ["{[]}", "[" * 500, "['a\\z'", "[1, 2]", "['']", "<answer>", "<think></think>", "\x00"]
)
def test_odd_outputs_get_a_status(text):
    for wrapped in (text, f"<think>{RIGHT}</think> <answer>{text}</answer>", f"<think>{T.format('a', text)}</think> x"):
        assert score.verdict(PROBLEM, wrapped)["status"] in score.STATUSES


def test_score_joins_by_id_and_counts_faults():
    outputs = [
        {"id": LISTS.id, "text": "<answer>milk</answer>", "finished": True, "student": "S", "seed": 1},
        {"id": PROBLEM.id, "text": "<answer>['Orion']</answer>", "finished": True},
        {"id": PROBLEM.id, "text": "<answer>['Other']</answer>", "finished": True},
        {"id": "cotempqa/equal/9999", "text": "x"},
        {"id": 7},
    ]
    faults = score.Faults()
    known = {p.id: p for p in (PROBLEM, LISTS, NOTHING)}
    rows = list(score.verdicts(known, outputs, faults))
    assert [row["id"] for row in rows] == [LISTS.id, PROBLEM.id]
    assert [row["answer_correct"] for row in rows] == [False, True]
    assert faults.counts == {"malformed": 1, "unknown": 1, "duplicate": 1, "missing": 1}
    assert faults.named["missing"] == [NOTHING.id]


def test_released_output_scores(shared_data):
    """One real output, joined by content, gets the status that its tags ask for."""
    path = shared_data / "released" / "babi" / "Qwen3-1.7B-sft-adapter-reasoning-facts_default.jsonl.gz"
    with gzip.open(path, "rt") as file:
        text = json.loads(file.readline())["prediction"]
    assert score.split_output(text)[0] == "ok"
