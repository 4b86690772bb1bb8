"""Workers: each job of a grid in single-threaded processes of its own, which end with the one that started them.

Threads that share a matrix product wait for each other: two threads of one training did 1.5 times the work of one, and
0.55 times beside another program on one core. Two processes do twice.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tracekd import machine, students
from tracekd.adapters import Job
from tracekd.profiles import ROOT
from tracekd.progress import Together

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
    """A job for ``processes`` workers that share it; ``size`` (any unit) orders the jobs and gives the time left."""

    job: Job
    size: float
    processes: int = 1
    tries: int = 0
    workers: list[subprocess.Popen] = field(default_factory=list)
    error: dict | None = None

    @property
    def label(self) -> str:
        """Data set, condition and seed."""
        return "/".join(map(str, self.job))


def fitting(student: str) -> int:
    """How many workers the machine holds: one per core, as free memory allows.

    On a CPU a worker needs 1.6 GiB (libraries, and the activations of a pass or a cache, see ``memory``) and twice the
    student's fp32 weights: 2.7 GB measured for SmolLM2-135M. On a GPU it needs 4 GiB and three times the weights, and
    more than four only take turns (not measured).
    """
    weights, free = students.weights_bytes(student), machine.free_memory()
    if machine.has_gpu():
        return max(1, min(machine.cores(), 4, int(free // (2**32 + 3 * weights))))
    return max(1, min(machine.cores(), int(free // (1.6 * 2**30 + 2 * weights))))


def shared(adapters: int, workers: int, update: int) -> list[int]:
    """How many processes train each adapter of a grid: 1, or more for the last ones, if cores would stand idle.

    Args:
        adapters: how many there are, the longest first.
        workers: processes at once.
        update: examples per update of the optimiser, which processes must divide.
    """
    rest = adapters % workers
    most = workers // rest if rest else 1
    many = max(n for n in range(1, most + 1) if update % n == 0)
    return [1] * (adapters - rest) + [many] * rest


class Pool:
    """Starts workers, shows their progress, and ends them, whatever happens."""

    def __init__(self, run, kind: str, workers: int):
        """Take the run, what to do (a ``kind`` of ``worker.Doer``), and how many processes at once."""
        self.run, self.kind, self.size = run, kind, workers
        self.running: list[Task] = []
        self.messages: queue.Queue = queue.Queue()

    def do(self, tasks: list[Task], what: str) -> None:
        """Do all tasks: those for one worker first, the longest first.

        Raises:
            WorkerFailed: a worker was killed twice over the same job, or failed with an error that is not ours.
            ValueError, FileNotFoundError, or an error of tracekd's own: what a worker raised.
        """
        waiting = sorted(tasks, key=lambda task: (task.processes, -task.size))
        display = Together(what, {task.label: task.size for task in tasks})
        try:
            while waiting or self.running:
                while waiting and sum(task.processes for task in self.running) + waiting[0].processes <= self.size:
                    self._start(waiting.pop(0))
                task, worker, message = self.messages.get()
                if worker not in task.workers:
                    continue  # of an attempt that was given up
                if message is None:
                    self._ended(task, worker, waiting, display)
                elif "error" in message:
                    task.error = message
                else:
                    display.at(task.label, message)
        finally:
            for task in self.running:
                _kill(task)
            display.close()

    def _log(self, task: Task) -> Path:
        return self.run.path("logs", f"worker-{self.kind}-{task.label.replace('/', '-')}-{os.getpid()}.log")

    def _start(self, task: Task) -> None:
        self.running.append(task)
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, **SINGLE, **HEAP, **settings(), "PYTHONPATH": paths}
        if task.processes > 1:
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port(), "WORLD_SIZE": str(task.processes)}
        work = base64.b64encode(pickle.dumps((self.run, self.kind, task.job, self.size))).decode()
        for rank in range(task.processes):
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if task.processes > 1 else {}
            with self._log(task).open("a", encoding="utf-8") as errors:
                worker = subprocess.Popen(
                    [sys.executable, "-m", "tracekd.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=errors, env={**environment, **place}, encoding="utf-8",
                )  # fmt: skip
            task.workers.append(worker)
            threading.Thread(target=self._listen, args=(task, worker), daemon=True).start()
            try:
                worker.stdin.write(work + "\n")
                worker.stdin.flush()  # and left open: its end tells the worker that we are gone
            except OSError:
                pass  # it is dead already, which ``_listen`` finds out

    def _listen(self, task: Task, worker: subprocess.Popen) -> None:
        for line in worker.stdout:
            self.messages.put((task, worker, json.loads(line)))
        worker.wait()
        self.messages.put((task, worker, None))

    def _ended(self, task: Task, worker: subprocess.Popen, waiting: list[Task], display: Together) -> None:
        """A worker is gone: finished, with an error, or killed; a killed one's job starts once more."""
        if worker.returncode == 0:
            task.workers.remove(worker)
            if not task.workers:
                self.running.remove(task)
                self._log(task).unlink(missing_ok=True)
                display.finished(task.label)
            return
        killed = [code for other in task.workers if (code := other.poll()) is not None and code < 0]
        self.running.remove(task)
        _kill(task)  # the others cannot go on without it
        if task.error and not killed:
            raise _error(task.error)
        if task.tries or not killed:
            raise WorkerFailed(_story(self.kind, task, worker.returncode, self._log(task)))
        task.tries, task.error = task.tries + 1, None
        self.size = max(task.processes, self.size - 1)
        waiting.insert(0, task)
        name = signal.Signals(-killed[0]).name
        print(f"a worker at {task.label} was killed ({name}), often for lack of memory: it goes on where it stopped, "
              f"with at most {self.size} at once")  # fmt: skip


def _kill(task: Task) -> None:
    for worker in task.workers:
        worker.kill()
        worker.wait()
    task.workers = []


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _story(kind: str, task: Task, code: int, log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
    return (
        f"a worker ended with code {code} at {kind} {task.label}; run again to go on where it stopped; --workers 1 "
        f"takes less memory. The end of {log}:\n" + "\n".join(f"    {line}" for line in lines)
    )


def _error(said: dict) -> Exception:
    """A worker's error in its own class if that is ours or plain, else ``WorkerFailed`` with the traceback."""
    module, name, message = said["module"], said["error"], said["message"]
    if name in ("ValueError", "FileNotFoundError") or module.startswith("tracekd"):
        kind = getattr(importlib.import_module(module), name)
        error = kind.__new__(kind)
        Exception.__init__(error, message)
        return error
    return WorkerFailed(f"{name}: {message}\n{said['traceback']}")
