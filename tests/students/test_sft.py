"""The details of SFT sets that usually go wrong, each shown on real tokenizers."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekd.config import load
from tracekd.data.problem import DATASETS, Problem
from tracekd.data.problems import evaluation_set, training_set
from tracekd.data.synthetic.generated import generate
from tracekd.run import Run
from tracekd.students import registry, sft
from tracekd.traces import freeform, templates

CONDITIONS = ("vanilla", "correct", "incorrect")


@pytest.fixture(scope="module")
def problems():
    return [p for d in DATASETS for p in generate(d, 60 if d != "babi" else 110, seed=5)]


@pytest.fixture(scope="module", params=["tiny-random", "smollm2-135m"])
def tokenizer(request):
    try:
        return registry.load_tokenizer(request.param)
    except registry.StudentUnavailable as error:
        pytest.skip(str(error).splitlines()[0])


@pytest.mark.parametrize("condition", CONDITIONS)
def test_evaluation_prompt_is_a_token_prefix_with_the_generation_prompt(tokenizer, problems, condition):
    for example in sft.build(problems, condition, seed=1):
        encoded = sft.encode(example, tokenizer)
        whole = encoded.prompt_ids + encoded.target_ids
        asked = sft.prompt_ids(tokenizer, example.prompt)
        assert list(whole[: len(asked)]) == asked
        assert tokenizer.decode(asked).endswith("<|im_start|>assistant\n")


def test_one_beginning_of_sequence(problems):
    """The tiny student's template writes a BOS, as Llama's does; a tokenizer call that adds its own would give two."""
    tokenizer = registry.load_tokenizer("tiny-random")
    for example in sft.build(problems[:20], "correct", seed=1):
        encoded = sft.encode(example, tokenizer)
        ids = encoded.prompt_ids + encoded.target_ids
        assert ids.count(tokenizer.bos_token_id) == 1
        assert ids[0] == tokenizer.bos_token_id


def test_pad_is_not_the_end_token_and_the_end_is_learned(tokenizer, problems):
    end = sft.end_token(tokenizer)
    assert tokenizer.pad_token_id not in (end, tokenizer.eos_token_id)
    for example in sft.build(problems, "incorrect", seed=1):
        encoded = sft.encode(example, tokenizer)
        assert encoded.target_ids[-1] == end
        assert encoded.target_ids.count(end) == 1
        assert encoded.parts[-1] == sft.ANSWER


def test_target_decodes_to_what_was_written_and_parts_meet_at_the_border(tokenizer, problems):
    for example in sft.build(problems, "correct", seed=1):
        encoded = sft.encode(example, tokenizer)
        assert tokenizer.decode(encoded.target_ids, skip_special_tokens=True) == example.target
        border = encoded.parts.count(sft.TRACE)
        assert encoded.parts == (sft.TRACE,) * border + (sft.ANSWER,) * (len(encoded.parts) - border)
        assert "</think>" in tokenizer.decode(encoded.target_ids[: border + 1])
        assert "<answer>" not in tokenizer.decode(encoded.target_ids[:border])


def test_every_condition_has_the_same_problems_and_byte_identical_answers(problems):
    sets = {c: sft.build(problems, c, seed=3) for c in CONDITIONS}
    for rows in zip(*sets.values(), strict=True):
        assert len({r.id for r in rows}) == 1
        assert len({r.prompt for r in rows}) == 1
        assert len({r.target[r.target.index("<answer>") :] for r in rows}) == 1


def test_too_long_examples_are_counted_and_refused_never_cut(problems):
    tokenizer = registry.load_tokenizer("tiny-random")
    examples = sft.build(problems, "correct", seed=1)
    lengths = [len(e) for e in sft.encode_all(examples, tokenizer, 10**6)]
    limit = sorted(lengths)[-4]  # exactly the three longest do not fit, as no length is shared at the top
    over = sum(n > limit for n in lengths)
    with pytest.raises(ValueError, match=rf"{over} of {len(examples)} examples are longer than max_tokens = {limit}"):
        sft.encode_all(examples, tokenizer, limit)


def test_nothing_to_learn_is_an_error(problems):
    tokenizer = registry.load_tokenizer("tiny-random")
    with pytest.raises(ValueError, match="the SFT set is empty"):
        sft.encode_all([], tokenizer, 100)
    silent = sft.Example("babi/x/1", "babi", "vanilla", "prompt", "")
    with pytest.raises(ValueError, match="no token to learn from, first babi/x/1"):
        sft.encode_all([silent], tokenizer, 1000)


def test_a_template_that_ends_with_the_pad_is_refused():
    tokenizer = registry.load_tokenizer("tiny-random")
    tokenizer.pad_token = "<|im_end|>"
    with pytest.raises(ValueError, match="no end token apart from the pad"):
        sft.end_token(tokenizer)


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=80))
def test_any_text_survives_the_round_trip(text):
    """Facts and questions of any script reach the student as they are, and the prompt stays a prefix."""
    tokenizer = registry.load_tokenizer("tiny-random")
    problem = Problem("own/a/1", "own", "a", (text,), text, (text,), (0,), "train")
    example = sft.build([problem], "correct", seed=0)[0]
    encoded = sft.encode(example, tokenizer)
    assert list(encoded.prompt_ids) == sft.prompt_ids(tokenizer, templates.prompt(problem))
    if not any(special in text for special in tokenizer.all_special_tokens):
        assert tokenizer.decode(encoded.target_ids[:-1]) == example.target


def test_kept_sets_of_another_seed_or_size_are_not_taken(tmp_path, capsys):
    run = Run("03_qlora_train", load("smoke"), 121, "generated", tmp_path)
    first = sft.prepare(run)
    assert sft.kept(run) == first
    assert "as an earlier notebook left them" in capsys.readouterr().out
    for changed in (replace(run, seed=122), replace(run, profile=replace(run.profile, train={"babi": 5}))):
        assert sft.kept(changed) != first
        assert "so they are built now" in capsys.readouterr().out


def test_a_run_trains_on_the_texts_of_its_teacher(tmp_path, capsys):
    """Given texts take the place of the templated ones, and the problems that have one are those of all conditions."""
    run = Run("02", replace(load("smoke"), train={"cotempqa": 8, "marco": 2, "babi": 2}), 121, "generated", tmp_path)
    by_rules = sft.prepare(run)
    wanted = [e.id for e in by_rules["cotempqa", "r1"]]
    assert {e.teacher for e in by_rules["cotempqa", "swapped"]} == {"templated"}
    written = [freeform.Texts(name, f"teacher-{k % 2}", f"I think of {name}.") for k, name in enumerate(wanted[:5])]
    freeform.keep(tmp_path / "texts.jsonl", written)
    taught = replace(run, texts=str(tmp_path / "texts.jsonl"))
    sets = sft.kept(taught)
    for condition in ("r1", "swapped", "vanilla", "correct"):
        assert {e.id for e in sets["cotempqa", condition]} == set(wanted[:5])
    assert "cotempqa: 5 problems have texts by teacher-0 and teacher-1" in capsys.readouterr().out
    assert all(f"<think>I think of {e.id}.</think>" in e.target for e in sets["cotempqa", "r1"])
    wrote = {text.id: text.teacher for text in written}
    for e in sets["cotempqa", "swapped"]:  # the teacher of the trace, not of the problem
        assert wrote[e.target.partition("I think of ")[2].partition(".</think>")[0]] == e.teacher
    assert sft.teachers(sets)["cotempqa", "r1"] == "teacher-0 and teacher-1"
    assert sft.teachers(sets)["cotempqa", "correct"] == "" == sft.teachers(sets)["babi", "vanilla"]
    assert sets["babi", "correct"] == by_rules["babi", "correct"]  # no free-form traces there: all problems
    assert sft.kept(taught) == sets
    freeform.keep(tmp_path / "texts.jsonl", [freeform.Texts("cotempqa/no/1", "m", "x")])
    with pytest.raises(ValueError, match="no text on any of the 192 training problems of cotempqa"):
        sft.kept(taught)


def test_the_test_split_is_opened_by_evaluation_only(tmp_path, monkeypatch):
    """SFT sets are built with the evaluation set barred, and hold training problems alone."""
    run = Run("02_build_sft_sets", load("smoke"), 121, "generated", tmp_path)
    monkeypatch.setattr("tracekd.data.problems.evaluation_set", lambda *_: pytest.fail("the test split was opened"))
    sets = sft.prepare(run)
    from tracekd.data.problems import kept

    problems = kept(run)
    split = {p.id: p.split for rows in problems.values() for p in rows}
    assert {split[e.id] for examples in sets.values() for e in examples} == {"train"}
    monkeypatch.undo()
    for dataset, rows in problems.items():
        train = {(p.context, p.question) for p in training_set(run, dataset, rows)}
        assert not train & {(p.context, p.question) for p in evaluation_set(run, dataset, rows)}
