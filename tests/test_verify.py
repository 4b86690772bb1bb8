"""Shown on whole sets: right traces pass, wrong ones fail in exactly the steps meant to fail."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tracekd import problems, traces
from tracekd.corrupt import distractors
from tracekd.derive import derive
from tracekd.verify import verify, verify_all

SIZES = {"cotempqa": 1000, "marco": 400, "babi": 1000}


def whole_set(name, folder):
    return problems.load(name, str(folder))


def check_whole(found):
    """Every condition on every problem; returns how many wrong lists needed an altered fact."""
    derived = {p.id: derive(p) for p in found if p.dataset != "marco"}
    for p in found:
        seen = verify(traces.build(p, "correct"), p, derived.get(p.id))
        assert seen.correct, p.id
        for style in ("matched", "as_published"):
            for step, expected in (
                ("classification", (False, True)),
                ("retrieval", (True, False)),
                ("both", (False, False)),
            ):
                trace = traces.build(p, "incorrect", corrupt=step, style=style)
                seen = verify(trace, p, derived.get(p.id))
                assert (seen.classification, seen.retrieval) == expected, (p.id, style, step)
                assert traces.target(p, trace).endswith(f"<answer>{traces.answer_text(p)}</answer>")
                if step != "classification":
                    assert trace.retrieval, f"{p.id}: an empty wrong list"
    return sum(len(distractors(p)) < len(p.evidence) for p in found)


@pytest.mark.parametrize("dataset", list(SIZES))
def test_generated_sets_whole(dataset):
    check_whole(problems.load(dataset, "generated", size=SIZES[dataset], seed=7))


@pytest.mark.parametrize(("dataset", "altered"), [("cotempqa", 0), ("babi", 212)])
def test_real_sets_whole(shared_data, dataset, altered):
    # bAbI: 137 of positional-reasoning, all gold, and 75 others whose context has too few facts that are not gold.
    assert abs(check_whole(whole_set(dataset, shared_data)) - altered) <= 12


def test_gold_and_gold_free_verdicts_agree_but_where_derivation_and_gold_differ(shared_data):
    found = whole_set("cotempqa", shared_data)
    table = verify_all(found, [traces.build(p, "correct") for p in found])
    assert table.correct.all()
    assert table.differ.notna().all()
    assert 0 < table.differ.mean() < 0.03


def test_traces_without_steps_have_no_verdict():
    p = problems.load("babi", "generated", size=44, seed=1)[0]
    seen = verify(traces.build(p, "vanilla"), p)
    assert seen.correct is None and seen.free_correct is None and seen.differ is None


def test_half_a_trace():
    p = problems.load("babi", "generated", size=44, seed=1)[0]
    text = traces.build(p, "correct").text
    assert verify(text.split("\n")[0], p).classification is True
    assert verify(text.split("\n")[0], p).retrieval is False
    assert verify(text.split("\n")[1], p).classification is False


def form(text):
    """A bag of format: lengths, case, digits, punctuation and list form of a trace, no word of it."""
    items = traces.read(text)[1]
    marks = sum(not c.isalnum() and not c.isspace() for c in text)
    capitals, digits = sum(map(str.isupper, text)), sum(map(str.isdigit, text))
    listed = text.count("["), text.rstrip().endswith("]"), len(items), items[0][:1].isupper()
    return [len(text), len(text.split()), capitals, digits, marks, *listed]


def told_apart(found, style, corrupt="both"):
    """Accuracy, in 5 folds by problem, of telling correct from incorrect traces by form: (linear, forest)."""
    conditions = ("correct", "incorrect")
    rows = [form(traces.build(p, c, style=style, corrupt=corrupt).text) for p in found for c in conditions]
    labels = ["correct", "incorrect"] * len(found)
    folds = list(GroupKFold(5).split(rows, labels, [i // 2 for i in range(len(rows))]))
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    forest = RandomForestClassifier(60, min_samples_leaf=10, random_state=0, n_jobs=1)
    return tuple(cross_val_score(m, np.array(rows, dtype=float), labels, cv=folds).mean() for m in (linear, forest))


# Both classifiers are held to 55%, but for the forest on bAbI: see below. Measured: CoTempQA 0.518 and 0.545, MARCO
# 0.498 and 0.547, bAbI 0.549 and 0.707. Sampling error is about 0.01.
@pytest.mark.parametrize(("dataset", "forest"), [("cotempqa", 0.55), ("babi", 0.74), ("marco", 0.55)])
def test_form_hardly_tells_a_matched_wrong_trace(dataset, forest):
    found = problems.load(dataset, "generated", size=1500, seed=3)
    # An unanswerable question's right list is empty and its wrong one is not: that one is told by design.
    got = told_apart([p for p in found if p.evidence], "matched")
    print(f"{dataset}, generated, matched: linear {got[0]:.3f}, forest {got[1]:.3f}")
    assert got[0] <= 0.55 and got[1] <= forest


def test_what_a_forest_finds_in_babi_is_mostly_the_label_that_does_not_go_with_the_facts():
    # bAbI's sentence length and number of facts follow the task type. Control: where the label alone is wrong, and
    # every fact right, the forest wins nearly as much (0.685) as where both are (0.707); where the facts alone are
    # wrong, little (0.571): that part is form, for gold facts differ from those left to choose.
    found = problems.load("babi", "generated", size=1500, seed=3)
    facts, label = (told_apart(found, "matched", step)[1] for step in ("retrieval", "classification"))
    print(f"babi, generated, forest: facts alone wrong {facts:.3f}, label alone wrong {label:.3f}")
    assert facts <= 0.59 and label >= 0.65


def test_generated_marco_answers_are_not_told_by_the_form_of_their_passage():
    # Each step by itself: the passage's form says neither that it answers nor which type was asked. Measured: 0.50
    # to 0.52 for passages; for labels up to 0.553, of which 0.53 is the share of DESCRIPTION, above one half.
    found = [p for p in problems.load("marco", "generated", size=2500, seed=3) if p.evidence]
    assert max(told_apart(found, "matched", "retrieval")) <= 0.55
    assert max(told_apart(found, "matched", "classification")) <= 0.57


@pytest.mark.parametrize("dataset", ["cotempqa", "babi"])
def test_form_on_real_sets(shared_data, dataset):
    found = whole_set(dataset, shared_data)[::2]
    matched, published = told_apart(found, "matched"), told_apart(found, "as_published")
    print(f"{dataset}, real, linear and forest: matched {matched}, as published {published}")
    # The forest is printed, not held: 0.556 on CoTempQA (0.587 on all of it) and 0.715 on bAbI.
    assert matched[0] <= 0.55
    assert published[1] >= 0.95
