"""Keys of recorded adapters and outputs: they must stay as they are, or everything recorded counts as missing."""

from dataclasses import replace

import pytest

from tracekd.config import Recipe
from tracekd.data.problem import Problem
from tracekd.students import adapters, outputs, sft

RECIPE = Recipe(
    epochs=1, learning_rate=1e-3, batch=4, accumulation=1, max_tokens=2048, max_new_tokens=160, generate_batch=64
)
EXAMPLE = sft.Example(
    "babi/1/0001", "babi", "correct", "Where is Ann?", "<think>kitchen</think><answer>kitchen</answer>"
)
CONTEXT = ("Ann went to the kitchen.", "Bob went to the hall.")
PROBLEM = Problem("babi/conjunction/0001", "babi", "conjunction", CONTEXT, "Where is Ann?", ("kitchen",), (0,), "test")
TURNS = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


# The values of commit e1010f6, before recipes lost `packing` and outputs their backend; "owner/model" is a Hub id.
@pytest.mark.parametrize(
    ("changes", "seed", "key"),
    [
        ({}, 121, "b0bb7b41c1b41bec076ff8024c669ed350fd1a6f657e19917094d41dddba2ac2"),
        (
            {"learning_rate": 2e-4, "habits": "as_published", "quantise": False},
            122,
            "3a7236800abb63a5bd5179da0b71b34ab85d588327c5457525fa790159bc81ed",
        ),
    ],
)
def test_keys_of_adapters(changes, seed, key):
    assert adapters.key("owner/model", [EXAMPLE], replace(RECIPE, **changes), seed) == key


@pytest.mark.parametrize(
    ("record", "before", "key"),
    [
        ({"key": "prompted"}, (), "a34c85e65caf02ac"),
        ({"key": "abc", "weights": "w", "longest_target": 200}, (), "4d2367f12150a4aa"),
        ({"key": "prompted"}, TURNS, "bb3d9291d71a57b9"),
    ],
)
def test_keys_of_outputs(record, before, key):
    assert outputs.output_key("s", record, RECIPE, [PROBLEM], before) == key


def test_what_does_not_decide_an_adapter_does_not_change_its_key():
    key = adapters.key("owner/model", [EXAMPLE], RECIPE, 1)
    assert key == adapters.key("owner/model", [replace(EXAMPLE, teacher="templated")], RECIPE, 1)
    assert key == adapters.key("owner/model", [EXAMPLE], replace(RECIPE, generate_batch=1, max_new_tokens=9), 1)
    changed = [replace(RECIPE, learning_rate=1e-5), replace(RECIPE, batch=2), replace(RECIPE, lora_r=4)]
    others = [adapters.key("owner/model", [EXAMPLE], recipe, 1) for recipe in changed]
    assert len({key, *others, adapters.key("owner/model", [EXAMPLE], RECIPE, 2)}) == 5
