from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekd.data.problem import Problem, count_labels
from tracekd.traces import templates
from tracekd.traces.corruption import distractors, label_table, same, wrong_facts, wrong_label

MIX = Problem(
    "cotempqa/mix/0001", "cotempqa", "mix",
    ("A works for X in 2001.", "A works for Y in 2002.", "A works for Z from 2001 to 2003."),
    "While A was working for X, which employer did A work for at the same time?", ("Z",), (2,), "train",
    {"triple_element": "S1_R1_O2"},
)  # fmt: skip
STORY = Problem(
    "babi/positional-reasoning/train-0001", "babi", "positional-reasoning",
    ("The red square is above the box.", "The box is to the left of the sphere."),
    "Is the sphere below the red square?", ("yes",), (0, 1), "train",
)  # fmt: skip


def problem(**changed):
    return replace(MIX, **changed)


def story(**changed):
    return replace(STORY, **changed)


def test_the_authors_wording_to_the_letter():
    assert templates.build(problem(), "correct").text == (
        "The temporal relation between the event in question and the event in context is: mix.\n"
        "I need to use the following facts to answer the question: ['A works for Z from 2001 to 2003.']"
    )
    assert templates.build(story(evidence=(0,)), "correct").text == (
        "The category of the question represents what is being asked in that question. "
        "The category of the question asked is: positional-reasoning.\n"
        "I need to use the following text to answer the question: ['The red square is above the box.']"
    )


def test_target_and_prompt():
    p = problem()
    assert templates.prompt(p) == (
        "Answer the question based on the context:\nA works for X in 2001.\nA works for Y in 2002.\n"
        "A works for Z from 2001 to 2003.\nQuestion: While A was working for X, which employer did A work for at "
        "the same time? Only return the answer."
    )
    assert templates.target(p, templates.build(p, "vanilla")) == "<answer>['Z']</answer>"
    trace = templates.build(p, "correct")
    assert templates.target(p, trace) == f"<think>{trace.text}</think> <answer>['Z']</answer>"


@pytest.mark.parametrize(
    ("dataset", "answers", "text"),
    [("cotempqa", ("a", "b"), "['a', 'b']"), ("babi", ("a", "b"), "a,b"), ("marco", ("In 1999.",), "In 1999."),
     ("mine", ("a", "b"), "['a', 'b']")],
)  # fmt: skip
def test_answer_text(dataset, answers, text):
    assert templates.answer_text(problem(dataset=dataset, answers=answers)) == text


def test_read_is_the_inverse_of_render():
    facts = ("It's A.", 'He said "no".', "A\\B.")
    assert templates.read(templates.render("cotempqa", "mix", facts)) == ("mix", facts)
    assert templates.read(templates.render("mine", "lists-sets", facts)) == ("lists-sets", facts)
    assert templates.read(templates.render("cotempqa", "mix", "A bare fact.")) == ("mix", ("A bare fact.",))
    assert templates.read("nothing of the kind") == (None, None)
    assert templates.read(templates.render("mine", "", ("A.",))) == (None, ("A.",))


@pytest.mark.parametrize("label", ["U.S. history", "vol. 2", "mix", "a.b.c"])
def test_a_label_keeps_its_full_stops(label):
    text = templates.render("mine", label, ("A.",))
    assert templates.read(text) == (label, ("A.",))
    assert templates.read(text.replace("\n", " ")) == (label, ("A.",))  # both sentences on one line
    assert templates.read(text.splitlines()[0].removesuffix("."))[0] == label  # cut before its full stop
    assert templates.read(text.splitlines()[0] + " ")[0] == label


def test_distractors_are_never_gold_and_never_too_few():
    case = story(context=("Mary left.", "John left.", "mary left!"), evidence=(0,))
    assert distractors(case) == ("John left.",)  # a repeated gold sentence is gold
    unanswered = problem(dataset="marco", category="PERSON", evidence=(), answers=("No Answer Present.",))
    stated = {
        step: templates.build(unanswered, "incorrect", corrupt=step).retrieval for step in ("both", "classification")
    }
    assert len(stated["both"]) == 1 and stated["classification"] == ()


def test_as_published_keeps_the_habits_of_the_release():
    bare = templates.build(problem(), "incorrect_as_published")
    assert "question: A works for" in bare.text and len(bare.retrieval) == 1
    lower = templates.build(story(evidence=(0,)), "incorrect_as_published")
    assert lower.retrieval == ("the box is to the left of the sphere.",)


