"""The details of SFT sets that usually go wrong, each shown on real tokenizers."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracekd.config import load
from tracekd.data.problem import DATASETS, Problem
from tracekd.data.problems import evaluation_set, kept, training_set
from tracekd.data.synthetic.generated import generate
from tracekd.run import Run
from tracekd.students import registry, sft
from tracekd.traces import templates

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
def test_an_example_is_the_evaluation_prompt_the_target_and_an_end_that_is_learned(tokenizer, problems, condition):
    end, bos = sft.end_token(tokenizer), tokenizer.bos_token_id
    assert tokenizer.pad_token_id not in (end, tokenizer.eos_token_id)
    for example in sft.build(problems, condition, seed=1):
        encoded = sft.encode(example, tokenizer)
        assert list(encoded.prompt_ids) == sft.prompt_ids(tokenizer, example.prompt)
        assert tokenizer.decode(encoded.prompt_ids).endswith("<|im_start|>assistant\n")
        if tokenizer.bos_token == "<|bos|>":  # the tiny student's template writes it, as Llama's does; not twice
            assert encoded.prompt_ids[0] == bos and (encoded.prompt_ids + encoded.target_ids).count(bos) == 1
        assert encoded.target_ids[-1] == end and encoded.target_ids.count(end) == 1
        assert tokenizer.decode(encoded.target_ids, skip_special_tokens=True) == example.target
        border = encoded.parts.count(sft.TRACE)
        assert encoded.parts == (sft.TRACE,) * border + (sft.ANSWER,) * (len(encoded.parts) - border)
        assert ("</think>" in tokenizer.decode(encoded.target_ids[: border + 1])) == (condition != "vanilla")
        assert "<answer>" not in tokenizer.decode(encoded.target_ids[:border])


def test_every_condition_has_the_same_problems_and_byte_identical_answers(problems):
    sets = {c: sft.build(problems, c, seed=3) for c in CONDITIONS}
    for rows in zip(*sets.values(), strict=True):
        assert len({r.id for r in rows}) == 1
        assert len({r.prompt for r in rows}) == 1
        assert len({r.target[r.target.index("<answer>") :] for r in rows}) == 1


def test_a_template_that_ends_with_the_pad_is_refused():
    tokenizer = registry.load_tokenizer("tiny-random")
    tokenizer.pad_token = "<|im_end|>"
    with pytest.raises(ValueError, match="no end token apart from the pad"):
        sft.end_token(tokenizer)


@settings(max_examples=40)
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
    assert sft.kept(run) == first and "that this run already has" in capsys.readouterr().out
    for changed in (replace(run, seed=122), replace(run, profile=replace(run.profile, train={"babi": 5}))):
        assert sft.kept(changed) != first
        assert "so they are built now" in capsys.readouterr().out


def test_the_test_split_is_opened_by_evaluation_only(tmp_path, monkeypatch):
    """SFT sets are built with the evaluation set barred, and hold training problems alone."""
    run = Run("02_build_sft_sets", load("smoke"), 121, "generated", tmp_path)
    monkeypatch.setattr("tracekd.data.problems.evaluation_set", lambda *_: pytest.fail("the test split was opened"))
    sets, problems = sft.prepare(run), kept(run)
    split = {p.id: p.split for rows in problems.values() for p in rows}
    assert {split[e.id] for examples in sets.values() for e in examples} == {"train"}
    monkeypatch.undo()
    for dataset, rows in problems.items():
        train = {(p.context, p.question) for p in training_set(run, dataset, rows)}
        assert not train & {(p.context, p.question) for p in evaluation_set(run, dataset, rows)}


def test_a_template_with_todays_date_gets_a_fixed_one(monkeypatch):
    tokenizer = registry.load_tokenizer("tiny-random")
    dated = "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}" + tokenizer.chat_template
    monkeypatch.setattr(tokenizer, "chat_template", dated)
    assert sft.DATE in tokenizer.decode(sft.prompt_ids(tokenizer, "Where?"))


@pytest.fixture(scope="module")
def examples(problems):
    return sft.build([p for p in problems if p.dataset == "babi" and p.split == "train"][:4], "correct", seed=1)


def test_the_published_habits_learn_the_whole_text_and_cut(examples, caplog):
    tokenizer = registry.load_tokenizer("tiny-random")
    aligned, published = sft.encode(examples[0], tokenizer), sft.encode(examples[0], tokenizer, cut=4096)
    assert published.target_ids[-len(aligned.target_ids) :] == aligned.target_ids
    assert len(published.target_ids) == len(published) - 1
    assert set(published.parts) == {sft.PROMPT, sft.TRACE, sft.ANSWER}
    assert {len(e) for e in sft.encode_all(examples, tokenizer, 40, "as_published")} == {40}
    assert "4 of 4 examples cut at 40 tokens" in caplog.text


LONG = "word " * 500
RECIPE = replace(load("smoke").recipe, max_tokens=400, leave_out=0.5)


def written(condition, targets, dataset="own"):
    return [sft.Example(f"own/{i}", dataset, condition, "Where?", text) for i, text in enumerate(targets)]


def test_a_problem_too_long_in_one_condition_leaves_all(capsys):
    sets = {("own", "vanilla"): written("vanilla", "abcd"), ("own", "correct"): written("correct", ["a", LONG, *"cd"])}
    sets["other", "vanilla"] = written("vanilla", ["x"], "other")
    made = sft.fitting(sets, "tiny-random", RECIPE)
    assert list(made) == list(sets)
    for condition in ("vanilla", "correct"):
        assert [e.id for e in made["own", condition]] == ["own/0", "own/2", "own/3"]
    assert len(made["other", "vanilla"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("own: ") and "1 of 4 problems" in said and "own/1" in said and len(said.splitlines()) == 1
    assert sft.fitting(sets, "tiny-random", replace(RECIPE, habits="as_published", leave_out=0.0)) == sets  # these cut


def test_the_limit_is_exact_and_agrees_with_what_training_sees():
    tokenizer, key = registry.load_tokenizer("tiny-random"), ("own", "correct")
    sets = {key: written("correct", [LONG])}
    (encoded,) = sft.encode_all(sets[key], tokenizer, 10**6)
    for room, left in ((len(encoded), 1), (len(encoded) - 1, 0)):
        recipe = replace(RECIPE, max_tokens=room, leave_out=1.0)
        assert len(sft.fitting(sets, "tiny-random", recipe)[key]) == left
    with pytest.raises(ValueError, match=f"max_tokens = {len(encoded) - 1}"):
        sft.encode_all(sets[key], tokenizer, len(encoded) - 1)  # never cut
    with pytest.raises(ValueError, match="the SFT set is empty"):
        sft.encode_all([], tokenizer, 100)
    strict = replace(RECIPE, leave_out=0.02)
    with pytest.raises(ValueError, match=r"1 of 49 .*own/48.*leave_out = 0.03 in the recipe"):  # 2.04%
        sft.fitting({key: written("correct", ["a"] * 48 + [LONG])}, "tiny-random", strict)
    sets = {key: written("correct", ["a"] * 49 + [LONG])}  # 1 of 50: 2%
    assert len(sft.fitting(sets, "tiny-random", strict)[key]) == 49
