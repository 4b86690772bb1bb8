"""Recipe search: the test split stays closed, and each attempt is counted with its interval."""

import json

import pytest

from tracekd.bench import benches
from tracekd.config import load
from tracekd.data.synthetic.generated import generate
from tracekd.run import Run
from tracekd.students import tune

PROBLEMS = generate("babi", 220, seed=3)


def split(train, validation, seed=121):
    return tune.split(Run("tune", load("smoke"), seed, "generated"), PROBLEMS, train, validation)


def test_training_and_validation_are_disjoint_parts_of_the_training_split():
    train, held = split(40, 30)
    assert (len(train), len(held)) == (40, 30) and {p.split for p in train + held} == {"train"}
    assert not {p.id for p in train} & {p.id for p in held}
    ids = [[p.id for p in split(n, 30, seed)[1]] for n, seed in ((40, 121), (9, 121), (40, 7))]
    assert ids[0] == ids[1] != ids[2]  # the validation problems follow the seed alone
    with pytest.raises(ValueError, match=r"9999 \+ 30"):
        split(9999, 30)


def test_the_command_prints_a_line_per_combination_with_the_columns_of_the_recorded_ones(capsys):
    assert tune.main(["--profile", "smoke", "--train", "8", "--validation", "5", "--batch", "4", "8"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [row["batch"] for row in printed] == [4, 8]
    for row in printed:
        assert set(row) == set(benches.tries().columns)
        assert row["n_train"] == 8 and row["n"] == 5 and row["low"] <= row["exact"] <= row["high"]
        assert "GENERATED" in row["source"]
