"""Few-shot prompting: worked examples of the training split before the question."""

import pytest

from tracekd.config import load
from tracekd.data.synthetic.generated import generate
from tracekd.run import Run
from tracekd.students import few_shot, outputs, registry, sft
from tracekd.traces import templates

PROBLEMS = generate("babi", 220, seed=3)


def run():
    return Run("x", load("smoke"), 121, "generated")


def test_examples_are_short_training_problems_of_different_categories():
    found = few_shot.examples(PROBLEMS, run().rng("a"))
    train = [p for p in PROBLEMS if p.split == "train"]
    median = sorted(len(templates.prompt(p)) for p in train)[len(train) // 2]
    assert len(found) == 4 == len({p.category for p in found})
    assert all(p.split == "train" and len(templates.prompt(p)) <= median for p in found)
    assert found == few_shot.examples(PROBLEMS, run().rng("a")) != few_shot.examples(PROBLEMS, run().rng("b"))


def test_where_categories_are_few_the_rest_is_drawn_from_all():
    some = [p for p in PROBLEMS if p.category in ("counting", "conjunction")]
    found = few_shot.examples(some, run().rng("a"))
    assert len({p.id for p in found}) == 4 and {p.category for p in found[:2]} == {"counting", "conjunction"}


def test_too_few_training_problems_are_an_error():
    with pytest.raises(ValueError, match="0 training problems"):
        few_shot.examples([p for p in PROBLEMS if p.split == "test"], run().rng("a"))


def test_both_kinds_show_the_same_problems_one_with_their_gold_traces():
    plain, traced = (few_shot.turns(run(), "babi", c, PROBLEMS) for c in ("few_shot", "few_shot_traces"))
    assert [t["role"] for t in plain] == ["user", "assistant"] * 4
    assert plain[::2] == traced[::2]
    for without, with_trace in zip(plain[1::2], traced[1::2], strict=True):
        assert "<think>" not in without["content"] and with_trace["content"].startswith("<think>")
        assert with_trace["content"].endswith(without["content"].strip())
    assert (
        few_shot.turns(run(), "babi", "prompted", PROBLEMS) == few_shot.turns(run(), "babi", "correct", PROBLEMS) == []
    )


def test_the_turns_stand_before_the_question_and_decide_the_outputs_key():
    tokenizer, question = registry.load_tokenizer("tiny-random"), templates.prompt(PROBLEMS[0])
    before = few_shot.turns(run(), "babi", "few_shot", PROBLEMS)
    text = tokenizer.decode(sft.prompt_ids(tokenizer, question, before))
    place = 0
    for content in (*(turn["content"] for turn in before), question):
        place = text.index(content, place) + len(content)  # raises where a turn does not come next
    recipe = load("smoke").recipe
    keys = {outputs.output_key("s", {"key": "prompted"}, recipe, PROBLEMS[:2], before=turns) for turns in ((), before)}
    assert len(keys) == 2
