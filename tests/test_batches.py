"""Packed and padded batches, and the loss on completion tokens: the same numbers by every way."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from tracekd import batches, losses, sft, students, train
from tracekd.generated import generate
from tracekd.profiles import load
from tracekd.records import read_jsonl

RECIPE = replace(load("smoke").recipe, batch=4, lora_dropout=0.0)


@pytest.fixture(scope="module")
def tokenizer():
    return students.load_tokenizer("tiny-random")


@pytest.fixture(scope="module")
def examples():
    chosen = [p for p in generate("babi", 110, seed=3) if p.split == "train"][:4]
    return sft.build(chosen, "correct", seed=1)


@pytest.fixture(scope="module")
def model():
    """Plain weights in fp32, so that a parity of 1e-4 speaks of attention and not of rounding."""
    return students.load_model("tiny-random", quantise=False).eval()


def by_token(model, batch):
    head = losses.install(model)
    head.labels = batch["labels"]
    inputs = {k: v for k, v in batch.items() if k in ("input_ids", "position_ids")}
    with torch.no_grad():
        found = model(**inputs, use_cache=False).logits
    head.labels = None
    return found


def test_packed_and_unpacked_lose_the_same_on_each_token(model, examples, tokenizer):
    rows = train.features(sft.encode_all(examples, tokenizer, 4096))
    packed = by_token(model, batches.Packed()(rows))
    padded = by_token(model, batches.Collator(tokenizer.pad_token_id)(rows))
    apart = torch.cat([by_token(model, batches.Collator(0)([row])) for row in rows])
    assert len(packed) == sum(len(row["labels"]) - row["labels"].count(batches.IGNORED) for row in rows)
    assert torch.allclose(packed, apart, atol=1e-4) and torch.allclose(padded, apart, atol=1e-4)


def test_packing_that_mixes_examples_is_refused(model, tokenizer, monkeypatch):
    """The probe passes on real attention and sees one that ignores positions; the recipe is then refused."""
    assert batches.packing_error(model, len(tokenizer)) < 1e-4
    real = model.forward

    def blind(input_ids=None, position_ids=None, **options):
        return real(input_ids=input_ids, **options)

    monkeypatch.setattr(model, "forward", blind)
    assert batches.packing_error(model, len(tokenizer)) == pytest.approx(1)  # as if they were one text
    with pytest.raises(ValueError, match="packing = false"):
        train._collator(replace(RECIPE, packing=True), model, tokenizer)


def test_a_packed_training_learns_what_an_unpacked_one_does(examples, tmp_path):
    recipe = replace(RECIPE, epochs=2)
    plain = train.train("tiny-random", examples, recipe, seed=1, folder=tmp_path / "plain")
    packed = train.train("tiny-random", examples, replace(recipe, packing=True), seed=1, folder=tmp_path / "packed")
    first = [next(read_jsonl(tmp_path / name / "log.jsonl"))["trace_loss"] for name in ("plain", "packed")]
    assert first[1] == pytest.approx(first[0], abs=1e-4)
    # Adam's first steps move by the sign of each gradient, so that the last bit of a small one counts from then on.
    assert packed["mean_loss"] == pytest.approx(plain["mean_loss"], abs=1e-2)
    assert packed["key"] != plain["key"]


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

    doubled = students.load_tokenizer("tiny-random")
    bos = doubled.bos_token
    doubled.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A", special_tokens=[(bos, doubled.bos_token_id)]
    )
    published = sft.encode_as_published(examples[0], doubled, 4096)
    ids = (*published.prompt_ids, *published.target_ids)
    assert ids[0] == ids[1] == doubled.bos_token_id
    assert sft.encode_as_published(examples[0], tokenizer, 4096).target_ids[0] != tokenizer.bos_token_id
