"""Keys of recorded adapters and outputs, few-shot prompts, and problems that leave no room for an answer."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tracekd.config import load
from tracekd.data.problem import Problem
from tracekd.data.synthetic.generated import generate
from tracekd.run import Run
from tracekd.students import records, registry, sft
from tracekd.traces import templates

PROBLEMS = generate("babi", 220, seed=3)
RECIPE = load("cpu").recipe
EXAMPLE = sft.Example(
    "babi/1/0001", "babi", "correct", "Where is Ann?", "<think>kitchen</think><answer>kitchen</answer>"
)
CONTEXT = ("Ann went to the kitchen.", "Bob went to the hall.")
PROBLEM = Problem("babi/conjunction/0001", "babi", "conjunction", CONTEXT, "Where is Ann?", ("kitchen",), (0,), "test")
TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


# Recorded values: with others all that is recorded counts as missing. "owner/model" is a Hub id.
@pytest.mark.parametrize(("changes", "seed", "key"), [
    ({}, 121, "b0bb7b41c1b41bec"),
    ({"learning_rate": 2e-4, "habits": "as_published", "quantise": False}, 122, "21b31d6ecd8b2bb0"),
])  # fmt: skip
def test_keys_of_adapters(changes, seed, key):
    assert records.adapter_key("owner/model", [EXAMPLE], replace(RECIPE, **changes), seed)[:16] == key


@pytest.mark.parametrize(("record", "before", "key"), [
    ({"key": "prompted"}, (), "a34c85e65caf02ac"),
    ({"key": "abc", "weights": "w", "longest_target": 200}, (), "4d2367f12150a4aa"),
    ({"key": "prompted"}, TURNS, "bb3d9291d71a57b9"),
])  # fmt: skip
def test_keys_of_outputs(record, before, key):
    assert records.output_key("s", record, RECIPE, [PROBLEM], before) == key


def test_what_does_not_decide_an_adapter_does_not_change_its_key():
    key = records.adapter_key("owner/model", [EXAMPLE], RECIPE, 1)
    assert key == records.adapter_key("owner/model", [replace(EXAMPLE, teacher="templated")], RECIPE, 1)
    assert key == records.adapter_key("owner/model", [EXAMPLE], replace(RECIPE, generate_batch=1, max_new_tokens=9), 1)
    changed = [replace(RECIPE, learning_rate=1e-5), replace(RECIPE, batch=2), replace(RECIPE, lora_r=4)]
    others = [records.adapter_key("owner/model", [EXAMPLE], recipe, 1) for recipe in changed]
    assert len({key, *others, records.adapter_key("owner/model", [EXAMPLE], RECIPE, 2)}) == 5
    # What cuts the examples decides, and how an untrained student's weights are held.
    cut = [replace(RECIPE, habits="as_published", max_tokens=limit) for limit in (60, 1024)]
    assert len({records.adapter_key("owner/model", [EXAMPLE], recipe, 1) for recipe in cut}) == 2
    recipes = RECIPE, replace(RECIPE, quantise=False)
    assert len({records.output_key("s", records.PROMPTED, recipe, [PROBLEM]) for recipe in recipes}) == 2


def run():
    return Run("x", load("smoke"), 121, "generated")


def test_worked_examples_are_short_training_problems_of_different_categories():
    found, other = (records.worked_examples(PROBLEMS, run().rng(name)) for name in "ab")
    train = [p for p in PROBLEMS if p.split == "train"]
    median = sorted(len(templates.prompt(p)) for p in train)[len(train) // 2]
    assert len(found) == 4 == len({p.category for p in found})
    assert all(p.split == "train" and len(templates.prompt(p)) <= median for p in found)
    assert found == records.worked_examples(PROBLEMS, run().rng("a")) != other
    few = [p for p in PROBLEMS if p.category in ("counting", "conjunction")]  # where categories are few: from all
    assert len({p.id for p in records.worked_examples(few, run().rng("a"))}) == 4
    with pytest.raises(ValueError, match="0 training problems"):
        records.worked_examples([p for p in PROBLEMS if p.split == "test"], run().rng("a"))


def test_both_kinds_show_the_same_problems_one_with_their_gold_traces_before_the_question(monkeypatch):
    monkeypatch.setattr(records, "kept_problems", lambda _: {"babi": PROBLEMS})
    plain, traced = (records.turns(run(), "babi", c) for c in ("few_shot", "few_shot_traces"))
    assert [t["role"] for t in plain] == ["user", "assistant"] * 4
    assert plain[::2] == traced[::2]
    for without, with_trace in zip(plain[1::2], traced[1::2], strict=True):
        assert "<think>" not in without["content"] and with_trace["content"].startswith("<think>")
        assert with_trace["content"].endswith(without["content"].strip())
    assert records.turns(run(), "babi", "prompted") == records.turns(run(), "babi", "correct") == []
    tokenizer, question = registry.load_tokenizer("tiny-random"), templates.prompt(PROBLEMS[0])
    text, place = tokenizer.decode(sft.prompt_ids(tokenizer, question, plain)), 0
    for content in (*(turn["content"] for turn in plain), question):
        place = text.index(content, place) + len(content)  # raises where a turn does not come next


def test_test_problems_need_room_for_their_answer(capsys, monkeypatch):
    tokenizer, recipe = registry.load_tokenizer("tiny-random"), load("smoke").recipe
    asked = [replace(PROBLEM, id=f"own/{words}", context=("z " * words,)) for words in (50, 51)]
    longest, more = (len(sft.prompt_ids(tokenizer, templates.prompt(p))) for p in asked)
    config = SimpleNamespace(max_position_embeddings=longest + recipe.max_new_tokens)
    monkeypatch.setattr(registry, "load_config", lambda _: config)
    assert more > longest and records.answerable(run(), "own", asked) == asked[:1]
    assert "own: test problems with no room for max_new_tokens" in capsys.readouterr().out
    strict = run()
    strict.profile = replace(strict.profile, recipe=replace(recipe, leave_out=0.1))
    with pytest.raises(ValueError, match=r"leave_out = 0\.5"):
        records.answerable(strict, "own", asked)
