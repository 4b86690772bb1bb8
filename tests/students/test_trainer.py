"""The trainer's parts: the loss on completion tokens, the order of examples, dropout."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch.nn.functional import cross_entropy

from tracekd.students import registry, trainer


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_chunked_losses_and_their_gradients_are_those_of_the_whole(chunk):
    torch.manual_seed(0)
    hidden, head = torch.randn(13, 8, requires_grad=True), torch.nn.Linear(8, 50, bias=False)
    targets = torch.randint(0, 50, (13,))
    plain = cross_entropy(head(hidden), targets, reduction="none")
    (expected,) = torch.autograd.grad(plain.sum(), hidden)
    found = trainer.token_losses(hidden, head, targets, chunk=chunk)
    (gradient,) = torch.autograd.grad(found.sum(), hidden)
    assert torch.allclose(found, plain, atol=1e-6) and torch.allclose(gradient, expected, atol=1e-6)


def test_the_head_gives_logits_where_no_labels_are_set_and_a_model_that_changes_them_is_refused(monkeypatch):
    model = registry.load_model("tiny-random", quantise=False).eval()
    head = trainer.install(model)
    assert model(input_ids=torch.arange(10)[None] + 50).logits.shape == (1, 10, model.config.vocab_size)
    assert trainer.install(model) is head  # not wrapped twice
    monkeypatch.setattr(model.config, "final_logit_softcapping", 30.0, raising=False)
    with pytest.raises(ValueError, match="final_logit_softcapping"):
        trainer.install(model)


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=200), batch=st.integers(1, 9), seed=st.integers(0, 9))
def test_each_example_comes_once(lengths, batch, seed):
    assert sorted(trainer.LengthGroups(lengths, batch, seed)) == list(range(len(lengths)))


def test_like_lengths_go_together_and_long_ones_do_not_come_first():
    """The waste is far below that of a random order, and the updates' lengths have no trend over the epoch."""
    draws = np.random.default_rng(0)
    lengths = draws.integers(80, 300, 400).tolist()
    order = list(trainer.LengthGroups(lengths, 4, 1))
    assert order == list(trainer.LengthGroups(lengths, 4, 1)) != list(trainer.LengthGroups(lengths, 4, 2))
    later = trainer.LengthGroups(lengths, 4, 1)
    later.set_epoch(1)
    assert list(later) != order
    updates = np.array(lengths)[order].reshape(-1, 4)
    assert 1 - updates.sum() / (4 * updates.max(axis=1)).sum() < 0.05  # random updates: 1 - 190 / 256 = 26%
    means = updates.mean(axis=1)
    # 100 updates in random order: a rank correlation has a standard error of 0.1
    assert abs(spearmanr(range(100), means).statistic) < 0.3


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
