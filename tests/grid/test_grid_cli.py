"""The grid from the command line: shards that make a whole, and processes that share one training."""

import argparse
import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from tracekd.grid import commands
from tracekd.io.records import read_jsonl

DRIVER = ROOT / "tests" / "one_update.py"
LAUNCH = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
    "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
]  # fmt: skip


@given(items=st.lists(st.integers(), unique=True), of=st.integers(1, 9))
def test_shards_are_apart_and_make_the_whole(items, of):
    parts = [commands.shard(items, f"{i}/{of}") for i in range(of)]
    assert sorted(x for part in parts for x in part) == sorted(items)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["4/4", "1", "-1/4"])
def test_a_wrong_shard_is_named(text):
    with pytest.raises(ValueError, match="expected i/n"):
        commands.shard([1], text)


def test_a_choice_outside_the_grid_is_named_with_the_nearest():
    grid = [("babi", "correct", 121), ("marco", "vanilla", 122)]
    options = argparse.Namespace(dataset="babi", condition=None, seed=None, shard="0/1")
    assert commands.chosen(grid, options) == grid[:1]
    options.condition = "corect"
    with pytest.raises(ValueError, match="did you mean 'correct'"):
        commands.chosen(grid, options)


def test_a_shard_answers_with_the_adapters_that_it_trained(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path))
    listed = []
    for main, more in ((commands.main_train, []), (commands.main_generate, ["--trained"])):
        assert main(["--profile", "smoke", "--shard", "1/3", "--list", *more]) == 0
        printed = capsys.readouterr().out.splitlines()
        listed.append([line for line in printed if line.startswith(("babi ", "cotempqa ", "marco "))])
    assert listed[0] == listed[1] and len(listed[0]) == 4  # of 3 x 3 and two more of CoTempQA: 1, 4, 7 and 10


def test_two_processes_lose_what_one_does(tmp_path):
    """The same updates, whether one process computes them or two under accelerate: losses and sizes of gradients."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, launch in (("one", [sys.executable]), ("two", LAUNCH)):
        done = subprocess.run([*launch, DRIVER, tmp_path / name], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = (list(read_jsonl(tmp_path / name / "log.jsonl")) for name in ("one", "two"))
    assert [json.loads((tmp_path / n / "record.json").read_text())["processes"] for n in ("one", "two")] == [1, 2]
    assert len(one) == len(two) == 4
    for a, b in zip(one, two, strict=True):
        for value in ("loss", "trace_loss", "answer_loss", "grad_norm"):
            assert b[value] == pytest.approx(a[value], rel=1e-3), value
    first = one[0], two[0]
    assert first[1]["trace_loss"] == pytest.approx(first[0]["trace_loss"], abs=1e-5)  # before any rounding adds up
    a, b = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("one", "two"))
    assert a.keys() == b.keys()
