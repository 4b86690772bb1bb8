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
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from tracekd import machine
from tracekd.config import ROOT
from tracekd.progress import Together
from tracekd.students import registry
from tracekd.students.adapters import Job

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
    tries: int = 0
    worker: subprocess.Popen | None = None
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
    weights, free = registry.weights_bytes(student), machine.free_memory()
    if machine.has_gpu():
        return max(1, min(machine.cores(), 4, int(free // (2**32 + 3 * weights))))
    return max(1, min(machine.cores(), int(free // (1.6 * 2**30 + 2 * weights))))


class Pool:
    """Starts workers, shows their progress, and ends them, whatever happens."""

    def __init__(self, run, kind: str, workers: int):
        """Take the run, what to do (a ``kind`` of ``worker.Doer``), and how many workers at once."""
        self.run, self.kind, self.size = run, kind, workers
        self.running: list[Task] = []
        self.messages: queue.Queue = queue.Queue()

    def do(self, tasks: list[Task], what: str) -> None:
        """Do all tasks, the longest first.

        Raises:
            WorkerFailed: a worker was killed twice over the same job, or failed with an error that is not ours.
            ValueError, FileNotFoundError, or an error of tracekd's own: what a worker raised.
        """
        waiting = sorted(tasks, key=lambda task: -task.size)
        display = Together(what, {task.label: task.size for task in tasks})
        try:
            while waiting or self.running:
                while waiting and len(self.running) < self.size:
                    self._start(waiting.pop(0))
                task, message = self.messages.get()
                if message is None:
                    self.running.remove(task)
                    if self._finished(task):
                        display.finished(task.label)
                    else:
                        waiting.insert(0, task)
                elif "error" in message:
                    task.error = message
                else:
                    display.at(task.label, message)
        finally:
            for task in self.running:
                task.worker.kill()
                task.worker.wait()
            display.close()

    def _log(self, task: Task) -> Path:
        return self.run.path("logs", f"worker-{self.kind}-{task.label.replace('/', '-')}-{os.getpid()}.log")

    def _start(self, task: Task) -> None:
        self.running.append(task)
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with self._log(task).open("a", encoding="utf-8") as errors:
            task.worker = subprocess.Popen(
                [sys.executable, "-m", "tracekd.grid.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors, encoding="utf-8",
                env={**os.environ, **SINGLE, **HEAP, **settings(), "PYTHONPATH": paths},
            )  # fmt: skip
        threading.Thread(target=self._listen, args=(task, task.worker), daemon=True).start()
        try:
            work = pickle.dumps((self.run, self.kind, task.job, self.size))
            task.worker.stdin.write(base64.b64encode(work).decode() + "\n")
            task.worker.stdin.flush()  # and left open: its end tells the worker that we are gone
        except OSError:
            pass  # it is dead already, which ``_listen`` finds out

    def _listen(self, task: Task, worker: subprocess.Popen) -> None:
        for line in worker.stdout:
            self.messages.put((task, json.loads(line)))
        worker.wait()
        self.messages.put((task, None))

    def _finished(self, task: Task) -> bool:
        """Whether a worker that has ended did its job; False if it was killed and is to try once more."""
        code = task.worker.returncode
        if code == 0:
            self._log(task).unlink(missing_ok=True)
            return True
        if task.error:
            raise _error(task.error)
        if task.tries or code > 0:
            lines = self._log(task).read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
            raise WorkerFailed(
                f"a worker ended with code {code} at {self.kind} {task.label}; run again to go on where it stopped; "
                f"--workers 1 takes less memory. The end of {self._log(task)}:\n    " + "\n    ".join(lines)
            )
        task.tries, self.size = task.tries + 1, max(1, self.size - 1)
        name = signal.Signals(-code).name
        print(f"a worker at {task.label} was killed ({name}), often for lack of memory: it goes on where it stopped, "
              f"with at most {self.size} at once")  # fmt: skip
        return False


def _error(said: dict) -> Exception:
    """A worker's error in its own class if that is ours or plain, else ``WorkerFailed`` with the traceback."""
    module, name, message = said["module"], said["error"], said["message"]
    if name in ("ValueError", "FileNotFoundError") or module.startswith("tracekd"):
        kind = getattr(importlib.import_module(module), name)
        error = kind.__new__(kind)
        Exception.__init__(error, message)
        return error
    return WorkerFailed(f"{name}: {message}\n{said['traceback']}")
