"""Generation: greedy, whatever the batch; nothing lost and nothing asked twice."""

import copy
import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from tracekd import machine
from tracekd.config import load
from tracekd.data.synthetic.generated import generate as make
from tracekd.io.records import read_jsonl
from tracekd.students import generate, records, registry, sft, train
from tracekd.traces import templates

ABOUT = {"student": "tiny-random", "dataset": "babi", "condition": "vanilla", "seed": 1}
RECIPE = replace(load("smoke").recipe, max_new_tokens=12, generate_batch=4, learning_rate=1e-2)


@pytest.fixture(scope="module")
def problems():
    return [p for p in make("babi", 110, seed=3) if p.split == "test"][:10]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    chosen = [p for p in make("babi", 110, seed=3) if p.split == "train"][:16]
    train.train("tiny-random", sft.build(chosen, "vanilla", seed=1), RECIPE, seed=1, folder=folder)
    return folder


def complete(path, problems, adapter, recipe=RECIPE):
    asker = generate.Asker("tiny-random", recipe)
    asker.complete(path, problems, adapter, ABOUT)
    return {row["id"]: row for row in read_jsonl(path)}, asker


def test_greedy_and_cached_as_the_plain_way(problems, adapter, tmp_path):
    """Against one prompt at a time, no padding, no cache, the largest logit taken by hand."""
    rows, asker = complete(tmp_path / "o.jsonl", problems, adapter)
    tokenizer, end = asker.tokenizer, sft.end_token(asker.tokenizer)
    for problem in problems[:4]:
        ids = sft.prompt_ids(tokenizer, templates.prompt(problem))
        new = []
        while len(new) < RECIPE.max_new_tokens:
            token = int(asker.asked(input_ids=torch.tensor([ids + new])).logits[0, -1].argmax())
            if token == end:
                break
            new.append(token)
        assert rows[problem.id]["text"] == tokenizer.decode(new, skip_special_tokens=True)
        assert rows[problem.id]["finished"] == (len(new) < RECIPE.max_new_tokens)


def test_adapter_does_something_and_is_merged_only_where_that_is_exact(problems, adapter, tmp_path):
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

    tuned, asker = complete(tmp_path / "a.jsonl", problems, adapter)
    merged, before = asker.asked, {n: w.clone() for n, w in asker.base.named_parameters()}
    assert not any(isinstance(m, LoraLayer) for m in merged.modules())
    beside = PeftModel.from_pretrained(copy.deepcopy(asker.base), str(adapter)).eval()
    ids = torch.arange(40).reshape(2, 20) + 100
    # Two fp32 evaluations of one function: logits of size 1 to 10 agree to some 1e-6 a sum of a hundred products.
    assert torch.allclose(merged(ids).logits, beside(ids).logits, atol=1e-4)
    asker.complete(tmp_path / "p.jsonl", problems, None, ABOUT)
    assert all(torch.equal(w, before[n]) for n, w in asker.base.named_parameters())  # the adapter is off again
    plain = {row["id"]: row["text"] for row in read_jsonl(tmp_path / "p.jsonl")}
    assert plain != {i: r["text"] for i, r in tuned.items()}
    for weight in asker.base.parameters():
        weight.data = weight.data.to(torch.bfloat16)
    rounded = generate.adapted(asker.base, adapter)
    layers = [m for m in rounded.modules() if isinstance(m, LoraLayer)]
    assert layers and not any(layer.merged for layer in layers)


def test_where_memory_is_short_fewer_rows_answer_the_same(problems, adapter, tmp_path, monkeypatch):
    whole, asker = complete(tmp_path / "whole.jsonl", problems, adapter)
    model, prompts = registry.load_model("tiny-random", quantise=False), [templates.prompt(p) for p in problems]
    places = max(len(sft.prompt_ids(asker.tokenizer, text)) for text in prompts) + RECIPE.max_new_tokens
    layers = model(torch.arange(places)[None] + 100, use_cache=True).past_key_values.layers
    row = 2 * sum(states.nbytes for layer in layers for states in (layer.keys, layer.values))  # there twice as it grows
    monkeypatch.setattr(machine, "cache_room", lambda: 2.5 * row)
    sizes, real = [], generate.greedy
    monkeypatch.setattr(generate, "greedy", lambda m, rows, **o: sizes.append(len(rows)) or real(m, rows, **o))
    few, _ = complete(tmp_path / "few.jsonl", problems, adapter)
    assert {i: r["text"] for i, r in few.items()} == {i: r["text"] for i, r in whole.items()}
    assert sizes[0] == 2 and max(sizes) <= RECIPE.generate_batch and sum(sizes) == len(problems)


