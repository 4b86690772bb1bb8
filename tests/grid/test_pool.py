"""Workers: the same files whatever their number, killed or not, and nobody left over."""

import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT
from safetensors.torch import load_file

from tracekd import machine, progress
from tracekd.grid import pool
from tracekd.io.records import read_jsonl


def command(runs, name, *more):
    argv = [sys.executable, "-m", "tracekd", name, "--profile", "smoke", "--dataset", "babi", *more]
    environment = {**os.environ, "TRACEKD_RUNS": str(runs), "PYTHONPATH": str(ROOT), "TRACEKD_DATA": ""}
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def whole(runs, name, *more):
    process = command(runs, name, *more)
    said = process.communicate(timeout=600)[0]
    assert process.returncode == 0, said[-3000:]
    return said


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Trained, answered and put after given traces in one process."""
    runs = tmp_path_factory.mktemp("one")
    for name in ("train", "generate", "intervene"):
        whole(runs, name, "--workers", "1")
    return runs


def adapters(runs):
    return {p.parent.parent.name: load_file(p) for p in sorted(runs.rglob("adapter_model.safetensors"))}


def losses(runs):
    return {p.parent.parent.name: [row["loss"] for row in read_jsonl(p)] for p in sorted(runs.rglob("log.jsonl"))}


def rows(runs):
    paths = [p for folder in ("outputs", "interventions") for p in (runs / "smoke" / folder).rglob("*.jsonl")]
    return {p.name: [(r["id"], r.get("text"), r.get("variant")) for r in read_jsonl(p)] for p in sorted(paths)}


def test_two_workers_make_what_one_does(one, tmp_path):
    """The same adapters to the bit, the same outputs, and no log left over."""
    said = "".join(whole(tmp_path, name, "--workers", "2") for name in ("train", "generate", "intervene"))
    assert "by 2 workers of one thread each" in said and "3 of 3 adapters" in said
    a, b = adapters(one), adapters(tmp_path)
    assert set(a) == set(b) == {"vanilla", "correct", "incorrect"}
    assert all(bool((a[c][name] == b[c][name]).all()) for c in a for name in a[c])
    assert losses(one) == losses(tmp_path) and rows(one) == rows(tmp_path)
    assert not list(tmp_path.rglob("worker-*.log"))


def test_a_short_step_after_a_long_one_is_shown(capsys):
    bar = progress.Bar("a job", 1000, unit="step")
    bar.display.bar.mininterval = 0
    for done in (900, 901, 902):
        bar.at(done, tokens=done, loss=done / 100)
    assert " tokens/s" in capsys.readouterr().err.partition("step 901/1000 loss 9.010;")[2][:20]


def workers_of(process):
    return [p for p in psutil.Process(process.pid).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]


def begun(runs, seconds=240):
    """Wait until a training has begun."""
    end = time.monotonic() + seconds
    while not list(runs.rglob(".train.lock")):
        assert time.monotonic() < end, "the moment never came"
        time.sleep(0.02)


@pytest.mark.parametrize("killed", ["a worker", "the process that started them"])
def test_after_a_kill_nobody_is_left_over_and_a_second_run_goes_on_to_the_same_numbers(one, tmp_path, killed):
    process = command(tmp_path, "train", "--workers", "2")
    begun(tmp_path)
    workers = workers_of(process)
    assert len(workers) == 2
    (workers[0] if killed == "a worker" else process).send_signal(signal.SIGKILL)
    said = process.communicate(timeout=600)[0]
    if killed == "a worker":
        assert process.returncode == 1 and "ended with code -9" in said and "Traceback" not in said
    assert not psutil.wait_procs(workers, timeout=60)[1]
    whole(tmp_path, "train", "--workers", "1")
    assert losses(tmp_path) == losses(one)


def test_an_error_in_a_worker_is_one_line_here(one, tmp_path):
    """The file that is missing is named as if the work were done in this process."""
    runs = shutil.copytree(one, tmp_path / "runs", ignore=shutil.ignore_patterns("outputs"))
    next(runs.rglob("correct/seed121/adapter_config.json")).unlink()
    process = command(runs, "generate", "--workers", "2")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 2
    assert "adapter_config.json" in said and "correct" in said and "Traceback" not in said


@pytest.mark.parametrize(("gib", "workers"), [(24, 8), (6.2, 2), (3, 1), (1, 1)])
def test_memory_bounds_the_workers(monkeypatch, gib, workers):
    """A worker of SmolLM2-135M (0.5 GiB in fp32) needs 1.6 + 2 x 0.5 GiB: 6.2 are free on an idle machine of 8 GB."""
    monkeypatch.setattr(machine, "has_gpu", lambda: False)
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "memory", lambda: (gib * 2**30, 2**40))
    monkeypatch.setattr(pool.registry, "weights_bytes", lambda _: 2**29)
    assert pool.fitting("smollm2-135m") == workers


@pytest.mark.parametrize(("line", "file", "said", "expected"), [
    ("0::/job/1", "job/1/memory.max", "1073741824", 2**30),  # version 2
    ("0::/job/1", "job/memory.max", "1073741824", 2**30),  # set above, as SLURM does
    ("0::/job/1", "job/1/memory.max", "max", 2**63),
    ("4:memory:/job", "memory/job/memory.limit_in_bytes", "2147483648", 2**31),  # version 1
    ("7:blkio:/job", "blkio/job/memory.max", "5", 2**63),  # not memory's tree
])  # fmt: skip
def test_a_container_or_batch_job_bounds_the_memory(tmp_path, line, file, said, expected):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(said + "\n")
    (tmp_path / "cgroup").write_text(line + "\n")
    assert min(machine._allowed(tmp_path, tmp_path / "cgroup")) == expected


@pytest.mark.parametrize("code", ["from tracekd.__main__ import main; main(['--help'])", "import tracekd.grid.run_grid",
                                  "import tracekd.pipeline.runner, tracekd.pipeline.notebooks"])  # fmt: skip
def test_nothing_loads_torch_that_does_no_arithmetic_with_it(code):
    found = "print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"import sys; {code}; {found}"], capture_output=True, text=True,
                          cwd=ROOT, check=True)  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
