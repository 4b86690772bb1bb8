"""Broken off, damaged, started twice: a clean continuation or a clear error, and the same bits in the end."""

import copy
import json
import random
import shutil

import pytest
import torch
from safetensors.torch import load_file

from tracekd import __main__, config
from tracekd.io.records import locked
from tracekd.run import open_run
from tracekd.students import sft, train

CHOSEN = ["--profile", "smoke", "--dataset", "babi", "--condition", "correct"]
TRAIN, GENERATE = ["train", *CHOSEN], ["generate", *CHOSEN]
ADAPTER, OUTPUTS = "smoke/adapters/babi/correct/seed121", "smoke/outputs/babi/correct-121.jsonl"
SEED = random.Random(121)


class Killed(BaseException):
    """Stands for a kill: nothing catches it, so what is on the disk is what a kill leaves (see ``test_pool``)."""


@pytest.fixture(scope="module", autouse=True)
def enlarged():
    """More steps and batches than the profile has: 24 steps with checkpoints after 10, 20 and 24; 32 answers in 8."""
    smoke = config._entries()["smoke"]
    before = copy.deepcopy(smoke)
    smoke["recipe"].update({"epochs": 2, "generate_batch": 4, "max_new_tokens": 12})
    smoke["train"]["babi"] = 96
    yield
    smoke.update(before)


def here(runs, argv):
    """Run a command in this process, to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACEKD_RUNS", str(runs))
        return __main__.main(argv)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, enlarged):
    """A run with its problems and SFT sets, and nothing else."""
    runs = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACEKD_RUNS", str(runs))
        sft.kept(open_run("train", "smoke"))
    return runs


@pytest.fixture(scope="module")
def whole(prepared, tmp_path_factory):
    """The uninterrupted run."""
    runs = shutil.copytree(prepared, tmp_path_factory.mktemp("whole") / "runs")
    assert here(runs, TRAIN) == here(runs, GENERATE) == 0
    return runs


@pytest.fixture()
def fresh(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "runs")


def same_adapter(runs, whole):
    """Tensors, losses of every step and their mean, to the last bit."""
    a, b = (load_file(r / ADAPTER / "adapter_model.safetensors") for r in (runs, whole))
    records = [json.loads((r / ADAPTER / "record.json").read_text()) for r in (runs, whole)]
    logs = [(r / ADAPTER / "log.jsonl").read_text() for r in (runs, whole)]
    decided = [{k: r[k] for k in ("key", "steps", "mean_loss")} for r in records]
    assert decided[0] == decided[1] and logs[0] == logs[1]
    return set(a) == set(b) and all(torch.equal(a[k], b[k]) for k in a)


def checkpoints(runs):
    return sorted(int(p.name.split("-")[1]) for p in (runs / ADAPTER).glob("checkpoints/*/checkpoint-*"))


@pytest.mark.parametrize(
    ("step", "left"), [(SEED.randrange(2, 10), []), (SEED.randrange(11, 20), [10]), (None, [24])]
)  # None: between the finished adapter and the record that says so
@pytest.mark.parametrize("torn", [False, True])
def test_a_training_that_broke_off_goes_on_to_the_same_bits(fresh, whole, step, left, torn):
    def die(self, args, state, control, **_):
        if state.global_step == step:
            raise Killed

    def before_the_record(*_):
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(train.Progress, "on_step_end", die)
        if step is None:
            patch.setattr(train, "write_jsonl", before_the_record)
        here(fresh, TRAIN)
    assert checkpoints(fresh) == left and not (fresh / ADAPTER / "record.json").exists()
    if torn:  # the last checkpoint was not written to its end: the one before it counts
        for path in (fresh / ADAPTER).glob("checkpoints/*/checkpoint-*"):
            (path / "elapsed.json").unlink()
            (path / "optimizer.pt").write_bytes(b"x")
    assert here(fresh, TRAIN) == 0 and same_adapter(fresh, whole)
    assert not (fresh / ADAPTER / "checkpoints").exists()


def test_a_finished_adapter_that_was_damaged_is_not_used_and_trained_again(whole, tmp_path, capsys):
    """Outputs of other weights never mix with those that are there: the adapter's checksum is in their key."""
    runs = shutil.copytree(whole, tmp_path / "runs")
    lines = (runs / OUTPUTS).read_bytes().splitlines(keepends=True)
    (runs / OUTPUTS).write_bytes(b"".join(lines[:16]) + lines[16][:30])
    weights = runs / ADAPTER / "adapter_model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 64]))
    assert here(runs, GENERATE) == 2
    assert "missing or damaged" in (said := capsys.readouterr().err) and "babi/correct/121" in said
    assert here(runs, TRAIN) == here(runs, GENERATE) == 0 and same_adapter(runs, whole)
    assert (runs / OUTPUTS).read_bytes() == (whole / OUTPUTS).read_bytes()


def test_of_two_trainings_in_one_folder_the_second_says_so(fresh, capsys):
    with locked(fresh / ADAPTER / "train"):
        assert here(fresh, TRAIN) == 1
    said = capsys.readouterr().err
    assert ADAPTER in said and "another process" in said and "Traceback" not in said
