"""Killed, damaged, started twice: a clean continuation or a clear error, and the same bits in the end."""

import copy
import json
import random
import shutil
import signal
import time

import moments
import pytest
import torch
from safetensors.torch import load_file

from tracekd import __main__, config
from tracekd.run import open_run
from tracekd.students import train

CHOSEN = ["--profile", "smoke", "--dataset", "babi", "--condition", "correct"]
TRAIN, GENERATE = ["train", *CHOSEN], ["generate", *CHOSEN]
ADAPTER, OUTPUTS = "smoke/adapters/babi/correct/seed121", "smoke/outputs/babi/correct-121.jsonl"
SEED = random.Random(121)


@pytest.fixture(scope="module", autouse=True)
def enlarged():
    """The settings of ``moments`` for the commands that this process runs itself."""
    smoke = config._entries()["smoke"]
    before = copy.deepcopy(smoke)
    moments.enlarge()
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
    assert here(runs, [*TRAIN, "--list"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACEKD_RUNS", str(runs))
        from tracekd.students import sft

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


@pytest.fixture()
def trained(whole, tmp_path):
    """A run with the adapter and no outputs."""
    return shutil.copytree(whole, tmp_path / "runs", ignore=shutil.ignore_patterns("outputs"))


def same_adapter(runs, whole):
    """Tensors, losses of every step and their mean, to the last bit."""
    a, b = (load_file(r / ADAPTER / "adapter_model.safetensors") for r in (runs, whole))
    records = [json.loads((r / ADAPTER / "record.json").read_text()) for r in (runs, whole)]
    logs = [(r / ADAPTER / "log.jsonl").read_text() for r in (runs, whole)]
    decided = [{k: r[k] for k in ("key", "steps", "mean_loss")} for r in records]
    assert decided[0] == decided[1]
    assert logs[0] == logs[1]
    return set(a) == set(b) and all(torch.equal(a[k], b[k]) for k in a)


def same_outputs(runs, whole):
    return (runs / OUTPUTS).read_bytes() == (whole / OUTPUTS).read_bytes()


def wait(process, seconds=60):
    process.join(seconds)
    return process.exitcode


def checkpoints(runs):
    return sorted(int(p.name.split("-")[1]) for p in (runs / ADAPTER).glob("checkpoints/*/checkpoint-*"))


@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ({"die_at_step": SEED.randrange(2, 10)}, []),
        ({"die_at_step": SEED.randrange(11, 20)}, [10]),
        ({"die_before_record": True}, [24]),
    ],
)
def test_training_killed_at_a_step_goes_on_to_the_same_bits(fresh, whole, tmp_path, moment, left):
    assert wait(moments.start(fresh, TRAIN, tmp_path / "errors", moment)) == -signal.SIGKILL
    assert checkpoints(fresh) == left
    assert not (fresh / ADAPTER / "record.json").exists()
    assert here(fresh, TRAIN) == 0
    assert same_adapter(fresh, whole)
    assert not (fresh / ADAPTER / "checkpoints").exists()


def test_a_checkpoint_that_was_not_written_to_its_end_is_passed_over_and_removed(tmp_path):
    for step in (10, 20):
        (tmp_path / f"checkpoint-{step}").mkdir()
    (tmp_path / "checkpoint-10" / "elapsed.json").write_text("{}")  # written last
    assert train.whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-10"]


def test_a_finished_adapter_that_was_damaged_is_not_used_and_trained_again(whole, tmp_path, capsys):
    """Outputs of other weights never mix with those that are there: the adapter's checksum is in their key."""
    runs = shutil.copytree(whole, tmp_path / "runs")
    lines = (runs / OUTPUTS).read_bytes().splitlines(keepends=True)
    (runs / OUTPUTS).write_bytes(b"".join(lines[:16]))
    weights = runs / ADAPTER / "adapter_model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 64]))
    assert here(runs, GENERATE) == 2
    assert "is damaged" in (said := capsys.readouterr().err) and ADAPTER in said
    assert here(runs, TRAIN) == here(runs, GENERATE) == 0
    assert same_adapter(runs, whole) and same_outputs(runs, whole)


def test_generation_killed_inside_a_line_goes_on_to_the_same_bytes(trained, whole, tmp_path):
    batch = SEED.randrange(2, 8)
    assert wait(moments.start(trained, GENERATE, tmp_path / "errors", {"die_writing_batch": batch})) == -signal.SIGKILL
    left = (trained / OUTPUTS).read_bytes()
    assert left.count(b"\n") > 4 * (batch - 1) and not left.endswith(b"\n")
    assert here(trained, GENERATE) == 0
    assert same_outputs(trained, whole)


def test_of_two_trainings_in_one_folder_one_wins(fresh, whole, tmp_path):
    first = moments.start(fresh, TRAIN, tmp_path / "first", {"held": str(tmp_path / "go")})
    for _ in range(3000):  # at most a minute
        if (fresh / ADAPTER / ".train.lock").exists():
            break
        time.sleep(0.02)
    second = moments.start(fresh, TRAIN, tmp_path / "second")
    assert wait(second) == 1 and first.is_alive()
    said = (tmp_path / "second").read_text()
    assert ADAPTER in said and "Traceback" not in said
    (tmp_path / "go").touch()
    assert wait(first) == 0
    assert same_adapter(fresh, whole)
