"""Copies, ignores, right both times: told apart on outputs written for it."""

import pytest

from tracekd.data.problem import Problem
from tracekd.scoring.aligned import verdict
from tracekd.scoring.answer_source import agreement
from tracekd.scoring.grader_examples import LISTS, PROBLEM, RIGHT, B, T

WRONG = T.format("equal", "['Ada Lem works for Orion Press from 2001 to 2005.']")
COUNT = Problem(
    "babi/counting/test-0001", "babi", "counting", ("Mary got the milk.",), "How many?", ("one",), (0,), "test"
)


@pytest.mark.parametrize(
    ("problem", "text", "kind", "masked"),
    [
        (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion']</answer>", "right both times", True),
        # Wrong fact, and the answer is the name in it. With both names masked the two facts are the same.
        (PROBLEM, f"<think>{WRONG}</think> <answer>['Orion Press']</answer>", "copies from its trace", True),
        # A right answer under a wrong fact that holds its name too, since "Orion" is a whole word of "Orion Press".
        (PROBLEM, f"<think>{WRONG}</think> <answer>['Orion']</answer>", "copies from its trace", False),
        (PROBLEM, f"<think>{WRONG}</think> <answer>['Nova']</answer>", "ignores its trace", False),
        (PROBLEM, f"<think>{RIGHT}</think> <answer>['Nova']</answer>", "ignores its trace", True),
        (PROBLEM, "<answer>['Orion']</answer>", "not stated", False),
        (PROBLEM, f"<think>{RIGHT}</think>", "not stated", True),
        (
            COUNT,
            "<think>" + B.format("counting", ["Mary got the milk."]) + "</think> <answer>one</answer>",
            "not nameable",
            True,
        ),
        (
            LISTS,
            "<think>" + B.format("lists-sets", ["John went home."]) + "</think> milk,football",
            "ignores its trace",
            False,
        ),
    ],
)
def test_agreement(problem, text, kind, masked):
    found = agreement(problem, verdict(problem, text))
    assert found["agreement"] == kind
    assert found["masked_retrieval_correct"] is masked
