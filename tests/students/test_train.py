"""Training: the loss where it should fall, the order of examples, dropout, one adapter from one seed."""

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
from torch.nn.functional import cross_entropy

from tracekd import machine
from tracekd.analysis import sft_tables
from tracekd.config import load
from tracekd.data.synthetic.generated import generate
from tracekd.students import registry, sft, train

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
    made = train.trainer_of("tiny-random", encoded, RECIPE, 1, tmp_path)
    batch = train.collate(tokenizer.pad_token_id, list(enumerate(encoded)))
    assert (batch["labels"] != train.IGNORED).sum(1).tolist() == [len(e.target_ids) for e in encoded]
    assert float(made.compute_loss(made.model.eval(), batch).detach()) == pytest.approx(total / count, rel=1e-5)
    ((parts, losses),) = made.seen
    assert parts.tolist() == [part for e in encoded for part in e.parts]
    assert float(losses.sum()) == pytest.approx(total, rel=1e-5)


def test_the_seed_is_set_before_the_adapter_is_made():
    """Whatever state the generators are in, the same seed gives the same first values, another seed others."""
    model = train.lora_model("tiny-random", RECIPE, seed=7)
    assert all(weight.requires_grad == ("lora_" in name) for name, weight in model.named_parameters())
    first = model.state_dict()
    torch.rand(99), np.random.rand(9)
    again = train.lora_model("tiny-random", RECIPE, seed=7).state_dict()
    other = train.lora_model("tiny-random", RECIPE, seed=8).state_dict()
    names = [n for n in first if "lora_A" in n]
    assert names
    assert all(torch.equal(first[n], again[n]) for n in names)
    assert not any(torch.equal(first[n], other[n]) for n in names)


def test_one_seed_one_adapter_and_what_is_finished_is_not_trained_again(examples, tokenizer, tmp_path):
    records = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        records[name] = train.train("tiny-random", examples, RECIPE, seed=seed, folder=tmp_path / name)
    a, b, c = (adapter(tmp_path / n) for n in "abc")
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(not torch.equal(a[k], c[k]) for k in a)
    assert records["a"]["steps"] == 3  # 12 examples in batches of 4
    lengths = [len(e.target_ids) for e in sft.encode_all(examples, tokenizer, 4096)]
    assert records["a"]["supervised_tokens"] == sum(lengths) and records["a"]["longest_target"] == max(lengths)
    stamp = (tmp_path / "a" / "adapter_model.safetensors").stat().st_mtime_ns
    assert train.train("tiny-random", examples, RECIPE, seed=1, folder=tmp_path / "a") == records["a"]
    assert (tmp_path / "a" / "adapter_model.safetensors").stat().st_mtime_ns == stamp
    changed = train.train("tiny-random", examples[:8], RECIPE, seed=1, folder=tmp_path / "a")
    assert changed["key"] != records["a"]["key"] and changed["steps"] == 2


def test_a_single_update_learns(examples, tmp_path):
    """A warm-up begins at rate 0, so that one of one step would leave the adapter as it was made: B at zero."""
    train.train("tiny-random", examples[:4], RECIPE, seed=1, folder=tmp_path)
    assert all(bool(value.any()) for name, value in adapter(tmp_path).items() if "lora_B" in name)


def test_the_tables_of_a_training(examples, tmp_path, monkeypatch):
    """The log's parts around its mean; examples seen up to the last update."""
    record = train.train("tiny-random", examples[:10], RECIPE, seed=1, folder=tmp_path)
    trained = pd.DataFrame([{"dataset": "babi", "condition": "correct", **record}])
    teachers = {("babi", "correct"): ""}
    cost = sft_tables.cost(trained, teachers)
    assert cost.tokens_per_second[0] == pytest.approx(record["total_tokens"] / record["seconds"])
    monkeypatch.setattr(sft_tables, "adapter_path", lambda *_: tmp_path)
    run = SimpleNamespace(profile=SimpleNamespace(recipe=RECIPE))
    log = sft_tables.losses(run, trained, teachers)
    assert list(log.step) == [1, 2, 3] and list(log.examples) == [4, 8, 10]
    between = log[["trace_loss", "answer_loss"]]
    # a mean over all target tokens lies between the means over its two parts
    assert ((log.loss >= between.min(axis=1) - 1e-3) & (log.loss <= between.max(axis=1) + 1e-3)).all()


def test_memory_decides_the_micro_batch_and_changes_nothing_else(examples, tmp_path, monkeypatch):
    """The first logged loss is the mean over all target tokens of the update, however it was cut."""
    recipe, found = replace(RECIPE, lora_dropout=0.0, epochs=1), []
    for at_once in (4, 2, 1):
        monkeypatch.setattr(machine, "plan", lambda *_, n=at_once: (n, False))
        record = train.train("tiny-random", examples[:4], recipe, seed=1, folder=tmp_path / str(at_once))
        found.append((record["steps"], record["mean_loss"]))
    assert found == [(1, pytest.approx(found[0][1], rel=1e-5))] * 3


