"""The grid from the command line: shards that make a whole."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekd.grid import run_grid


@given(items=st.lists(st.integers(), unique=True), of=st.integers(1, 9))
def test_shards_are_apart_and_make_the_whole(items, of):
    parts = [run_grid.shard(items, f"{i}/{of}") for i in range(of)]
    assert sorted(x for part in parts for x in part) == sorted(items)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_choice_outside_the_grid_is_named_with_the_nearest():
    grid = [("babi", "correct", 121), ("marco", "vanilla", 122)]
    options = argparse.Namespace(dataset="babi", condition=None, seed=None, shard="0/1")
    assert run_grid.chosen(grid, options) == grid[:1]
    options.condition = "corect"
    with pytest.raises(ValueError, match="did you mean 'correct'"):
        run_grid.chosen(grid, options)


def test_a_shard_answers_with_the_adapters_that_it_trained(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path))
    listed = []
    for main, more in ((run_grid.main_train, []), (run_grid.main_generate, ["--trained"])):
        assert main(["--profile", "smoke", "--shard", "1/3", "--list", *more]) == 0
        printed = capsys.readouterr().out.splitlines()
        listed.append([line for line in printed if line.startswith(("babi ", "cotempqa ", "marco "))])
    assert listed[0] == listed[1] and len(listed[0]) == 4  # of 3 x 3 and two more of CoTempQA: 1, 4, 7 and 10