def test_a_torn_file_goes_on_and_nothing_is_asked_twice(problems, adapter, tmp_path, monkeypatch):
    whole, _ = complete(tmp_path / "whole.jsonl", problems, adapter)
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    torn = tmp_path / "torn.jsonl"
    torn.write_text("".join(lines[:4]) + lines[4][:30])  # killed while the fifth line was written
    asked, real = [], generate.greedy
    monkeypatch.setattr(generate, "greedy", lambda m, rows, **o: asked.extend(rows) or real(m, rows, **o))
    rows, _ = complete(torn, problems, adapter)
    assert {i: r["text"] for i, r in rows.items()} == {i: r["text"] for i, r in whole.items()}
    assert len(asked) == len(problems) - 4  # the first batch of 4 was whole
    # One answer of the second batch gone: its whole batch is asked again, in the same company.
    torn.write_text("".join(lines[:5] + lines[6:]))
    asked.clear()
    rows, _ = complete(torn, problems, adapter)
    assert len(asked) == 4
    assert {i: r["text"] for i, r in rows.items()} == {i: r["text"] for i, r in whole.items()}
    asked.clear()
    complete(torn, problems, adapter)
    assert asked == []


def test_a_student_taught_long_targets_has_room_to_write_them(problems, adapter, tmp_path):
    """The smoke recipe's room is 0; with 1.5 the limit is 1.5 times the longest target in tokens, end included."""
    longest = records.read_record(adapter)["longest_target"]
    narrow, wide = (replace(RECIPE, max_new_tokens=3, room=room) for room in (0, 1.5))
    assert records.limit_of(wide, {}) == 3
    short, _ = complete(tmp_path / "short.jsonl", problems, adapter, narrow)
    long, _ = complete(tmp_path / "long.jsonl", problems, adapter, wide)
    assert max(r["n_tokens"] for r in short.values()) == 3
    assert {r["n_tokens"] for r in long.values() if not r["finished"]} == {math.ceil(1.5 * longest)}


def test_a_gpu_asks_a_small_student_in_fp32_unless_its_weights_are_packed(monkeypatch):
    plain, packed = (registry.load_model("tiny-random", quantise=False, dtype=torch.bfloat16) for _ in range(2))
    packed.is_loaded_in_4bit = True
    monkeypatch.setattr(type(plain), "device", torch.device("cuda"))  # all that is faked
    for model, kind in ((plain, torch.float32), (packed, torch.bfloat16)):
        monkeypatch.setattr(registry, "load_base", lambda *_, found=model: found)
        assert generate.loaded("tiny-random").dtype == kind


@torch.inference_mode()
@pytest.mark.parametrize("begin", [0, 1, 40])
def test_sharing_what_prompts_begin_with_changes_nothing(begin, monkeypatch):
    """Logits and greedy continuations with the beginning run once, against each prompt run whole by itself."""
    model = generate.loaded("tiny-random")
    shared = list(range(100, 100 + begin))
    prompts = [shared + list(range(300 + 20 * i, 305 + 20 * i + 3 * i)) for i in range(9, 0, -1)]
    monkeypatch.setattr(generate, "SPARED", 1)
    logits, _, mask = generate.prefill(model, prompts, 0)
    assert mask.sum(1).tolist() == list(map(len, prompts))
    assert torch.allclose(logits, torch.cat([model(torch.tensor([row])).logits[:, -1] for row in prompts]), atol=1e-5)
    made = generate.greedy(model, prompts, end=-1, pad=0, limit=6)
    assert made == [generate.greedy(model, [row], end=-1, pad=0, limit=6)[0] for row in prompts]


@torch.inference_mode()
@given(st.lists(st.integers(1, 5) | st.lists(st.integers(0, 2), min_size=1, max_size=3), min_size=2), st.integers(1, 8))
def test_a_growing_cache_holds_what_the_plain_one_holds(steps, room):
    """After any order of new tokens (how many) and of rows that stay (which), in the library's layer and in ours."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(generate, "ROOM", room)
        rows, layers, draws = 3, (DynamicLayer(), generate.Growing()), torch.Generator().manual_seed(room)
        for step in steps:
            if isinstance(step, int):
                new = [torch.rand(rows, 2, step, 4, generator=draws) for _ in range(2)]
                found = [layer.update(*new) for layer in layers]
                assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
            elif layers[0].get_seq_length():
                kept = torch.tensor([row % rows for row in step])
                rows = len(kept)
                for layer in layers:
                    layer.batch_select_indices(kept)
        assert layers[1].get_seq_length() == layers[0].get_seq_length()


@torch.inference_mode()
def test_a_new_token_copies_no_other_until_the_room_is_full(monkeypatch):
    monkeypatch.setattr(generate, "ROOM", 3)
    layer, places = generate.Growing(), []
    for _ in range(10):
        layer.update(torch.rand(2, 2, 1, 4), torch.rand(2, 2, 1, 4))
        places.append(layer.keys.data_ptr())
    # The first token makes the cache, the second room for itself and two more, the fifth and the eighth again.
    assert [new != old for old, new in pairwise(places)] == [True, False, False] * 3
