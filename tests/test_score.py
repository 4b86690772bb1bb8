"""The grader's test table, and the joins around it.

``CASES`` is the list that notebook 04 prints: what each output states, and the verdict that it must get.
"""

import gzip
import json

import pytest

from tracekd import score
from tracekd.problems import Problem

PROBLEM = Problem(
    id="cotempqa/equal/0001",
    dataset="cotempqa",
    category="equal",
    context=(
        "Ada Lem works for Orion Press from 2001 to 2005.",
        "Ada Lem works for Orion from 2001 to 2005.",
        "Ada Lem attended Vale College in 1999.",
    ),
    question="While Ada Lem worked for Orion Press, which employer did Ada Lem work for?",
    answers=("Orion",),
    evidence=(1,),
    split="test",
    meta={"triple_element": "S1_R1_O2"},
)
LISTS = Problem(
    "babi/lists-sets/test-0001",
    "babi",
    "lists-sets",
    ("Mary got the milk.", "Mary took the football.", "John went home."),
    "What is Mary carrying?",
    ("milk", "football"),
    (0, 1),
    "test",
)
NOTHING = Problem(
    "marco/NUMERIC/0001",
    "marco",
    "NUMERIC",
    ("A passage on wool.",),
    "how tall is it",
    ("No Answer Present.",),
    (),
    "test",
)
T = (
    "The temporal relation between the event in question and the event in context is: {}.\n"
    "I need to use the following facts to answer the question: {}"
)
RIGHT = T.format("equal", "['Ada Lem works for Orion from 2001 to 2005.']")
B = (
    "The category of the question represents what is being asked in that question. The category of the question "
    "asked is: {}.\nI need to use the following text to answer the question: {}"
)

# problem, text, finished, then expected: status, classification, retrieval, answer
CASES = [
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion']</answer>", True, ("ok", True, True, True)),
    (PROBLEM, f"assistant\n\n<think>{RIGHT}</think> <answer>['Orion']</answer>", True, ("ok", True, True, True)),
    (PROBLEM, f"{RIGHT}</think> <answer>orion.</answer>", True, ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> ['Orion']", True, ("untagged", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think>\n**Answer:** Orion", True, ("untagged", True, True, True)),
    (PROBLEM, "<answer>['Orion']</answer>", True, ("no_trace", False, False, True)),
    (PROBLEM, "assistant\n\n['Orion']", True, ("no_trace", False, False, True)),
    (PROBLEM, "assistant\n<think>\n\n</think>\n\nOrion", True, ("no_trace", False, False, True)),
    # Tags without a partner are left over from the template.
    (PROBLEM, "assistant\n<think>\n\n['Orion']", True, ("no_trace", False, False, True)),
    (PROBLEM, f"<think>{RIGHT}</think></answer>['Orion']</answer>", True, ("untagged", True, True, True)),
    # A role word needs its line end: an answer may begin with the same letters.
    (PROBLEM, "assistant Orion", True, ("no_trace", False, False, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer></answer>", True, ("no_answer", True, True, False)),
    (PROBLEM, "", True, ("no_answer", False, False, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion']</answer>", False, ("truncated", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}", False, ("truncated", False, False, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion'", True, ("untagged", True, True, True)),
    # Never by substring: neither a longer name nor an extra answer nor an extra fact is right.
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion Press']</answer>", True, ("ok", True, True, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion', 'Vale']</answer>", True, ("ok", True, True, False)),
    (
        PROBLEM,
        "<think>" + T.format("equal", list(PROBLEM.context[:2])) + "</think> <answer>['Orion']</answer>",
        True,
        ("ok", True, False, True),
    ),
    # A bare string is one item; lower case and lost punctuation are forgiven.
    (
        PROBLEM,
        "<think>" + T.format("during", PROBLEM.context[1].lower()) + "</think> <answer>['Orion']</answer>",
        True,
        ("ok", False, True, True),
    ),
    (PROBLEM, "<think>Let me see.</think> <answer>['Orion']</answer>", True, ("ok", False, False, True)),
    (
        LISTS,
        "<think>" + B.format("lists-sets", list(LISTS.context[:2][::-1])) + "</think> <answer>football,milk</answer>",
        True,
        ("ok", True, True, True),
    ),
    (LISTS, "<answer>milk</answer>", True, ("no_trace", False, False, False)),
    (LISTS, "<answer>['milk', 'football']</answer>", True, ("no_trace", False, False, True)),
    (
        NOTHING,
        "<think>" + B.format("NUMERIC", []) + "</think> <answer>no answer present</answer>",
        True,
        ("ok", True, True, True),
    ),
    (
        NOTHING,
        "<think>" + B.format("NUMERIC", ["A."]) + "</think> <answer>9</answer>",
        True,
        ("ok", True, False, False),
    ),
]


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
    table = score.score([PROBLEM, LISTS, NOTHING], outputs, faults)
    assert list(table.id) == [LISTS.id, PROBLEM.id]
    assert list(table.answer_correct) == [False, True]
    assert table.student[0] == "S"
    assert faults.counts == {"malformed": 1, "unknown": 1, "duplicate": 1, "missing": 1}
    assert faults.named["missing"] == [NOTHING.id]
    with pytest.raises(ValueError, match="outputs do not fit the problems"):
        score.score([PROBLEM, LISTS, NOTHING], outputs)


def test_released_output_scores(shared_data):
    """One real output, joined by content, gets the status that its tags ask for."""
    path = shared_data / "released" / "babi" / "Qwen3-1.7B-sft-adapter-reasoning-facts_default.jsonl.gz"
    with gzip.open(path, "rt") as file:
        text = json.loads(file.readline())["prediction"]
    assert score.split_output(text)[0] == "ok"
