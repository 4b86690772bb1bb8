"""The release's rules: by hand on small cases, and to the digit on the real outputs where they are at hand."""

import csv
from collections import Counter, defaultdict

import pytest

from tracekd.data.problem import Problem
from tracekd.scoring import release_rules
from tracekd.scoring.outputs import adapter_of, read, test_problems


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


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("<think>x</think> <answer>['A']</answer> rest", "['a']"),
        ("<answer>['A'", "['a'"),
        ("B. Answer the question based on C", "b."),
        ("the answer is B, my answer is C", "is b, my"),
        ("x Answer: B Answer: C", "b"),
        ("assistant\n\nthinking B", "ing b"),
    ],
)
def test_answer_part(text, part):
    assert release_rules.answer_part(text) == part


def test_slot():
    fact = "Ada Lem worked for Orion Press from 2001 to 2005."
    assert [release_rules.slot(fact, triple) for triple in ("S1_R1_O2", "S2_R1_O1")] == ["ada lem", "orion press"]
    # The first key phrase decides: "attend" is looked for before "work" and "play".
    assert release_rules.slot("A attended Playhouse School in 1999.", "S2_R1_O1") == "playhouse school"
    assert release_rules.slot("Nothing of the kind", "S1_R1_O2") is None


def test_extra_wrong_answer_goes_unpunished():
    # Alternatives, longest first: ben roe, ada lem, nova. "Vale" is none of them, so it is never counted.
    problem = employer(2, ("Nova",))
    assert release_rules.predicted(problem, "<answer>['Nova', 'Vale']</answer>") == ["nova"]
    assert release_rules.answer_metric(problem, "<answer>['Nova', 'Vale']</answer>")["acc"] == 1.0


def test_an_answer_in_the_question_is_deleted_once():
    # "orion" stands in the question: deleted and not counted. Nothing else matches, so the remaining text is the
    # one predicted answer, and a right answer counts as wrong.
    problem = employer(1, ("Orion",))
    assert release_rules.predicted(problem, "<answer>['Orion']</answer>") == ["['']"]
    assert release_rules.answer_metric(problem, "<answer>['Orion']</answer>")["acc"] == 0.0


def test_gold_row_is_the_first_that_contains_the_answer():
    first, second = employer(1, ("Orion Press",)), employer(2, ("Orion",))
    rows = release_rules.GoldRows([first, second])
    assert rows.of(second) is first
    assert rows.of(employer(3, ("Nova",))) is None
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


def _scored(shared_data, dataset):
    """``{(adapter, category of the file): verdicts}`` of every released file of a set."""
    problems = test_problems(dataset, shared_data)
    by_id, rows, found = {p.id: p for p in problems}, release_rules.GoldRows(problems), {}
    for path in sorted((shared_data / "released" / dataset).glob("*.jsonl.gz")):
        adapter, by = adapter_of(path), defaultdict(list)
        for output in read(path, by_id):
            verdict = release_rules.verdict(output["problem"], output["text"], rows)
            by[verdict["category"] if dataset == "cotempqa" else "all"].append(verdict)
        for category, verdicts in by.items():
            name = adapter.name + (f"_{adapter.category}" if adapter.category else "")
            found[dataset, category, name] = verdicts
    return found


def test_every_published_metric_with_outputs_follows(shared_data):
    found = _scored(shared_data, "cotempqa") | _scored(shared_data, "babi")
    with (shared_data / "released" / "published_answer_metrics.csv").open() as file:
        published = {
            (r["dataset"], r["category"], r["adapter"]): {k: float(r[k]) for k in ("acc", "f1", "p", "r", "avg")}
            for r in csv.DictReader(file)
        }
    # 67 rows are published; MARCO's 6 have no outputs in the release.
    assert {k for k in published if k not in found} == {k for k in published if k[0] == "marco"}
    assert len(found) == 61
    for key, verdicts in found.items():
        sums = {name: sum(v[name] for v in verdicts) for name in release_rules.METRICS}
        assert release_rules.metric_row(sums, len(verdicts)) == published[key], key


def test_published_babi_matrices_follow(shared_data):
    found = _scored(shared_data, "babi")
    with (shared_data / "released" / "published_confusion_matrices.csv").open() as file:
        published = [r for r in csv.DictReader(file) if r["dataset"] == "babi"]
    assert len(published) == 4
    for row in published:
        verdicts = [v for v in found["babi", "all", row["adapter"]] if v["evaluated"]]
        for number, step, word in ((1, "classification", "category"), (2, "retrieval", "fact"), (3, "trace", "trace")):
            cells = Counter((v["answer_correct"], v[f"{step}_correct"]) for v in verdicts)
            for answer in (True, False):
                for right in (True, False):
                    a, b = ("correct" if answer else "incorrect"), ("correct" if right else "incorrect")
                    assert int(float(row[f"matrix{number}.{a}_answer_{b}_{word}"])) == cells[answer, right]
        assert int(float(row["accuracies.answer_accuracy"])) == sum(v["answer_correct"] for v in verdicts)
