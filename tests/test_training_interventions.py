"""Training interventions: wrong in the step and in the share that is meant, and in nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekd import adapters, profiles, sft, traces
from tracekd import training_interventions as ti
from tracekd.generated import generate
from tracekd.verify import verify

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
    ends = {c: {p.id: traces.build(p, c, seed=1).text for p in problems} for c in ("correct", "incorrect")}
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


def test_another_seed_draws_other_problems():
    ids = [str(i) for i in range(40)]
    assert ti.dosed(ids, 50, 1) == ti.dosed(ids, 50, 1) != ti.dosed(ids, 50, 2)


@pytest.mark.parametrize("name", SETS)
def test_filler_has_the_words_of_the_correct_trace_and_says_nothing(name):
    made = ti.build_all(SETS[name], "filler", seed=1)
    for problem in SETS[name]:
        words = made[problem.id].text.split()
        assert len(words) == len(traces.build(problem, "correct").text.split()) and set(words) == {ti.DOTS}
        assert traces.read(made[problem.id].text) == (None, None)


def test_sft_sets_have_the_same_problems_prompts_and_answers_in_every_condition():
    sets = {c: sft.build(SETS["babi"], c, seed=1) for c in ("correct", *ti.CONDITIONS)}
    ends = {c: [(e.id, e.prompt, e.target.split("</think>")[1]) for e in made] for c, made in sets.items()}
    assert all(rows == ends["correct"] for rows in ends.values())
    assert {c for c, made in sets.items() for e in made if e.condition != c} == set()


def test_an_unknown_condition_is_named():
    with pytest.raises(ValueError, match="'incorrect_33' is no training intervention: expected one of wrong_label"):
        ti.build_all([], "incorrect_33")


def test_conditions_of_one_data_set_are_trained_on_that_set_alone(tmp_path):
    smoke = profiles.load("smoke")
    profile = replace(smoke, conditions=("vanilla",), also={"cotempqa": ("swapped",)})
    run = profiles.Run("x", profile, 121, "generated", tmp_path)
    assert adapters.jobs(run) == [(d, c, 121) for d, c in (
        ("cotempqa", "vanilla"), ("cotempqa", "swapped"), ("marco", "vanilla"), ("babi", "vanilla"))]  # fmt: skip
