"""Shared prompt cache: the log-probabilities and greedy answers of separate passes, at training's token borders."""

import json
from dataclasses import replace

import pytest
import torch

from tracekd import prefill, prefill_bench, sft, students, traces
from tracekd.generated import generate
from tracekd.implied import Implied
from tracekd.problems import DATASETS
from tracekd.variants import Variant, variants

LIMIT = 12


@pytest.fixture(scope="module")
def tokenizer():
    return students.load_tokenizer("tiny-random")


@pytest.fixture(scope="module")
def model():
    """The 2-layer student with larger seeded weights, so that its answers depend on what it reads."""
    from tracekd.nf4 import unpack

    model = unpack(students.load_model("tiny-random")).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    return model


def problems(dataset, number=4):
    return [p for p in generate(dataset, 150, seed=5) if p.split == "test"][:number]


def given(problem, pool, own="A trace of my own. It is short."):
    return [v for v in variants(problem, own, others=pool, seed=3) if v.text is not None]


@pytest.mark.parametrize("dataset", DATASETS)
def test_shared_equals_separate(model, tokenizer, dataset):
    pool = problems(dataset)
    for problem in pool:
        made = given(problem, pool)
        shared = prefill.Prefill(model, tokenizer, max_new_tokens=LIMIT)(problem, made)
        plain = prefill_bench.separate(model, tokenizer, problem, made, LIMIT)
        assert len({reply.logp_gold for reply in plain}) > 4  # the traces make a difference at all
        for variant, one, two in zip(made, shared, plain, strict=True):
            assert one.logp_gold == pytest.approx(two.logp_gold, abs=1e-4), variant.name
            assert (one.logp_implied is None) == (two.logp_implied is None) == (variant.implied.answers is None)
            if two.logp_implied is not None:
                assert one.logp_implied == pytest.approx(two.logp_implied, abs=1e-4), variant.name
            assert (one.text, one.finished, one.n_tokens) == (two.text, two.finished, two.n_tokens), variant.name
            assert (one.n_gold, one.n_implied) == (two.n_gold, two.n_implied)


def test_a_variants_neighbours_change_nothing(model, tokenizer):
    pool = problems("babi")
    made = given(pool[0], pool)
    ask = prefill.Prefill(model, tokenizer, max_new_tokens=LIMIT)
    for variant, together in zip(made, ask(pool[0], made), strict=True):
        (alone,) = ask(pool[0], [variant])
        assert alone.logp_gold == pytest.approx(together.logp_gold, abs=1e-4)
        assert alone.text == together.text


@pytest.mark.parametrize("dataset", DATASETS)
def test_given_and_scored_tokens_are_those_of_training(tokenizer, dataset):
    """For the gold trace, given and gold tokens are what ``sft.encode`` learns from, but for the end token."""
    for problem in problems(dataset):
        trace = traces.build(problem, "correct")
        example = sft.Example(problem.id, dataset, "correct", traces.prompt(problem), traces.target(problem, trace))
        turn = prefill.tokenise(tokenizer, problem, given(problem, [problem])[1])
        assert (*turn.given, *turn.gold) == sft.encode(example, tokenizer).target_ids[:-1]
        assert turn.head == f"<think>{trace.text}</think> <answer"
        assert tokenizer.decode(turn.gold) == f">{traces.answer_text(problem)}</answer>"


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
    assert [turn.same for turn in turns] == [True, False, False, False] * 2
    assert all((turn.implied is None) == turn.same for turn in turns)


def test_a_scored_answer_that_is_greedy_is_the_answer(tokenizer, model):
    """Trained on one answer, the student writes it; the shared way takes it from the scores, decoding nothing."""
    tuned = unfrozen(model)
    problem = problems("babi", 1)[0]
    turn = prefill.tokenise(tokenizer, problem, Variant("empty", ""))
    ids = torch.tensor([sft.prompt_ids(tokenizer, traces.prompt(problem)) + turn.given + turn.gold])
    optimiser = torch.optim.Adam(tuned.parameters(), lr=3e-3)
    for _ in range(40):
        logits = tuned(input_ids=ids).logits[0, -len(turn.gold) - 1 : -1]
        torch.nn.functional.cross_entropy(logits, torch.tensor(turn.gold)).backward()
        optimiser.step()
        optimiser.zero_grad()
    ask = prefill.Prefill(tuned.eval(), tokenizer, max_new_tokens=LIMIT)
    ask._decode = None  # it must not be needed
    (reply,) = ask(problem, [Variant("empty", "")])
    (plain,) = prefill_bench.separate(tuned, tokenizer, problem, [Variant("empty", "")], LIMIT)
    assert reply.text == plain.text == f"<think></think> <answer>{traces.answer_text(problem)}</answer>"
    assert reply.finished and reply.n_tokens == plain.n_tokens == len(turn.gold)
    assert reply.logp_gold > -1


def unfrozen(model):
    import copy

    return copy.deepcopy(model).train().requires_grad_(True)


def test_the_limit_ends_an_answer(model, tokenizer):
    pool = problems("babi")
    (reply, *_) = prefill.Prefill(model, tokenizer, max_new_tokens=2)(pool[0], given(pool[0], pool))
    assert reply.n_tokens <= 2


def test_compare_measures_both_ways(model, tokenizer):
    found = prefill_bench.compare(model, tokenizer, problems("babi", 2), max_new_tokens=4)
    assert found["problems"] == 2 and 10 <= found["variants"] <= 16
    assert found["largest_gap"] < 1e-4 and found["same_answers"] == 1
    assert found["speed_up"] == found["separate_s"] / found["shared_s"] > 0


def test_the_bench_command_prints_what_was_measured(capsys):
    from tracekd import bench

    assert bench.main(["prefill", "--profile", "smoke", "-n", "2", "--rounds", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["what"], found["student"], found["n"]) == ("prefill", "tiny-random", 2)
    assert found["speed_up"] > 0 and found["largest_gap"] < 1e-4 and found["rows"][0]["problems"] == 2
