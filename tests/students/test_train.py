"""Training: the loss where it should fall, the seed before the adapter, one adapter from one seed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from scipy.stats import spearmanr

from tracekd.analysis import train_tables
from tracekd.config import load
from tracekd.data.synthetic.generated import generate
from tracekd.students import adapters, batches, memory, registry, sft, train, trainer

RECIPE = replace(load("smoke").recipe, batch=4)


@pytest.fixture(scope="module")
def examples():
    chosen = [p for p in generate("babi", 110, seed=3) if p.split == "train"][:12]
    return sft.build(chosen, "correct", seed=1)


@pytest.fixture(scope="module")
def tokenizer():
    return registry.load_tokenizer("tiny-random")


def adapter(folder):
    return load_file(folder / "adapter_model.safetensors")


def test_loss_is_the_mean_over_completion_tokens_of_the_whole_model(examples, tokenizer, tmp_path):
    """Against the plain way: one example at a time, unpadded, the full logits, and the targets picked by hand."""
    encoded = sft.encode_all(examples[:4], tokenizer, 4096)
    model = train.lora_model("tiny-random", RECIPE, seed=1).eval()
    total, count = 0.0, 0
    for e in encoded:
        ids = torch.tensor([[*e.prompt_ids, *e.target_ids]])
        logits = model(input_ids=ids).logits[0].float().log_softmax(-1)
        start = len(e.prompt_ids)
        # the token at place i is predicted at place i - 1
        total -= sum(float(logits[start + i - 1, t].detach()) for i, t in enumerate(e.target_ids))
        count += len(e.target_ids)
    made = train._trainer("tiny-random", encoded, tokenizer, RECIPE, 1, tmp_path)
    assert [e["labels"].count(batches.IGNORED) for e in train.features(encoded)] == [len(e.prompt_ids) for e in encoded]
    batch = batches.Collator(tokenizer.pad_token_id)(train.features(encoded))
    found = made.compute_loss(made.model.eval(), batch)
    assert float(found.detach()) == pytest.approx(total / count, rel=1e-5)
    tallies = made.tallies
    assert tallies[sft.TRACE][1] + tallies[sft.ANSWER][1] == count
    assert tallies[sft.TRACE][0] + tallies[sft.ANSWER][0] == pytest.approx(total, rel=1e-5)


def test_the_seed_is_set_before_the_adapter_is_made():
    """Whatever state the generators are in, the same seed gives the same first values, another seed others."""
    first = train.lora_model("tiny-random", RECIPE, seed=7).state_dict()
    torch.rand(99), np.random.rand(9)
    again = train.lora_model("tiny-random", RECIPE, seed=7).state_dict()
    other = train.lora_model("tiny-random", RECIPE, seed=8).state_dict()
    names = [n for n in first if "lora_A" in n]
    assert names
    assert all(torch.equal(first[n], again[n]) for n in names)
    assert not any(torch.equal(first[n], other[n]) for n in names)


def test_the_base_is_nf4_with_double_quantisation_and_only_lora_learns(monkeypatch):
    from bitsandbytes.nn import Linear4bit

    unpacked = train.lora_model("tiny-random", RECIPE, seed=1)
    monkeypatch.setattr(train.nf4, "PART", 0)  # no memory for plain weights: they stay packed
    model = train.lora_model("tiny-random", RECIPE, seed=1)
    layers = [m for m in model.modules() if isinstance(m, Linear4bit)]
    assert len(layers) == 2 * len(registry.TARGETS)
    assert {m.weight.quant_state.quant_type for m in layers} == {"nf4"}
    assert all(m.weight.quant_state.nested for m in layers)
    for made in (model, unpacked):
        learning = {n for n, p in made.named_parameters() if p.requires_grad}
        assert learning and all("lora_" in n for n in learning)
        assert len(learning) == 2 * len(layers)
    ids = torch.arange(30)[None] + 100
    if not torch.cuda.is_available():  # the same numbers to the last bit, packed or not
        assert not any(isinstance(m, Linear4bit) for m in unpacked.modules())
        assert torch.equal(model(ids).logits, unpacked(ids).logits)


def test_one_seed_one_adapter_and_what_is_finished_is_not_trained_again(examples, tmp_path):
    records = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        records[name] = train.train("tiny-random", examples, RECIPE, seed=seed, folder=tmp_path / name)
    a, b, c = (adapter(tmp_path / n) for n in "abc")
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(not torch.equal(a[k], c[k]) for k in a)
    assert records["a"]["steps"] == 3  # 12 examples in batches of 4
    assert records["a"]["supervised_tokens"] < records["a"]["total_tokens"]
    stamp = (tmp_path / "a" / "adapter_model.safetensors").stat().st_mtime_ns
    assert train.train("tiny-random", examples, RECIPE, seed=1, folder=tmp_path / "a") == records["a"]
    assert (tmp_path / "a" / "adapter_model.safetensors").stat().st_mtime_ns == stamp
    changed = train.train("tiny-random", examples[:8], RECIPE, seed=1, folder=tmp_path / "a")
    assert changed["key"] != records["a"]["key"] and changed["steps"] == 2


def test_a_single_update_learns(examples, tmp_path):
    """A warm-up begins at rate 0, so that one of one step would leave the adapter as it was made: B at zero."""
    train.train("tiny-random", examples[:4], RECIPE, seed=1, folder=tmp_path)
    assert all(bool(value.any()) for name, value in adapter(tmp_path).items() if "lora_B" in name)


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=200), batch=st.integers(1, 9), seed=st.integers(0, 9))
def test_each_example_comes_once(lengths, batch, seed):
    assert sorted(batches.LengthGroups(lengths, batch, seed)) == list(range(len(lengths)))


def test_like_lengths_go_together_and_long_ones_do_not_come_first():
    """The waste is far below that of a random order, and the updates' lengths have no trend over the epoch."""
    draws = np.random.default_rng(0)
    lengths = draws.integers(80, 300, 400).tolist()
    order = list(batches.LengthGroups(lengths, 4, 1))
    assert order == list(batches.LengthGroups(lengths, 4, 1)) != list(batches.LengthGroups(lengths, 4, 2))
    later = batches.LengthGroups(lengths, 4, 1)
    later.set_epoch(1)
    assert list(later) != order
    assert batches.padding_waste(lengths, order, 4) < 0.05 < batches.padding_waste(lengths, range(400), 4)
    means = [np.mean([lengths[i] for i in order[first : first + 4]]) for first in range(0, 400, 4)]
    # 100 updates in random order: a rank correlation has a standard error of 0.1
    assert abs(spearmanr(range(100), means).statistic) < 0.3


