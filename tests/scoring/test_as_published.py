"""The release's rules by hand on small cases; ``test_released`` has them to the digit on the real outputs."""

import pytest

from tracekd.data.problem import Problem
from tracekd.scoring import release_rules


def employer(number, answers, category="equal"):
    context = (
        "Ada Lem worked for Orion Press from 2001 to 2005.",
        "Ben Roe works for Orion from 2001 to 2005.",
        "Ada Lem attended Vale College in 1999.",
    )
    question = "While Ada Lem worked for Orion Press, who worked for Orion?"
    meta = {"triple_element": "S1_R1_O2"}
    return Problem(
        f"cotempqa/{category}/{number:04d}", "cotempqa", category, context, question, answers, (1,), "test", meta
    )


@pytest.mark.parametrize(("text", "part"), [
    ("<think>x</think> <answer>['A']</answer> rest", "['a']"), ("<answer>['A'", "['a'"),
    ("B. Answer the question based on C", "b."), ("the answer is B, my answer is C", "is b, my"),
    ("x Answer: B Answer: C", "b"), ("assistant\n\nthinking B", "ing b"),
])  # fmt: skip
def test_answer_part(text, part):
    assert release_rules.answer_part(text) == part


def test_slot():
    fact = "Ada Lem worked for Orion Press from 2001 to 2005."
    assert [release_rules.slot(fact, triple) for triple in ("S1_R1_O2", "S2_R1_O1")] == ["ada lem", "orion press"]
    # The first key phrase decides: "attend" is looked for before "work" and "play".
    assert release_rules.slot("A attended Playhouse School in 1999.", "S2_R1_O1") == "playhouse school"
    assert release_rules.slot("Nothing of the kind", "S1_R1_O2") is None


@pytest.mark.parametrize(("gold", "text", "predicted", "acc"), [
    # Alternatives, longest first: ben roe, ada lem, nova. "Vale" is none of them: a wrong answer goes unpunished.
    ("Nova", "<answer>['Nova', 'Vale']</answer>", ["nova"], 1.0),
    # "orion" is in the question: deleted, not counted. What is left is the prediction: right counts as wrong.
    ("Orion", "<answer>['Orion']</answer>", ["['']"], 0.0),
])  # fmt: skip
def test_answers_are_taken_from_alternatives(gold, text, predicted, acc):
    problem = employer(1, (gold,))
    assert release_rules.predicted(problem, text) == predicted
    assert release_rules.answer_metric(problem, text)["acc"] == acc


def test_gold_row_is_the_first_that_contains_the_answer():
    first, second = employer(1, ("Orion Press",)), employer(2, ("Orion",))
    rows = release_rules.GoldRows([first, second])
    assert rows.of(second) is first and rows.of(employer(3, ("Nova",))) is None
    assert rows.of(employer(4, ("Orion",), category="mix")) is None


def test_steps():
    problem = employer(1, ("Orion",))
    rows = release_rules.GoldRows([problem])
    trace = "<think>The relation is: equal.\nI need: [{}]</think> <answer>['Nobody']</answer>"
    found = release_rules.verdict(problem, trace.format(problem.context[2]), rows)
    # Any sentence of the context counts as retrieval, the gold fact or another.
    assert found["classification_correct"] and found["retrieval_correct"] and found["cell"] == "trace_only"
    assert not release_rules.verdict(problem, trace.format(problem.context[2].lower()), rows)["retrieval_correct"]
    skipped = release_rules.verdict(problem, "<answer>['Orion']</answer>", rows)
    assert skipped["evaluated"] is False and skipped["cell"] is None
    assert release_rules.verdict(problem, "<answer>['Orion']", rows, finished=False)["status"] == "truncated"
