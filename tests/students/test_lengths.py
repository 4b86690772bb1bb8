"""Too long problems leave every condition alike, are counted, and beyond a limit stop the run."""

import dataclasses

import pytest

from tracekd import config
from tracekd.data.problem import Problem
from tracekd.grid import commands
from tracekd.run import open_run
from tracekd.students import lengths, registry, sft
from tracekd.students.sft import Example
from tracekd.traces import templates

STUDENT = "tiny-random"
RECIPE = dataclasses.replace(config.load("smoke").recipe, max_tokens=400, leave_out=0.5)


def examples(condition, targets, dataset="own"):
    return [Example(f"own/{i}", dataset, condition, "Where?", text) for i, text in enumerate(targets)]


def sets(**by_condition):
    return {("own", condition): examples(condition, targets) for condition, targets in by_condition.items()}


LONG = "word " * 500


def test_a_problem_too_long_in_one_condition_leaves_all(capsys):
    given = sets(vanilla=["a", "b", "c", "d"], correct=["a", LONG, "c", "d"])
    given[("other", "vanilla")] = examples("vanilla", ["x"], "other")
    made = lengths.fitting(given, STUDENT, RECIPE)
    assert list(made) == list(given)
    for condition in ("vanilla", "correct"):
        assert [e.id for e in made["own", condition]] == ["own/0", "own/2", "own/3"]
    assert len(made["other", "vanilla"]) == 1
    said = capsys.readouterr().out
    assert "own: 1 of 4 training problems" in said and "own/1" in said and len(said.splitlines()) == 1


def test_the_limit_is_exact_and_agrees_with_what_training_sees():
    tokenizer = registry.load_tokenizer(STUDENT)
    (encoded,) = sft.encode_all(examples("correct", [LONG]), tokenizer, 10**6)
    for room, left in ((len(encoded), 1), (len(encoded) - 1, 0)):
        recipe = dataclasses.replace(RECIPE, max_tokens=room, leave_out=1.0)
        assert len(lengths.fitting(sets(correct=[LONG]), STUDENT, recipe)["own", "correct"]) == left
    with pytest.raises(ValueError, match=f"max_tokens = {len(encoded) - 1}"):
        sft.encode_all(examples("correct", [LONG]), tokenizer, len(encoded) - 1)  # never cut


def test_more_than_the_limit_stops_and_names_what_changes_it():
    strict = dataclasses.replace(RECIPE, leave_out=0.02)
    given = sets(correct=["a"] * 48 + [LONG])  # 1 of 49: 2.04%
    with pytest.raises(ValueError, match=r"1 of 49 .*own/48.*leave_out = 0\.03"):
        lengths.fitting(given, STUDENT, strict)
    given = sets(correct=["a"] * 49 + [LONG])  # 1 of 50: 2%
    assert len(lengths.fitting(given, STUDENT, strict)["own", "correct"]) == 49


def test_habits_of_the_release_still_cut_and_say_how_many(caplog):
    published = dataclasses.replace(RECIPE, habits="as_published", leave_out=0.0)
    given = sets(correct=["a", LONG])
    assert lengths.fitting(given, STUDENT, published) == given
    tokenizer = registry.load_tokenizer(STUDENT)
    encoded = sft.encode_all(given["own", "correct"], tokenizer, published.max_tokens, "as_published")
    assert max(map(len, encoded)) == 400 and "1 of 2 examples cut" in caplog.text


def problem(i, fact):
    return Problem(f"own/{i}", "own", "a", (fact,), "Where?", ("x",), (0,), "test")


def test_test_problems_need_room_for_their_answer(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path))
    run = open_run("x", "smoke")
    context, new = registry.load_config(STUDENT).max_position_embeddings, run.profile.recipe.max_new_tokens
    tokenizer = registry.load_tokenizer(STUDENT)

    def size(fact):
        return len(sft.prompt_ids(tokenizer, templates.prompt(problem(0, fact))))

    fact = "z "
    while size(fact) <= context - new:  # one prompt just too long, and the one before just fits
        fits, fact = fact, fact + "z " * max(1, (context - new - size(fact)) // 4)
    assert size(fits) + new <= context < size(fact) + new
    kept = lengths.answerable(run, "own", [problem(0, fits), problem(1, fact)])
    assert [p.id for p in kept] == ["own/0"]
    assert "own: 1 of 2 test problems" in capsys.readouterr().out
    run.profile = dataclasses.replace(run.profile, recipe=dataclasses.replace(run.profile.recipe, leave_out=0.1))
    with pytest.raises(ValueError, match=r"leave_out = 0\.5"):
        lengths.answerable(run, "own", [problem(0, fits), problem(1, fact)])


def test_real_passages_train_in_the_smoke_profile(shared_data, monkeypatch, tmp_path, capsys):
    """MS MARCO's longest passages are beyond the random student's limit: left out of all conditions, and it trains."""
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path))
    argv = ["--profile", "smoke", "--data", str(shared_data), "--dataset", "marco", "--condition", "vanilla"]
    assert commands.main_train(argv) == 0
    said = capsys.readouterr().out
    assert "of 48 training problems have an example longer than max_tokens = 2048" in said
