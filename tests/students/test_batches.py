"""The loss on completion tokens: the same numbers by every way."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from tracekd.data.synthetic.generated import generate
from tracekd.students import losses, registry, sft


@pytest.fixture(scope="module")
def tokenizer():
    return registry.load_tokenizer("tiny-random")


@pytest.fixture(scope="module")
def examples():
    chosen = [p for p in generate("babi", 110, seed=3) if p.split == "train"][:4]
    return sft.build(chosen, "correct", seed=1)


@pytest.fixture(scope="module")
def model():
    return registry.load_model("tiny-random", quantise=False).eval()


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_chunked_losses_and_their_gradients_are_those_of_the_whole(chunk):
    torch.manual_seed(0)
    hidden, head = torch.randn(13, 8, requires_grad=True), torch.nn.Linear(8, 50, bias=False)
    targets = torch.randint(0, 50, (13,))
    plain = cross_entropy(head(hidden), targets, reduction="none")
    (expected,) = torch.autograd.grad(plain.sum(), hidden)
    found = losses.token_losses(hidden, head, targets, chunk=chunk)
    (gradient,) = torch.autograd.grad(found.sum(), hidden)
    assert torch.allclose(found, plain, atol=1e-6) and torch.allclose(gradient, expected, atol=1e-6)


def test_the_head_gives_logits_where_no_labels_are_set(model):
    head = losses.install(model)
    ids = torch.arange(10)[None] + 50
    assert model(input_ids=ids).logits.shape == (1, 10, model.config.vocab_size)
    assert losses.install(model) is head  # not wrapped twice


def test_a_model_that_changes_its_logits_is_refused(model, monkeypatch):
    monkeypatch.setattr(model.config, "final_logit_softcapping", 30.0, raising=False)
    with pytest.raises(ValueError, match="final_logit_softcapping"):
        losses.install(model)


def test_the_published_habits_learn_the_whole_text_and_cut(examples, tokenizer, caplog):
    example = examples[0]
    aligned, published = sft.encode(example, tokenizer), sft.encode_as_published(example, tokenizer, 4096)
    assert published.target_ids[-len(aligned.target_ids) :] == aligned.target_ids
    assert len(published.target_ids) == len(published) - 1
    assert set(published.parts) == {sft.PROMPT, sft.TRACE, sft.ANSWER}
    cut = sft.encode_all(examples, tokenizer, 40, "as_published")
    assert {len(e) for e in cut} == {40}
    assert "4 of 4 examples cut at 40 tokens" in caplog.text


def test_the_published_habits_begin_twice_where_the_tokenizer_adds_a_beginning(tokenizer, examples, monkeypatch):
    from tokenizers.processors import TemplateProcessing

    doubled = registry.load_tokenizer("tiny-random")
    bos = doubled.bos_token
    doubled.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, doubled.bos_token_id)]
    )
    published = sft.encode_as_published(examples[0], doubled, 4096)
    ids = (*published.prompt_ids, *published.target_ids)
    assert ids[0] == ids[1] == doubled.bos_token_id
    assert sft.encode_as_published(examples[0], tokenizer, 4096).target_ids[0] != tokenizer.bos_token_id
