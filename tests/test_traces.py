import numpy as np
import pytest

from tracekd import load_cotempqa, traces
from tracekd.corrupt import distractors, same, wrong_label
from tracekd.problems import Problem


def problem(**changed):
    plain = {
        "id": "cotempqa/mix/0001",
        "dataset": "cotempqa",
        "category": "mix",
        "context": ("A works for X in 2001.", "A works for Y in 2002.", "A works for Z from 2001 to 2003."),
        "question": "While A was working for X, which employer did A work for at the same time?",
        "answers": ("Z",),
        "evidence": (2,),
        "split": "train",
        "meta": {"triple_element": "S1_R1_O2"},
    }
    return Problem(**{**plain, **changed})


def story(**changed):
    plain = {
        "id": "babi/positional-reasoning/train-0001",
        "dataset": "babi",
        "category": "positional-reasoning",
        "context": ("The red square is above the box.", "The box is to the left of the sphere."),
        "question": "Is the sphere below the red square?",
        "answers": ("yes",),
        "evidence": (0, 1),
        "meta": {},
    }
    return problem(**{**plain, **changed})


def test_the_authors_wording_to_the_letter():
    assert traces.build(problem(), "correct").text == (
        "The temporal relation between the event in question and the event in context is: mix.\n"
        "I need to use the following facts to answer the question: ['A works for Z from 2001 to 2003.']"
    )
    assert traces.build(story(evidence=(0,)), "correct").text == (
        "The category of the question represents what is being asked in that question. "
        "The category of the question asked is: positional-reasoning.\n"
        "I need to use the following text to answer the question: ['The red square is above the box.']"
    )


def test_target_and_prompt():
    p = problem()
    assert traces.prompt(p) == (
        "Answer the question based on the context:\nA works for X in 2001.\nA works for Y in 2002.\n"
        "A works for Z from 2001 to 2003.\nQuestion: While A was working for X, which employer did A work for at "
        "the same time? Only return the answer."
    )
    assert traces.target(p, traces.build(p, "vanilla")) == "<answer>['Z']</answer>"
    trace = traces.build(p, "correct")
    assert traces.target(p, trace) == f"<think>{trace.text}</think> <answer>['Z']</answer>"


@pytest.mark.parametrize(
    ("dataset", "answers", "text"),
    [
        ("cotempqa", ("a", "b"), "['a', 'b']"),
        ("babi", ("apple", "milk"), "apple,milk"),
        ("marco", ("In 1999.",), "In 1999."),
        ("mine", ("a", "b"), "['a', 'b']"),
    ],
)
def test_answer_text(dataset, answers, text):
    assert traces.answer_text(problem(dataset=dataset, answers=answers)) == text


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['a', \"b's\"]", ("a", "b's")),
        ("('a',)", ("a",)),
        ("'a'", ("a",)),
        ("[]", ()),
        ("", ()),
        ("A works for B in 2001.", ("A works for B in 2001.",)),
        ("['a', 'b", ("['a', 'b",)),
        ("1999", ("1999",)),
        ("[" * 5000, ("[" * 5000,)),
    ],
)
def test_lists_are_read_where_they_parse(text, items):
    assert traces.read_list(text) == items


def test_read_is_the_inverse_of_render():
    facts = ("It's A.", 'He said "no".', "A\\B.")
    assert traces.read(traces.render("cotempqa", "mix", facts)) == ("mix", facts)
    assert traces.read(traces.render("mine", "lists-sets", facts)) == ("lists-sets", facts)
    assert traces.read(traces.render("cotempqa", "mix", "A bare fact.")) == ("mix", ("A bare fact.",))
    assert traces.read("nothing of the kind") == (None, None)


@pytest.mark.parametrize("label", ["U.S. history", "vol. 2", "mix", "a.b.c"])
def test_a_label_keeps_its_full_stops(label):
    text = traces.render("mine", label, ("A.",))
    assert traces.read(text) == (label, ("A.",))
    assert traces.read(text.replace("\n", " ")) == (label, ("A.",))  # both sentences on one line
    assert traces.read(text.splitlines()[0].removesuffix("."))[0] == label  # cut before its full stop
    assert traces.read(text.splitlines()[0] + " ")[0] == label


def test_a_label_that_is_not_stated_is_none():
    assert traces.read(traces.render("mine", "", ("A.",))) == (None, ("A.",))


@pytest.mark.parametrize("corrupt", ["classification", "retrieval", "both"])
@pytest.mark.parametrize("case", [problem(), story()])
def test_only_the_intended_step_is_wrong(case, corrupt):
    trace = traces.build(case, "incorrect", corrupt=corrupt)
    gold = {same(fact) for fact in case.facts}
    stated = {same(fact) for fact in trace.retrieval}
    assert (trace.classification != case.category) == (corrupt != "retrieval")
    assert (stated.isdisjoint(gold) and len(stated) == len(gold)) == (corrupt != "classification")
    assert traces.read(trace.text) == (trace.classification, trace.retrieval)


