import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekd.data import problems
from tracekd.traces import freeform, templates


@pytest.fixture(scope="module")
def found():
    return problems.load("cotempqa", "generated", size=120, seed=4)


@pytest.fixture(scope="module")
def texts(found):
    return freeform.from_rules(found, seed=1)


def test_templated_texts_are_named_repeat_quote_the_context_and_end_in_the_gold_answer(found, texts):
    """Every quotation is a sentence of the problem, and every year in a text stands in its context."""
    assert len(texts) > 0.9 * len(found) and {text.teacher for text in texts} == {"templated"}
    assert texts == freeform.from_rules(list(reversed(found)), seed=1)[::-1]
    by_id = {p.id: p for p in found}
    for text in texts:
        p = by_id[text.id]
        whole = "\n".join((*p.context, p.question))
        for part in (text.trace, text.summary, text.explanation):
            assert all(quote.rstrip(".") in whole for quote in re.findall(r'"([^"]+)"', part))
            assert set(re.findall(r"\b\d{4}\b", part)) <= set(re.findall(r"\b\d{4}\b", whole))
            assert all(answer in part for answer in p.answers)
        assert all(answer in text.trace.splitlines()[-1] for answer in p.answers)
    assert not freeform.from_rules(problems.load("marco", "generated", size=20, seed=1))


def test_conditions_take_their_text(found, texts):
    made = {c: freeform.build_all(found, c, texts, seed=2) for c in freeform.CONDITIONS}
    name = texts[0].id
    assert made["r1"][name].text == texts[0].trace
    assert made["r1_summary"][name].text == texts[0].summary
    assert made["swapped"][name].text != texts[0].trace
    with pytest.raises(ValueError, match=found[0].id):
        templates.swap(found[:1])
    assert made["r1"][name].classification is None
    with pytest.raises(ValueError, match="'correct'"):
        freeform.build_all(found, "correct", texts)
    with pytest.raises(ValueError, match=f"{name} has no summary"):
        freeform.build_all(found, "r1_summary", [freeform.Texts(name, "x", "y")])
    with pytest.raises(ValueError, match=f"{name} has no trace"):
        freeform.build_all(found, "swapped", [*texts[1:], freeform.Texts(name, "x", "")])


@given(
    st.lists(st.sampled_from(["<", "/", "think", "answer", ">", "&lt;", "&gt;", "<|im_end|>", "x", " "]), max_size=12)
)
def test_no_tag_survives_cleaning(parts):
    text = "".join(parts)
    made = freeform.clean(text)
    assert freeform.clean(made) == made and "<|im_end|>" not in made
    assert not any(tag in made for tag in ("<think>", "</think>", "<answer>", "</answer>"))
    if not set("<&") & set(text):
        assert made == text.strip()
