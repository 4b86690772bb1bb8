"""Shared prompt cache: the log-probabilities and greedy answers of separate passes, at training's token borders."""

import copy
from dataclasses import replace

import pytest
import torch

from tracekd.data.problem import DATASETS
from tracekd.data.synthetic.generated import generate
from tracekd.interventions import prefill
from tracekd.interventions.forced import Implied, Variant, variants
from tracekd.students import registry, sft
from tracekd.traces import templates

LIMIT = 12


@pytest.fixture(scope="module")
def tokenizer():
    return registry.load_tokenizer("tiny-random")


@pytest.fixture(scope="module")
def model():
    """The 2-layer student with larger seeded weights, so that its answers depend on what it reads."""
    model = registry.load_model("tiny-random").dequantize().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    return model


def problems(dataset, number=4):
    return [p for p in generate(dataset, 150, seed=5) if p.split == "test"][:number]


def given(problem, pool, own="A trace of my own. It is short."):
    return [v for v in variants(problem, own, others=pool, seed=3) if v.text is not None]


@torch.inference_mode()
def separate(model, tokenizer, problem, variant):
    """The plain way: an unpadded pass to score the gold and the implied answer, greedy decoding token by token."""
    turn = prefill.tokenise(tokenizer, problem, variant)
    before = sft.prompt_ids(tokenizer, templates.prompt(problem)) + turn.given
    scores = []
    for answer in (turn.gold, turn.implied):
        if answer is None:
            scores.append(None)
            continue
        logits = model(input_ids=torch.tensor([before + answer])).logits[0, len(before) - 1 : -1]
        scores.append(float(logits.log_softmax(-1)[range(len(answer)), answer].sum()))
    written, finished = [], False
    while not finished and len(written) < LIMIT:
        token = int(model(input_ids=torch.tensor([before + written])).logits[0, -1].argmax())
        finished = token == sft.end_token(tokenizer)
        written += [] if finished else [token]
        finished = finished or prefill.CLOSE in tokenizer.decode(written)
    return (*scores, turn.head + tokenizer.decode(written), finished, len(written))


@pytest.mark.parametrize("dataset", DATASETS)
def test_shared_equals_separate(model, tokenizer, dataset):
    """All problems in one batch, against one pass for each answer."""
    pool = problems(dataset)
    asked = [(problem, given(problem, pool)) for problem in pool]
    shared = prefill.Prefill(model, tokenizer, max_new_tokens=LIMIT)(asked)
    for (problem, made), replies in zip(asked, shared, strict=True):
        plain = [separate(model, tokenizer, problem, variant) for variant in made]
        assert len({gold for gold, *_ in plain}) > 4  # the traces make a difference at all
        for variant, one, (gold, implied, text, finished, n) in zip(made, replies, plain, strict=True):
            assert one.logp_gold == pytest.approx(gold, abs=1e-4), variant.name
            assert one.logp_implied == (implied and pytest.approx(implied, abs=1e-4)), variant.name
            assert (one.text, one.finished, one.n_tokens) == (text, finished, n), variant.name


@pytest.mark.parametrize("dataset", DATASETS)
def test_given_and_scored_tokens_are_those_of_training(tokenizer, dataset):
    """For the gold trace, given and gold tokens are what ``sft.encode`` learns from, but for the end token."""
    for problem in problems(dataset):
        trace = templates.build(problem, "correct")
        example = sft.Example(
            problem.id, dataset, "correct", templates.prompt(problem), templates.target(problem, trace)
        )
        turn = prefill.tokenise(tokenizer, problem, given(problem, [problem])[1])
        assert (*turn.given, *turn.gold) == sft.encode(example, tokenizer).target_ids[:-1]
        assert turn.head == f"<think>{trace.text}</think> <answer"
        assert tokenizer.decode(turn.gold) == f">{templates.answer_text(problem)}</answer>"


def test_the_cut_does_not_tell_the_answer(tokenizer):
    """What is given before the answer is the same whatever gold and implied answers are."""
    problem = problems("babi", 1)[0]
    variant = Variant("gold", "Some trace.", Implied(("garden",), "derivation"))
    turns = [
        prefill.tokenise(tokenizer, replace(problem, dataset=dataset, answers=answers), variant)
        for dataset in ("babi", "cotempqa")
        for answers in (("garden",), ("'x'", "y"), (">>",), ("",))
    ]
    assert len({tuple(turn.given) for turn in turns}) == 1
    assert [turn.implied == turn.gold for turn in turns] == [True, False, False, False] * 2


def test_a_scored_answer_that_is_greedy_is_the_answer(tokenizer, model, monkeypatch):
    """Trained on one answer, the student writes it; the shared way takes it from the scores, decoding nothing."""
    tuned = copy.deepcopy(model).train().requires_grad_(True)
    problem = problems("babi", 1)[0]
    turn = prefill.tokenise(tokenizer, problem, Variant("empty", ""))
    ids = torch.tensor([sft.prompt_ids(tokenizer, templates.prompt(problem)) + turn.given + turn.gold])
    optimiser = torch.optim.Adam(tuned.parameters(), lr=3e-3)
    for _ in range(40):
        logits = tuned(input_ids=ids).logits[0, -len(turn.gold) - 1 : -1]
        torch.nn.functional.cross_entropy(logits, torch.tensor(turn.gold)).backward()
        optimiser.step()
        optimiser.zero_grad()
    ask = prefill.Prefill(tuned.eval(), tokenizer, max_new_tokens=LIMIT)
    monkeypatch.setattr(prefill, "continued", None)  # it must not be needed
    ((reply,),) = ask([(problem, [Variant("empty", "")])])
    plain = separate(tuned, tokenizer, problem, Variant("empty", ""))
    expected = f"<think></think> <answer>{templates.answer_text(problem)}</answer>", True, len(turn.gold)
    assert (reply.text, reply.finished, reply.n_tokens) == plain[2:] == expected and reply.logp_gold > -1