def test_seeded_by_id_and_not_by_order():
    cases = [problem(id=f"cotempqa/mix/{i:04}") for i in range(40)]
    forward = [traces.build(case, "incorrect") for case in cases]
    backward = [traces.build(case, "incorrect") for case in reversed(cases)][::-1]
    assert forward == backward
    assert len({trace.text for trace in forward}) > 1
    assert forward != [traces.build(case, "incorrect", seed=1) for case in cases]


def test_repeated_gold_sentences_are_never_distractors():
    case = story(context=("Mary left.", "John left.", "mary left!"), evidence=(0,))
    assert distractors(case) == ("John left.",)


def test_without_gold_the_wrong_list_still_holds_a_passage():
    case = problem(dataset="marco", category="PERSON", evidence=(), answers=("No Answer Present.",))
    assert traces.build(case, "correct").retrieval == ()
    assert len(traces.build(case, "incorrect").retrieval) == 1
    assert traces.build(case, "incorrect", corrupt="classification").retrieval == ()


def test_as_published_keeps_the_habits_of_the_release():
    bare = traces.build(problem(), "incorrect", style="as_published")
    assert "question: A works for" in bare.text and len(bare.retrieval) == 1
    lower = traces.build(story(evidence=(0,)), "incorrect", style="as_published")
    assert lower.retrieval == ("the box is to the left of the sphere.",)


def test_unknown_names_are_refused():
    for wrong in ({"condition": "r9"}, {"condition": "incorrect", "corrupt": "x"}):
        with pytest.raises(ValueError, match=r"expected|not one of"):
            traces.build(problem(), **wrong)
    with pytest.raises(ValueError, match="'odd'"):
        traces.build(problem(), "incorrect", style="odd")
    with pytest.raises(ValueError, match="no label beside"):
        wrong_label(problem(dataset="mine", meta={}))


def test_labels_of_ones_own_set():
    case = problem(dataset="mine", category="x", meta={"labels": "x|y"})
    assert wrong_label(case) == "y"
    # Of the others, "often" has 90 in 100: 0.9, standard error of 400 draws 0.015.
    told = {"labels": "x|often|rare", "label_counts": "50|90|10"}
    drawn = [wrong_label(problem(id=f"mine/x/{i}", dataset="mine", category="x", meta=told)) for i in range(400)]
    assert abs(drawn.count("often") / 400 - 0.9) < 0.05 and set(drawn) == {"often", "rare"}


def test_a_label_without_training_problems_is_no_wrong_label():
    """Of CoTempQA's four, the files have training problems of two: the wrong label is the other one of these."""
    made = [
        problem(id=f"cotempqa/{c}/{i}", category=c, split=split)
        for c, split, n in (("equal", "train", 3), ("overlap", "train", 5), ("during", "test", 4)) for i in range(n)
    ]  # fmt: skip
    told = load_cotempqa.among_taught(made)
    assert {p.meta["labels"] for p in told} == {"equal|overlap"} and {p.meta["label_counts"] for p in told} == {"3|5"}
    assert [wrong_label(p) for p in told] == ["overlap"] * 3 + ["equal"] * 5 + [wrong_label(p) for p in told[8:]]
    assert {wrong_label(p) for p in told[8:]} <= {"equal", "overlap"}
    assert load_cotempqa.among_taught(made[:8]) == made[:8]  # every label is taught: nothing to tell


def test_wrong_labels_follow_the_sets_frequencies():
    labels = [wrong_label(problem(id=f"cotempqa/mix/{i}")) for i in range(400)]
    shares = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    # During has 3096 of the 4185 problems that are not mix: 0.740, standard error 0.022.
    assert set(shares) == {"equal", "overlap", "during"}
    assert abs(shares["during"] / 400 - 0.740) < 0.07
    uniform = [wrong_label(problem(id=f"cotempqa/mix/{i}"), style="as_published") for i in range(400)]
    assert abs(uniform.count("during") / 400 - 1 / 3) < 0.07


def passages(gold):
    context = tuple(f"Passage {i} has {'many ' * i}words." for i in range(10))
    return problem(id="marco/PERSON/0", dataset="marco", category="PERSON", context=context, evidence=(gold,))


def test_wrong_passages_are_a_permutation_of_the_right_ones():
    # Whichever passage is gold: over all ten, each is the wrong one once. Forms are then equal over the set.
    wrong = [traces.build(passages(gold), "incorrect").retrieval[0] for gold in range(10)]
    assert sorted(wrong) == sorted(passages(0).context)
    assert all(fact != passages(gold).facts[0] for gold, fact in enumerate(wrong))


def test_wrong_marco_labels_have_the_shares_of_right_ones():
    # DESCRIPTION (53%) cannot be kept above one half: the other 47% become DESCRIPTION.
    assert {wrong_label(problem(id=f"m/{i}", dataset="marco", category="PERSON")) for i in range(50)} == {"DESCRIPTION"}
    labels = [wrong_label(problem(id=f"m/{i}", dataset="marco", category="DESCRIPTION")) for i in range(400)]
    # NUMERIC has 26.12 of the other 46.88: 0.557, standard error 0.025.
    assert abs(labels.count("NUMERIC") / 400 - 0.557) < 0.08
