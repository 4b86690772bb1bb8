"""Training interventions: wrong in the step and in the share that is meant, and in nothing else."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekd import config
from tracekd.data.splits import count_labels
from tracekd.data.synthetic.generated import generate
from tracekd.run import Run
from tracekd.students import adapters, registry, sft
from tracekd.traces import templates
from tracekd.traces import training_interventions as ti
from tracekd.traces.verify import verify

SETS = {name: [p for p in generate(name, 120, seed=5) if p.split == "train"] for name in ("babi", "cotempqa", "marco")}


def judged(problems, condition, seed=1):
    """(classification right, retrieval right) of each problem's trace."""
    made = ti.build_all(problems, condition, seed=seed)
    found = (verify(made[p.id], p) for p in problems)
    return [(v.classification, v.retrieval) for v in found]


@pytest.mark.parametrize("name", SETS)
def test_one_step_is_wrong_in_every_trace_and_the_other_in_none(name):
    assert set(judged(SETS[name], "wrong_label")) == {(False, True)}
    assert set(judged(SETS[name], "wrong_facts")) == {(True, False)}


@pytest.mark.parametrize("name", SETS)
def test_a_dose_falls_on_just_its_share_with_the_traces_of_the_two_ends(name):
    problems = SETS[name]
    ends = {c: {p.id: templates.build(p, c, seed=1).text for p in problems} for c in ("correct", "incorrect")}
    for condition, percent in ti.DOSES.items():
        made = ti.build_all(problems, condition, seed=1)
        wrong = ti.dosed([p.id for p in problems], percent, 1)
        assert len(wrong) == round(len(problems) * percent / 100)
        assert all(made[p.id].text == ends["incorrect" if p.id in wrong else "correct"][p.id] for p in problems)


@given(st.lists(st.text(min_size=1), unique=True), st.floats(0, 100), st.floats(0, 100), st.integers(0, 3))
def test_a_higher_dose_holds_a_lower_one_whatever_the_order(ids, one, other, seed):
    low, high = sorted([one, other])
    assert ti.dosed(ids, low, seed) <= ti.dosed(ids[::-1], high, seed) <= set(ids)
    assert ti.dosed(ids, 100, seed) == set(ids) and not ti.dosed(ids, 0, seed)


@pytest.fixture(scope="module")
def tokenizer():
    return registry.load_tokenizer("smollm2-135m")


@pytest.mark.parametrize("name", SETS)
def test_filler_has_the_tokens_of_the_correct_trace_and_says_nothing(name, tokenizer):
    made = ti.build_all(SETS[name], "filler", seed=1, tokenizer=tokenizer)
    for problem in SETS[name]:
        text = made[problem.id].text
        pair = (text, templates.build(problem, "correct").text)
        assert len({len(tokenizer(part, add_special_tokens=False).input_ids) for part in pair}) == 1
        assert set(text.split()) == {ti.DOTS} and templates.read(text) == (None, None)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("condition", ti.KINDS)
def test_a_kind_of_wrong_traces_is_that_of_its_style(name, condition):
    made = ti.build_all(SETS[name], condition, seed=1)
    style = condition.removeprefix("incorrect_")
    for problem in SETS[name]:
        trace = templates.build(problem, "incorrect", seed=1, style=style)
        assert (made[problem.id].condition, made[problem.id].text) == (condition, trace.text)
        assert trace.classification != problem.category and not set(trace.retrieval) & set(problem.facts)


@pytest.mark.parametrize("name", SETS)
def test_blind_traces_are_right_as_often_as_chance_has_it(name):
    problems = count_labels(SETS[name])
    made = ti.build_all(problems, "any", seed=1)
    assert made == ti.build_all(problems[::-1], "any", seed=1) != ti.build_all(problems, "any", seed=2)
    hits = gold = labels = 0.0
    for p in problems:
        trace, pool = made[p.id], set(p.context)
        assert set(trace.retrieval) <= pool and len(trace.retrieval) == max(len(p.evidence), 1)
        hits += len(set(trace.retrieval) & set(p.facts))
        gold += len(trace.retrieval) * len(set(p.facts)) / len(pool)  # expected hits of a draw without replacement
        labels += trace.classification == p.category
    shares = np.array(list(Counter(p.category for p in problems).values())) / len(problems)
    # Standard errors of about 96 problems: at most 0.05 for the label, and less than the root of the hits.
    assert abs(hits - gold) <= 2.5 * gold**0.5 and abs(labels / len(problems) - (shares**2).sum()) <= 0.15


@pytest.mark.parametrize("name", SETS)
def test_foreign_traces_are_the_correct_ones_paired_wrongly(name):
    problems, made = SETS[name], ti.build_all(SETS[name], "foreign", seed=1)
    right = {p.id: templates.build(p, "correct").text for p in problems}
    assert sorted(trace.text for trace in made.values()) == sorted(right.values())
    assert made == ti.build_all(problems[::-1], "foreign", seed=1)
    # The right trace comes by chance alone: two problems may have the same label and facts (no facts, in MS MARCO).
    assert np.mean([made[p.id].text == right[p.id] for p in problems]) <= 0.2


def test_sft_sets_have_the_same_problems_prompts_and_answers_in_every_condition(tokenizer):
    given = {"filler": {"tokenizer": tokenizer}}
    sets = {c: sft.build(SETS["babi"], c, seed=1, **given.get(c, {})) for c in ("correct", *ti.CONDITIONS)}
    ends = {c: [(e.id, e.prompt, e.target.split("</think>")[1]) for e in made] for c, made in sets.items()}
    assert all(rows == ends["correct"] for rows in ends.values())
    assert {c for c, made in sets.items() for e in made if e.condition != c} == set()


def test_conditions_of_one_data_set_are_trained_on_that_set_alone(tmp_path):
    smoke = config.load("smoke")
    profile = replace(smoke, conditions=("vanilla",), also={"cotempqa": ("swapped",)})
    run = Run("x", profile, 121, "generated", tmp_path)
    assert adapters.jobs(run) == [(d, c, 121) for d, c in (
        ("cotempqa", "vanilla"), ("cotempqa", "swapped"), ("marco", "vanilla"), ("babi", "vanilla"))]  # fmt: skip
