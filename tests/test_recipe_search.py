"""Recipe search: the test split stays closed, and each try is counted with its interval."""

import json

import pytest

from tracekd import freeform, recipe_search
from tracekd.generated import generate
from tracekd.profiles import Run, load

PROBLEMS = generate("babi", 220, seed=3)


def run(seed=121):
    return Run("tune", load("smoke"), seed, "generated")


def test_training_and_validation_are_apart_and_from_the_training_split():
    train, held = recipe_search.split(PROBLEMS, 40, 30, run())
    assert (len(train), len(held)) == (40, 30)
    assert {p.split for p in train + held} == {"train"}
    assert not {p.id for p in train} & {p.id for p in held}


def test_validation_stays_the_same_whatever_is_trained_on_and_follows_the_seed():
    ids = [[p.id for p in recipe_search.split(PROBLEMS, n, 30, run(s))[1]] for n, s in ((40, 121), (9, 121), (40, 7))]
    assert ids[0] == ids[1] != ids[2]


def test_more_than_there_is_is_named():
    with pytest.raises(ValueError, match="9999 \\+ 30 problems asked for"):
        recipe_search.split(PROBLEMS, 9999, 30, run())


def test_every_combination_is_tried_once():
    base = load("smoke").recipe
    made = list(recipe_search.recipes(base, {"learning_rate": [1e-3, 2e-3], "batch": [2, 4, 8]}))
    assert {(r.learning_rate, r.batch) for r in made} == {(x, b) for x in (1e-3, 2e-3) for b in (2, 4, 8)}
    assert {r.lora_r for r in made} == {base.lora_r} and len(made) == 6


def test_a_teachers_texts_are_learned_from_and_other_problems_held_out(tmp_path, capsys):
    problems = generate("cotempqa", 120, seed=3)
    have = [p for p in problems if p.split == "train"][:20]
    freeform.keep(tmp_path / "texts.jsonl", [freeform.Texts(p.id, "m", "I think so.") for p in have])
    taught = Run("tune", load("smoke"), 121, "generated", tmp_path, str(tmp_path / "texts.jsonl"))
    train, held, texts = recipe_search.with_texts(taught, "cotempqa", problems, 12, 30)
    assert {p.id for p in train} < {p.id for p in have} and len(train) == 12 and len(texts) == 20
    assert {p.split for p in held} == {"train"} and not {p.id for p in held} & {p.id for p in have}
    assert recipe_search.with_texts(run(), "cotempqa", problems, 12, 30) is None
    assert recipe_search.with_texts(taught, "babi", PROBLEMS, 12, 30) is None


def test_the_command_prints_and_keeps_a_line_a_try(tmp_path, capsys):
    out = tmp_path / "tries.jsonl"
    sizes = ["--train", "8", "--validation", "5", "--batch", "4,8", "--out", str(out)]
    assert recipe_search.main(["--profile", "smoke", *sizes]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [row["batch"] for row in printed] == [4, 8]
    for row in printed:
        assert row["n_train"] == 8 and row["exact"]["n"] == 5 and row["exact"]["low"] < row["exact"]["high"]
        assert "GENERATED" in row["source"]
    assert len(out.read_text().splitlines()) == 2
