"""Interventions: the nine traces, what they imply, what an answer follows, and files that go on after a kill."""

from dataclasses import replace

import pytest
from invented_outputs import REFERENCES
from simulated_students import Simulated, outputs

from tracekd.data.load_cotempqa import answer_slot
from tracekd.data.problem import DATASETS, Problem
from tracekd.data.synthetic.generated import generate
from tracekd.interventions import forced
from tracekd.interventions.forced import MASK, VARIANTS, implied, variants
from tracekd.io.records import read_jsonl
from tracekd.text import fact_set as as_set
from tracekd.traces import templates

ABOUT = {"student": "simulated", "dataset": "babi", "condition": "correct", "seed": 1, "source": "GENERATED problems"}


@pytest.fixture(scope="module", params=DATASETS)
def pool(request):
    return [p for p in generate(request.param, 300, seed=7) if p.split == "test"]


@pytest.fixture(scope="module")
def babi():
    return [p for p in generate("babi", 300, seed=7) if p.split == "test"]


def made(problem, pool, own="an own trace", seed=3):
    return {v.name: v for v in variants(problem, own, others=pool, seed=seed)}


def test_each_variant_is_what_its_name_says(pool):
    known = {p.id: p for p in pool}
    for problem in pool:
        found = made(problem, pool)
        assert tuple(found) == VARIANTS
        assert all((v.text is None) == bool(v.left_out) for v in found.values())
        label, facts = {}, {}
        for name, variant in found.items():
            if variant.text and name not in ("own", "other"):
                label[name], facts[name] = templates.read(variant.text)
        right = {as_set([fact]) for fact in problem.facts}
        assert found["own"].text == "an own trace" and found["empty"].text == ""
        assert found["gold"].text == templates.build(problem, "correct").text
        assert all(as_set(found[v].implied.answers) == as_set(problem.answers) for v in ("gold", "wrong_label"))
        assert label["wrong_label"] != problem.category and facts["wrong_label"] == problem.facts
        assert label["wrong_facts"] == problem.category
        assert not right & {as_set([fact]) for fact in facts["wrong_facts"]}
        # The same label and the same facts: the four are a 2 x 2.
        assert (label["both_wrong"], facts["both_wrong"]) == (label["wrong_label"], facts["wrong_facts"])
        if "shuffled" in facts:
            assert facts["shuffled"] != problem.facts
            assert sorted(" ".join(facts["shuffled"]).split()) == sorted(" ".join(problem.facts).split())
        donor = known[found["other"].donor]
        assert donor.id != problem.id and as_set(donor.answers) != as_set(problem.answers)
        assert found["other"].text == templates.build(donor, "correct").text
        own = found["gold"].text.replace(str([*problem.facts]), "\n".join(problem.facts))  # without brackets
        assert made(problem, pool, own)["own"].implied.answers == implied(problem, problem.facts).answers
        if "masked" in facts:
            assert MASK in found["masked"].text
            assert not any(f" {a.lower()} " in found["masked"].text.lower() for a in problem.answers)


def test_draws_follow_from_seed_and_id_alone(babi):
    first = {p.id: variants(p, None, others=babi, seed=3) for p in babi}
    assert first == {p.id: variants(p, None, others=babi[::-1], seed=3) for p in reversed(babi)}
    assert first != {p.id: variants(p, None, others=babi, seed=4) for p in babi}


def test_what_does_not_exist_is_left_out():
    lone = Problem("own/a/1", "own", "a", ("One fact.",), "What?", ("fifty",), (0,), "test", {"labels": "a"})
    found = made(lone, [lone], own=None)
    reasons = {name: v.left_out for name, v in found.items() if v.left_out}
    assert set(reasons) == {"own", "wrong_label", "both_wrong", "other", "shuffled", "masked"}
    assert "one sentence" in reasons["shuffled"] and "no gold answer string" in reasons["masked"]
    assert "no label beside 'a'" in reasons["wrong_label"] and reasons["both_wrong"] == reasons["wrong_label"]
    two = replace(lone, context=("It rained. Then it snowed.",))
    assert templates.read(made(two, [two])["shuffled"].text)[1] == ("Then it snowed. It rained.",)


def test_mask_takes_whole_words_and_the_longest_answer_first():
    facts = ("Ann works for Acme Labs in 2003.", "Ann works for Acme in 2004.", "Acmeland is no Acme.")
    problem = Problem("own/a/1", "own", "a", facts, "?", ("Acme", "Acme Labs"), (0, 1, 2), "test", {"labels": "a|b"})
    masked = templates.read(made(problem, [problem])["masked"].text)[1]
    assert masked == (f"Ann works for {MASK} in 2003.", f"Ann works for {MASK} in 2004.", f"Acmeland is no {MASK}.")


def babi_problem(question, answers=("garden",)):
    return Problem(
        "babi/x/1", "babi", "single-supporting-fact", ("Mary went to the attic.",), question, answers, (0,), "test"
    )