@pytest.mark.parametrize("wrong", [{"condition": "odd"}, {"corrupt": "odd"}])
def test_unknown_names_are_refused(wrong):
    with pytest.raises(ValueError, match="'odd'"):
        templates.build(problem(), **{"condition": "incorrect", **wrong})
    with pytest.raises(ValueError, match="'mix'"):  # the set has no other label
        wrong_label(problem(dataset="mine", meta={}))


def test_a_label_without_training_problems_is_no_wrong_label():
    """Where the files have training problems of two labels, the wrong label is the other one of these."""
    made = [
        problem(id=f"cotempqa/{c}/{i}", category=c, split=split)
        for c, split, n in (("equal", "train", 3), ("overlap", "train", 5), ("during", "test", 4)) for i in range(n)
    ]  # fmt: skip
    counted = count_labels(made)
    assert {(p.meta["labels"], p.meta["label_counts"]) for p in counted} == {("equal|overlap", "3|5")}
    assert [wrong_label(p) for p in counted[:8]] == ["overlap"] * 3 + ["equal"] * 5
    assert {wrong_label(p) for p in counted[8:]} <= {"equal", "overlap"}
    # Without any training problem the test problems are counted.
    assert {p.meta["label_counts"] for p in count_labels(made[8:])} == {"4"}


@given(st.lists(st.integers(1, 500), min_size=2, max_size=11))
def test_the_label_table_has_gold_marginals_where_one_exists(counts):
    table, shares = label_table(tuple(counts)), np.array(counts) / sum(counts)
    assert np.all(np.diag(table) == 0) and np.allclose(table.sum(axis=1), 1)
    if shares.max() > 0.5:
        off = table[~np.eye(len(counts), dtype=bool)]
        assert np.allclose(off, 1 / (len(counts) - 1))  # no table exists: uniform over the others
    elif shares.max() < 0.49:
        joint = shares[:, None] * table
        assert np.allclose(joint.sum(axis=0), shares, atol=1e-4) and np.allclose(joint, joint.T, atol=1e-4)


def test_labels_are_drawn_by_the_table_and_uniformly_by_the_other_kinds():
    meta = {"labels": "during|equal|mix|overlap", "label_counts": "336|349|360|522"}
    cases = [problem(id=f"cotempqa/mix/{i}", meta={**problem().meta, **meta}) for i in range(900)]
    row = label_table((336, 349, 360, 522))[2]
    for style, wanted in (("matched", row), ("uniform", [1 / 3, 1 / 3, 0, 1 / 3]), ("as_published", [1 / 3] * 2)):
        drawn = [wrong_label(case, style=style) for case in cases]
        # Standard error of a share of 0.4 in 900 draws: 0.016.
        for label, share in zip(meta["labels"].split("|"), wanted, strict=False):
            assert abs(drawn.count(label) / 900 - share) < 0.06, (style, label)


def passages(gold):
    context = tuple(f"Passage {i} has {'many ' * i}words." for i in range(10))
    return problem(id="marco/PERSON/0", dataset="marco", category="PERSON", context=context, evidence=(gold,))


def test_wrong_passages_are_a_permutation_of_the_right_ones():
    # Whichever passage is gold: over all ten, each is the wrong one once. Forms are then equal over the set.
    wrong = [templates.build(passages(gold), "incorrect").retrieval[0] for gold in range(10)]
    assert sorted(wrong) == sorted(passages(0).context)
    assert all(fact != passages(gold).facts[0] for gold, fact in enumerate(wrong))


@pytest.mark.parametrize("facts", [
    # "took" for "dropped" makes the one into the other: words change places instead.
    ("Laura took the book there.", "Laura dropped the book there."),
    # Football and milk can each become an apple alone; both cannot.
    ("Simon grabbed the football there.", "Simon grabbed the milk there."),
])  # fmt: skip
def test_facts_of_a_story_that_is_all_gold_are_altered_into_others(facts):
    case = problem(id="babi/counting/1", dataset="babi", category="counting", context=facts, question="How many?",
                   answers=("none",), evidence=(0, 1))  # fmt: skip
    for seed, style in ((0, "matched"), (460, "matched"), (0, "uniform")):
        made = wrong_facts(case, seed, style)
        assert len(set(map(same, made))) == 2 and not set(map(same, made)) & set(map(same, facts))
