from dataclasses import replace

import pytest

from tracekd import check_freeform, freeform, problems, templated


@pytest.fixture(scope="module")
def found():
    return problems.load("cotempqa", "generated", size=120, seed=4)


@pytest.fixture(scope="module")
def texts(found):
    return freeform.from_rules(found, seed=1)


def test_templated_texts_are_named_and_repeat(found, texts):
    assert len(texts) > 0.9 * len(found)
    assert {text.teacher for text in texts} == {"templated"}
    assert texts == freeform.from_rules(list(reversed(found)), seed=1)[::-1]
    assert all(text.trace and text.summary and text.explanation for text in texts)


@pytest.mark.parametrize("dataset", ["cotempqa", "babi"])
def test_no_claim_of_a_templated_text_is_false(dataset):
    made = problems.load(dataset, "generated", size=150, seed=6)
    by_id = {p.id: p for p in made}
    for text in freeform.from_rules(made):
        for part in (text.trace, text.summary, text.explanation):
            claims, _ = check_freeform.check(by_id[text.id], part)
            assert all(claim.true for claim in claims), [c.text for c in claims if not c.true]


def test_lengths_are_those_of_real_traces(shared_data):
    """R1's ten retyped traces have 204 to 655 words; the templated ones on the same set lie within."""
    made = problems.load("cotempqa", str(shared_data))
    lengths = [len(text.trace.split()) for text in freeform.from_rules(made[::7])]
    assert 204 < sorted(lengths)[len(lengths) // 2] < 655


def test_a_wrong_date_is_found(found, texts):
    p = next(p for p in found if p.id == texts[0].id)
    lie = texts[0].trace.replace("began", "started")
    year = next(
        word for word in lie.split("- ")[1].split() if word.strip(".,").isdigit() and len(word.strip(".,")) == 4
    )
    lie = lie.replace(year, "1234.")
    claims, _ = check_freeform.check(p, lie)
    assert not all(claim.true for claim in claims)


def test_coverage_is_reported(found, texts):
    p = next(p for p in found if p.id == texts[0].id)
    table = check_freeform.report([(p, texts[0].trace), (p, "Hello there. Nothing here.")])
    assert table.coverage[0] > 0.2 and table.coverage[1] == 0


@pytest.mark.parametrize("same_category", [False, True])
def test_swapped_is_never_ones_own(found, same_category):
    given = freeform.swap(found, seed=3, same_category=same_category)
    assert set(given) == set(given.values()) == {p.id for p in found}
    assert all(own != other for own, other in given.items())
    assert given == freeform.swap(list(reversed(found)), seed=3, same_category=same_category)
    if same_category:
        assert all(own.split("/")[1] == other.split("/")[1] for own, other in given.items())
    with pytest.raises(ValueError, match="nothing to swap"):
        freeform.swap(found[:1])


def test_conditions_take_their_text(found, texts):
    made = {c: freeform.build_all(found, c, texts, seed=2) for c in freeform.CONDITIONS}
    name = texts[0].id
    assert made["r1"][name].text == texts[0].trace
    assert made["r1_summary"][name].text == texts[0].summary
    assert made["swapped"][name].text != texts[0].trace
    assert made["r1"][name].classification is None
    with pytest.raises(ValueError, match="not free-form"):
        freeform.build_all(found, "correct", texts)
    with pytest.raises(ValueError, match="no summary"):
        freeform.build_all(found, "r1_summary", [freeform.Texts(name, "x", "y")])
    with pytest.raises(ValueError, match="1 texts have no trace"):
        freeform.build_all(found, "swapped", [*texts[1:], freeform.Texts(name, "x", "")])


def test_texts_on_another_problem_of_the_same_id_are_refused(found, texts):
    """Sets of two seeds share their ids, and no problem: traces of one are no traces for the other."""
    others = problems.load("cotempqa", "generated", size=60, seed=77)
    assert {p.id for p in others} & {text.id for text in texts}
    with pytest.raises(ValueError, match="were written on other problems of the same id"):
        freeform.build_all(others, "r1", texts)
    unchecked = [replace(text, problem="") for text in texts]
    assert freeform.build_all(others, "r1", unchecked)


def test_templated_has_nothing_on_marco():
    assert templated.write(problems.load("marco", "generated", size=20, seed=1)[0]) is None
