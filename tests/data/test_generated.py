"""Generated problems: the planted truth is found again from the text alone, by the rules for the real files."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekd.data import problem
from tracekd.data.load_cotempqa import TRIPLES
from tracekd.data.load_marco import NO_ANSWER
from tracekd.data.problem import CATEGORIES, DATASETS, Problem
from tracekd.data.synthetic import generated
from tracekd.data.synthetic.marco import TOPICS
from tracekd.decompose.derive import derive

SIZE = {"cotempqa": 240, "marco": 240, "babi": 400}
seeds = st.integers(0, 2**31 - 1)
few = settings(max_examples=15)


@pytest.fixture(scope="module", params=DATASETS)
def made(request):
    return generated.generate(request.param, SIZE[request.param], seed=121)


def test_a_seed_decides_every_draw(made):
    again, other = (generated.generate(made[0].dataset, len(made), seed=seed) for seed in (121, 122))
    assert again == made and not {p.context for p in made} & {p.context for p in other if len(p.context) > 9}


def test_each_problem_comes_once_with_an_id_of_its_own(made):
    problem.check(made)
    assert len({problem.key(p) for p in made}) == len(made)
    for p in made:
        assert re.fullmatch(r"\w+/[\w-]+/\d{4}", p.id) and p.id.split("/")[:2] == [p.dataset, p.category]
        assert all(0 <= i < len(p.context) for i in p.evidence) and tuple(sorted(set(p.evidence))) == p.evidence


@pytest.mark.parametrize("dataset", DATASETS)
def test_smallest_size_has_each_category_in_each_split(dataset):
    least = 2 * len(CATEGORIES[dataset])
    made = generated.generate(dataset, least, seed=0)
    assert {(p.category, p.split) for p in made} == {(c, s) for c in CATEGORIES[dataset] for s in ("train", "test")}
    with pytest.raises(ValueError, match=f"size >= {least}"):
        generated.generate(dataset, least - 1, seed=0)
    with pytest.raises(ValueError, match=r"'squad'.*cotempqa, marco, babi"):
        generated.generate("squad", least, seed=0)


@few
@given(seeds)
@pytest.mark.parametrize("dataset", ["cotempqa", "babi"])
def test_gold_steps_follow_from_context_and_question(dataset, seed):
    """The rules of ``derive``, written for the real files, find the planted steps again."""
    for p in generated.generate(dataset, 220 if dataset == "babi" else 40, seed):
        derived = derive(p)
        assert (derived.category, derived.evidence) == (p.category, p.evidence), p
        assert sorted(derived.answers) == sorted(p.answers)
        assert all(p.context.count(fact) == 1 for fact in p.facts)
        if dataset == "babi":
            assert derive(replace(p, context=p.facts)).answers == p.answers, p


def test_every_form_that_the_real_sets_have_is_drawn():
    """What corruption, forced traces and the rules' conventions are about."""
    made = generated.generate("cotempqa", 600, seed=3)
    assert {p.meta["triple_element"] for p in made} == set(TRIPLES)
    assert {len(p.evidence) for p in made} >= {1, 2, 3} and all(len(p.context) > len(p.evidence) + 4 for p in made)
    words = " ".join(fact for p in made for fact in p.context)
    assert re.search(r" in \d{4}\.", words) and re.search(r" from \w+, \d{4} to ", words)
    assert re.search(r" from \w+ \d+, \d{4} to ", words)
    stories = generated.generate("babi", 4149, seed=3)
    left = {len(p.context) - len(p.evidence) for p in stories}
    assert {0, 1, 2} <= left  # all facts are gold, all but one, and more
    assert {("nothing",), ("none",), ("two",)} <= {p.answers for p in stories}
    assert any(len(p.answers) == 2 for p in stories)
    assert {p.answers == (NO_ANSWER,) for p in generated.generate("marco", 60, seed=3)} == {True, False}


# MARCO: which passages tell what is asked for, by the wording.


def telling(p: Problem) -> list[int]:
    """The passages that tell the attribute asked for of the topic asked about."""
    topic, hits = p.meta["topic"], set()
    for attribute in (a for kind in TOPICS.values() for a in kind["attributes"]):
        if any(q.replace("{e}", topic.lower()) == p.question for q in attribute["questions"]):
            assert attribute["query_type"] == p.category
            value = re.sub(r"\\\{.+?\\\}", "[^!?]+?", re.escape(attribute["value"]))
            for form in attribute["sentences"]:
                pattern = re.escape(form[0].upper() + form[1:]).replace(r"\{e\}", re.escape(topic))
                pattern = pattern.replace(r"\{v\}", value)
                hits |= {i for i, text in enumerate(p.context) if re.search(rf"(^|\. ){pattern}( |$)", text)}
    return sorted(hits)


@few
@given(seeds)
def test_marco_answers_stand_in_the_selected_passage_alone(seed):
    for p in generated.generate("marco", 60, seed):
        assert len(p.context) == 10 and len(p.answers) == 1 and telling(p) == list(p.evidence)
        if p.evidence:
            value = p.meta["value"]
            assert value in p.facts[0] and value.lower() in p.answers[0].lower() and p.meta["topic"] in p.facts[0]
        else:
            assert p.answers == (NO_ANSWER,)
