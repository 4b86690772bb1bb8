"""Recipe search: the test split stays closed, and each attempt is counted with its interval."""

import json

import pytest

from tracekd.config import load
from tracekd.data.synthetic.generated import generate
from tracekd.run import Run
from tracekd.students import tune
from tracekd.traces import freeform

PROBLEMS = generate("babi", 220, seed=3)


def split(train, validation, seed=121):
    return tune.split(Run("tune", load("smoke"), seed, "generated"), "babi", PROBLEMS, train, validation)[:2]


def test_training_and_validation_are_disjoint_parts_of_the_training_split():
    train, held = split(40, 30)
    assert (len(train), len(held)) == (40, 30) and {p.split for p in train + held} == {"train"}
    assert not {p.id for p in train} & {p.id for p in held}


def test_validation_follows_the_seed_alone():
    ids = [[p.id for p in split(n, 30, seed)[1]] for n, seed in ((40, 121), (9, 121), (40, 7))]
    assert ids[0] == ids[1] != ids[2]


def test_more_than_there_is_is_named():
    with pytest.raises(ValueError, match="9999 \\+ 30"):
        split(9999, 30)


def test_a_teachers_texts_are_learned_from_and_other_problems_held_out(tmp_path):
    problems = generate("cotempqa", 120, seed=3)
    have = [p for p in problems if p.split == "train"][:20]
    freeform.keep(tmp_path / "texts.jsonl", [freeform.Texts(p.id, "m", "I think so.") for p in have])
    run = Run("tune", load("smoke"), 121, "generated", tmp_path, str(tmp_path / "texts.jsonl"))
    train, held, texts = tune.split(run, "cotempqa", problems, 12, 30)
    assert {p.id for p in train} < {p.id for p in have} and len(train) == 12 and len(texts) == 20
    assert {p.split for p in held} == {"train"} and not {p.id for p in held} & {p.id for p in have}


def test_the_command_prints_and_appends_a_line_per_combination(tmp_path, capsys):
    out = tmp_path / "tries.jsonl"
    sizes = ["--train", "8", "--validation", "5", "--batch", "4,8", "--out", str(out)]
    assert tune.main(["--profile", "smoke", *sizes]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [row["batch"] for row in printed] == [4, 8]
    for row in printed:
        assert row["n_train"] == 8 and row["exact"]["n"] == 5 and row["exact"]["low"] < row["exact"]["high"]
        assert "GENERATED" in row["source"]
    assert len(out.read_text().splitlines()) == 2
