"""The trainer's parts: the loss on completion tokens, the order of examples, dropout."""

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


def test_a_model_that_changes_its_logits_after_the_head_is_refused(monkeypatch):
    model, ids = registry.load_model("tiny-random", quantise=False).eval(), torch.arange(10)[None] + 50
    body, head = trainer.parts_of(model)
    assert torch.equal(head(body(ids).last_hidden_state), model(ids).logits)
    monkeypatch.setattr(model.config, "final_logit_softcapping", 30.0, raising=False)
    with pytest.raises(ValueError, match="final_logit_softcapping"):
        trainer.parts_of(model)


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=200), batch=st.integers(1, 9), seed=st.integers(0, 9))
def test_each_example_comes_once(lengths, batch, seed):
    assert sorted(trainer.LengthGroups(lengths, batch, seed)) == list(range(len(lengths)))


def test_like_lengths_go_together_and_long_ones_do_not_come_first():
    """The waste is far below that of a random order, and the updates' lengths have no trend over the epoch."""
    lengths = np.random.default_rng(0).integers(80, 300, 400).tolist()
    groups = trainer.LengthGroups(lengths, 4, 1)
    order = list(groups)
    assert order == list(groups) != list(trainer.LengthGroups(lengths, 4, 2))
    groups.set_epoch(1)
    assert list(groups) != order
    updates = np.array(lengths)[order].reshape(-1, 4)
    assert 1 - updates.sum() / (4 * updates.max(axis=1)).sum() < 0.05  # random updates: 1 - 190 / 256 = 26%
    means = updates.mean(axis=1)
    # 100 updates in random order: a rank correlation has a standard error of 0.1
    assert abs(spearmanr(range(100), means).statistic) < 0.3


def test_cpu_dropout_drops_at_its_rate_keeps_the_mean_and_follows_seed_step_example_and_layer_alone():
    def dropout(seed=7, step=3, rows=(5, 9), number=2):
        made = trainer.CpuDropout(0.05, seed, number).train()
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