@pytest.mark.parametrize(("question", "facts", "answers", "by"), [
    ("Where is Mary?", ("Mary went to the garden.",), ("garden",), "derivation"),
    ("Where is Mary?", ("John went to the kitchen.",), ("kitchen",), "renamed"),
    ("Where is Mary?", ("John went to the kitchen.", "Daniel went to the office."), None, None),
    ("Where is Mary?", ("John took the milk.",), None, None),
    ("Where is Mary?", (f"Mary went to the {MASK}.",), None, None), ("Where is Mary?", (), None, None),
    ("Where is Mary?", ("words that a student made up",), None, None),
])  # fmt: skip
def test_implied_answer_of_a_trace(question, facts, answers, by):
    found = implied(babi_problem(question), facts)
    assert (found.answers, found.by) == (answers, by) and bool(found.reason) == (answers is None)


def test_implied_answer_by_slots_and_by_source():
    problem = next(p for p in generate("cotempqa", 60, seed=2) if p.meta["triple_element"] != "S2_R1_O1")
    fact = next(f for f in problem.context if f not in problem.facts)
    found = implied(problem, (fact,))
    assert (found.answers, found.by) == ((answer_slot(fact, problem.meta["triple_element"]),), "slots")
    assert implied(problem, ("no such form",)).answers is None
    marco = generate("marco", 30, seed=2)
    assert implied(marco[0], marco[1].facts, marco[1]).by == "source"
    assert implied(marco[0], marco[1].facts).answers is None


@pytest.mark.parametrize(("said", "gold", "told", "expected"), [
    (["Garden"], ["garden"], ["office"], "context"), (["office."], ["garden"], ["office"], "trace"),
    ([], ["garden"], ["office"], "neither"), (["garden"], ["garden"], ["Garden"], "both"),
    (["office"], ["garden"], ["garden"], "neither"), (["b", "a"], ["a", "b"], ["a"], "context"),
    (["a"], ["a", "b"], ["a"], "trace"), (["garden"], ["garden"], None, None),
])  # fmt: skip
def test_follows(said, gold, told, expected):
    assert forced.follows(babi_problem("?", tuple(gold)), said, told) == expected


def run(path, problems, student, asked=None, at_once=1):
    def answer(given):
        (asked if asked is not None else []).extend(problem.id for problem, _ in given)
        return student(given)

    return forced.run(answer, problems, outputs(problems), path, about=ABOUT, seed=1, at_once=at_once)


def test_rows_are_nine_a_problem_and_say_what_was_done(babi, tmp_path):
    rows = run(tmp_path / "r.jsonl", babi, Simulated(1.0))
    assert rows == sorted(read_jsonl(tmp_path / "r.jsonl"), key=lambda r: [p.id for p in babi].index(r["id"]))
    assert len(rows) == 9 * len(babi) and len({tuple(row) for row in rows}) == 1
    for row in rows:
        assert (row["answer_correct"] is None) == bool(row["left_out"]) == (row["logp_gold"] is None)
        if row["left_out"]:
            continue
        assert row["trace_correct"] == (row["classification_correct"] and row["retrieval_correct"])
        assert (row["implied"] is None) == bool(row["no_implied"]) == (row["disagrees"] is None)
        if row["disagrees"]:
            assert row["follows"] == "trace" and not row["answer_correct"]
        assert row["logp_gold_token"] == pytest.approx(row["logp_gold"] / 3)
    steps = {r["variant"]: (r["classification_correct"], r["retrieval_correct"]) for r in rows if not r["left_out"]}
    expected = {"gold": (True, True), "wrong_label": (False, True), "wrong_facts": (True, False)}
    assert {v: steps[v] for v in expected} == expected and steps["both_wrong"] == steps["empty"] == (False, False)
    own = {o["id"] for o in outputs(babi) if "<think>" in o["text"]}
    assert {r["id"] for r in rows if r["variant"] == "own" and not r["left_out"]} == own != {p.id for p in babi}


def test_a_torn_file_goes_on_and_nothing_is_asked_twice(babi, tmp_path):
    whole = run(tmp_path / "whole.jsonl", babi, Simulated(0.5))
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "torn.jsonl").write_text("".join(lines[:22]) + lines[22][:40])  # two problems and a bit of the third
    asked = []
    assert run(tmp_path / "torn.jsonl", babi, Simulated(0.5), asked=asked) == whole
    assert asked == [p.id for p in babi[2:]]
    assert run(tmp_path / "many.jsonl", babi, Simulated(0.5), at_once=4) == whole
    assert run(tmp_path / "torn.jsonl", babi, Simulated(0.5), asked=asked) == whole and len(asked) == len(babi) - 2


def test_one_of_ms_marcos_references_is_followed_like_the_whole_answer():
    # Gold are "Ada Lem" or "Dr. Ada Lem"; the trace implies "Ben Roe" or "B. Roe".
    for text, follows in {"Dr. Ada Lem": "context", "B. Roe": "trace", "Nobody": "neither"}.items():
        assert forced.follows(REFERENCES, (text,), ("Ben Roe", "B. Roe")) == follows