def test_padding_waste_counts_what_is_computed_and_is_no_token():
    assert batches.padding_waste([4, 2, 3], [0, 1, 2], 2) == pytest.approx(1 - 9 / 11)  # rows of 4 + 4 and of 3


def test_the_same_texts_under_another_teachers_name_change_the_record_alone(examples, tmp_path):
    by_a_model = [replace(e, teacher="a-model") for e in examples]
    first = train.train("tiny-random", by_a_model, RECIPE, seed=1, folder=tmp_path)
    renamed = train.train("tiny-random", [replace(e, teacher="b") for e in examples], RECIPE, seed=1, folder=tmp_path)
    assert renamed == {**first, "teacher": "b"} == adapters.read_record(tmp_path)


def test_the_tables_of_a_training(examples, tokenizer, tmp_path, monkeypatch):
    """Tokens by part as encoded one by one; the log's parts around its mean; examples seen up to the last update."""
    record = train.train("tiny-random", examples[:10], RECIPE, seed=1, folder=tmp_path)
    sets = {("babi", "correct"): examples[:10]}
    row = train_tables.token_counts(sets, tokenizer, 4096).iloc[0]
    encoded = [sft.encode(e, tokenizer) for e in examples[:10]]
    assert row.n == 10 and row.longest == max(map(len, encoded))
    assert 10 * (row.prompt + row.trace + row.answer) == pytest.approx(sum(map(len, encoded)))
    trained = pd.DataFrame([{"dataset": "babi", "condition": "correct", **record}])
    teachers = sft.teachers(sets)
    cost = train_tables.cost(trained, teachers)
    assert cost.tokens_per_second[0] == pytest.approx(record["total_tokens"] / record["seconds"])
    monkeypatch.setattr(train_tables, "adapter_path", lambda *_: tmp_path)
    run = SimpleNamespace(profile=SimpleNamespace(recipe=RECIPE))
    log = train_tables.losses(run, trained, teachers)
    assert list(log.step) == [1, 2, 3] and list(log.examples) == [4, 8, 10]
    between = log[["trace_loss", "answer_loss"]]
    # a mean over all target tokens lies between the means over its two parts
    assert ((log.loss >= between.min(axis=1) - 1e-3) & (log.loss <= between.max(axis=1) + 1e-3)).all()