def test_an_update_is_the_recipes_whatever_gpus_are_visible(examples, tokenizer, tmp_path, monkeypatch):
    def two(real=train.TrainingArguments, **options):
        (made := real(**options))._n_gpu = 2  # as transformers finds them
        return made

    monkeypatch.setattr(train, "TrainingArguments", two)
    made = train.trainer_of("tiny-random", sft.encode_all(examples[:4], tokenizer, 4096), RECIPE, 1, tmp_path)
    update = made.args.train_batch_size * made.args.gradient_accumulation_steps
    assert made.args.n_gpu == 1 and update == RECIPE.batch * RECIPE.accumulation


def test_what_goes_through_at_once_divides_the_batch_and_fits(monkeypatch):
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    config = SimpleNamespace(num_hidden_layers=30, hidden_size=576, intermediate_size=1536)
    each = 3 * 2**20  # bytes a token of SmolLM2-135M in fp32, measured
    monkeypatch.setattr(machine, "memory", lambda: (0, 3 * each * 1000))  # a third of it is for 1,000 tokens
    at_once, checkpointing = zip(*(machine.plan(config, 4, 8, n) for n in (100, 200, 300, 900, 5000)), strict=True)
    assert at_once == (4, 2, 1, 1, 1)  # a pass of 512 tokens fills a core
    assert checkpointing == (False,) * 4 + (True,)  # only where one example alone does not fit


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_chunked_losses_and_their_gradients_are_those_of_the_whole(chunk):
    torch.manual_seed(0)
    hidden, head = torch.randn(13, 8, requires_grad=True), torch.nn.Linear(8, 50, bias=False)
    targets = torch.randint(0, 50, (13,))
    plain = cross_entropy(head(hidden), targets, reduction="none")
    (expected,) = torch.autograd.grad(plain.sum(), hidden)
    found = train.token_losses(hidden, head, targets, chunk=chunk)
    (gradient,) = torch.autograd.grad(found.sum(), hidden)
    assert torch.allclose(found, plain, atol=1e-6) and torch.allclose(gradient, expected, atol=1e-6)


def test_a_model_that_changes_its_logits_after_the_head_is_refused(monkeypatch):
    model, ids = registry.load_model("tiny-random", quantise=False).eval(), torch.arange(10)[None] + 50
    body, head = train.parts_of(model)
    assert torch.equal(head(body(ids).last_hidden_state), model(ids).logits)
    monkeypatch.setattr(model.config, "final_logit_softcapping", 30.0, raising=False)
    with pytest.raises(ValueError, match="final_logit_softcapping"):
        train.parts_of(model)


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=200), batch=st.integers(1, 9), seed=st.integers(0, 9))
def test_each_example_comes_once(lengths, batch, seed):
    assert sorted(train.LengthGroups(lengths, batch, seed)) == list(range(len(lengths)))


def test_like_lengths_go_together_and_long_ones_do_not_come_first():
    """The waste is far below that of a random order, and the updates' lengths have no trend over the epoch."""
    lengths = np.random.default_rng(0).integers(80, 300, 400).tolist()
    groups = train.LengthGroups(lengths, 4, 1)
    order = list(groups)
    assert order == list(groups) != list(train.LengthGroups(lengths, 4, 2))
    groups.set_epoch(1)
    assert list(groups) != order
    updates = np.array(lengths)[order].reshape(-1, 4)
    assert 1 - updates.sum() / (4 * updates.max(axis=1)).sum() < 0.05  # random updates: 1 - 190 / 256 = 26%
    means = updates.mean(axis=1)
    # 100 updates in random order: a rank correlation has a standard error of 0.1
    assert abs(spearmanr(range(100), means).statistic) < 0.3


def test_cpu_dropout_drops_at_its_rate_keeps_the_mean_and_follows_seed_step_example_and_layer_alone():
    def dropout(seed=7, step=3, rows=(5, 9), number=2):
        made = train.CpuDropout(0.05, seed, number).train()
        made.step, made.rows = step, list(rows)
        return made

    layer = dropout()
    x = torch.ones(2, 200, 577)
    made = layer(x)
    # 230,800 elements: the standard error of a rate of 0.05 is 0.00045, so five of them are 0.0023
    assert float((made == 0).float().mean()) == pytest.approx(0.05, abs=0.0023)
    assert float(made.max()) == pytest.approx(1 / 0.95)
    torch.manual_seed(1)
    assert torch.equal(layer(x), made)  # the global generator has no part in it
    # alone and with less padding, the example draws the same
    assert torch.equal(dropout(rows=[9])(x[:1, :150]), made[1:, :150])
    for change in ({"seed": 8}, {"step": 4}, {"rows": [6]}, {"number": 1}):
        assert not torch.equal(dropout(**{"rows": [5], **change})(x[:1]), made[:1])
    assert torch.equal(layer.eval()(x), x)
