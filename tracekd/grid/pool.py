"""Workers: each job of a grid in a single-threaded process of its own, which ends with the one that started it.

Threads that share a matrix product wait for each other: two threads of one training did 1.5 times the work of one, and
0.55 times beside another program on one core. Two processes do twice.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path

from tracekd import machine, progress
from tracekd.grid import forced_traces
from tracekd.students import outputs, registry, sft
from tracekd.students.adapters import Job, adapter_path

# One thread for each library that may do a worker's arithmetic; read when the process loads them.
SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
# A process that uses all cores must not let its threads spin while they wait: another program may need the core.
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "TOKENIZERS_PARALLELISM": "false"}
# bitsandbytes marks functions to be compiled, for which torch loads its compilers: a third of a process's start.
UNCOMPILED = {"TORCHDYNAMO_DISABLE": "1"}
# glibc: reuse freed memory for the next tensors, which saves page faults (a tenth of a small student's training step).
HEAP = {"MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_MMAP_MAX_": "0"}
TAIL = 12  # lines of a worker's log that an error shows


def settings() -> dict[str, str]:
    """Environment variables for a process that is about to load torch: passive threads, no compilers on a CPU."""
    return PASSIVE if machine.has_gpu() else {**PASSIVE, **UNCOMPILED}


class WorkerFailed(RuntimeError):
    """A worker ended without finishing its job; the message has the end of its log."""


@dataclass(eq=False)
class Task:
    """A job; its ``size`` (any unit) orders the jobs and gives the time left."""

    job: Job
    size: float
    worker: BaseProcess | None = None
    log: Path | None = None

    @property
    def label(self) -> str:
        """Data set, condition and seed."""
        return "/".join(map(str, self.job))


def fitting(student: str) -> int:
    """How many workers the machine holds: one per core, as free memory allows.

    On a CPU a worker needs 1.6 GiB (libraries, and the activations of a pass or a cache, see ``memory``) and twice the
    student's fp32 weights: 2.7 GB measured for SmolLM2-135M. On a GPU it needs 4 GiB and three times the weights: of
    that student 1.5 to 4.9 GiB were measured in training, 16 workers on one H100 with 16 cores.
    """
    weights, free = registry.weights_bytes(student), machine.free_memory()
    if machine.has_gpu():
        return max(1, min(machine.cores(), int(free // (2**32 + 3 * weights))))
    return max(1, min(machine.cores(), int(free // (1.6 * 2**30 + 2 * weights))))


def doing(run, kind: str) -> Callable[..., object]:
    """The function that does a job of ``kind`` (train, generate or intervene); what the jobs share is loaded once."""
    if kind == "train":
        from tracekd.students.train import train

        sets, recipe = sft.training_sets(run), run.profile.recipe
        return lambda d, c, s: train(run.student, sets[d, c], recipe, seed=s, folder=adapter_path(run, d, c, s))
    from tracekd.students.generate import Asker, answer_job

    asker = Asker(run.student, run.profile.recipe)
    if kind == "generate":
        problems = outputs.evaluation_problems(run)
        return lambda *job: answer_job(run, asker, problems, *job)
    chosen = forced_traces.chosen(run)
    return lambda d, c, s: forced_traces.complete(run, asker, chosen[d], d, c, s)


def do(run, kind: str, tasks: list[Task], what: str, workers: int) -> None:
    """Do all tasks by so many workers at once, the longest first, under one progress bar for ``what``.

    Raises:
        WorkerFailed: a worker was killed, or failed with an error that is not ours.
        ValueError, OSError, or an error of tracekd's own: what a worker raised.
    """
    waiting, running = sorted(tasks, key=lambda task: -task.size), {}
    display = progress.Together(what, {task.label: task.size for task in tasks})
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop(0)
                running[_start(run, kind, task, workers)] = task
            for pipe in connection.wait(running):
                _take(pipe, running, display)
    finally:
        for task in running.values():
            task.worker.kill()
            task.worker.join()
        display.close()


def _take(pipe: connection.Connection, running: dict, display: progress.Together) -> None:
    """Take one message of a worker: how far it is, its error, or its end."""
    task = running[pipe]
    try:
        message = pipe.recv()
    except (EOFError, OSError):
        del running[pipe]
        task.worker.join()
        if code := task.worker.exitcode:
            end = "\n    ".join(task.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:])
            raise WorkerFailed(
                f"a worker ended with code {code} at {task.label} (-9: killed, often for lack of memory): run again, "
                f"which goes on where it stopped; --workers 1 takes less memory. The end of {task.log}:\n    {end}"
            ) from None
        display.finished(task.label)
    else:
        if isinstance(message, Exception):
            raise message
        display.at(task.label, message)


def _start(run, kind: str, task: Task, workers: int) -> connection.Connection:
    """Start the worker of a task; return the pipe with its messages."""
    context = get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    task.log = run.path("logs", f"worker-{kind}-{task.label.replace('/', '-')}.log")
    task.worker = context.Process(target=_work, args=(writer, task.log, run, kind, task.job, workers), daemon=True)
    before, given = dict(os.environ), {**SINGLE, **HEAP, **settings()}
    os.environ.update(given)  # for the new process alone
    try:
        task.worker.start()
    finally:
        for name in given:
            os.environ.pop(name)
        os.environ.update(before)
    writer.close()  # the worker's copy is the last, so that its end is seen
    return reader


def _work(pipe: connection.Connection, log: Path, run, kind: str, job: Job, workers: int) -> None:
    """Do one job in a process of its own, which sends its progress and its error through the pipe."""
    for stream in (1, 2):  # what the libraries print goes to the log
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from tracekd.students import memory  # loads torch

    progress.send, memory.workers = pipe.send, workers
    try:
        doing(run, kind)(*job)
    except Exception as error:
        traceback.print_exc()
        if isinstance(error, ValueError | OSError) or type(error).__module__.startswith("tracekd"):
            pipe.send(error)
        raise SystemExit(1) from error
    log.unlink(missing_ok=True)


def _end_with_parent() -> None:
    parent_process().join()
    os._exit(1)