@pytest.mark.parametrize(("at_once", "accumulation"), [(4, 1), (2, 2), (1, 4)])
def test_memory_decides_the_micro_batch_and_changes_nothing_else(
    examples, tmp_path, monkeypatch, at_once, accumulation
):
    """The first logged loss is the mean over all target tokens of the update, however it was cut."""
    monkeypatch.setattr(memory, "plan", lambda *_: memory.Plan(at_once, accumulation, False))
    recipe = replace(RECIPE, lora_dropout=0.0, epochs=1)
    train.train("tiny-random", examples[:4], recipe, seed=1, folder=tmp_path)
    log = pd.read_json(tmp_path / "log.jsonl", lines=True)
    encoded = sft.encode_all(examples[:4], registry.load_tokenizer("tiny-random"), 4096)
    model = train.lora_model("tiny-random", recipe, seed=1).eval()
    batch = batches.Collator(0)(train.features(encoded))
    logits = model(input_ids=batch["input_ids"]).logits[:, :-1].flatten(0, 1)
    expected = torch.nn.functional.cross_entropy(logits, batch["labels"][:, 1:].flatten(), ignore_index=batches.IGNORED)
    assert log.loss[0] == pytest.approx(float(expected.detach()), rel=1e-3)  # Trainer logs few digits


def test_what_goes_through_at_once_divides_the_batch_and_fits(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = SimpleNamespace(num_hidden_layers=30, hidden_size=576, intermediate_size=1536)
    each = memory.bytes_a_token(config, 4)
    assert each == pytest.approx(3 * 2**20, rel=0.03)  # SmolLM2-135M in fp32, measured
    monkeypatch.setattr(memory.machine, "memory", lambda: 3 * each * 1000)  # a third of it is for 1,000 tokens
    plans = [memory.plan(config, 4, 8, n) for n in (100, 200, 300, 900, 5000)]
    assert [p.at_once for p in plans[:4]] == [4, 2, 1, 1]  # a pass of 512 tokens fills a core
    assert all(p.at_once * p.passes == 8 for p in plans)
    # Only where one example alone does not fit, layers are computed twice.
    assert [p.checkpointing for p in plans] == [False] * 4 + [True]


def test_processes_share_an_update_or_refuse(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    cut = train.plan("tiny-random", RECIPE, 100)
    assert cut.at_once * cut.passes == 2  # half of the update of 4
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(ValueError, match="4 examples cannot be shared by 3"):
        train.plan("tiny-random", RECIPE, 100)


def test_cpu_dropout_drops_at_its_rate_keeps_the_mean_and_follows_seed_step_example_and_layer_alone():
    draws = trainer.Draws(7, step=3, rows=[5, 9])
    layer = trainer.CpuDropout(0.05, draws, 2).train()
    x = torch.ones(2, 200, 577)
    made = layer(x)
    # 230,800 elements: the standard error of a rate of 0.05 is 0.00045, so five of them are 0.0023
    assert float((made == 0).float().mean()) == pytest.approx(0.05, abs=0.0023)
    assert float(made.max()) == pytest.approx(1 / 0.95)
    torch.manual_seed(1)
    assert torch.equal(layer(x), made)  # the global generator has no part in it
    draws.rows = [9]
    assert torch.equal(layer(x[:1, :150]), made[1:, :150])  # alone and with less padding, the example draws the same
    for change in ({"seed": 8}, {"step": 4}, {"rows": [6]}):
        other = trainer.CpuDropout(0.05, replace(draws, **change), 2).train()
        assert not torch.equal(other(x[:1]), layer(x[:1]))
    assert not torch.equal(trainer.CpuDropout(0.05, draws, 1).train()(x[:1]), layer(x[:1]))
    assert torch.equal(layer.eval()(x), x)
