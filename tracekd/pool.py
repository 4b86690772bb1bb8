"""Workers: the jobs of a grid in several single-threaded processes, which die with the one that started them.

Threads that share each matrix product wait for one another at every one of them: two threads of one training did
1.5 times the work of one, 0.55 times where another program kept one core busy. Processes that share nothing do twice.
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
from dataclasses import dataclass
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
TAIL = 12  # lines of a worker's log that an error shows


def settings() -> dict[str, str]:
    """Environment variables of a process that is about to load torch: passive threads, no compilers on a CPU."""
    return PASSIVE if machine.has_gpu() else {**PASSIVE, **UNCOMPILED}


class WorkerFailed(RuntimeError):
    """A worker ended without finishing its job; the message has the end of its log."""


@dataclass
class Task:
    """A job for ``processes`` workers that share it; ``size`` in any unit orders the jobs and tells the time left."""

    job: Job
    size: float
    processes: int = 1
    tries: int = 0

    @property
    def label(self) -> str:
        """Data set, condition and seed."""
        return "/".join(map(str, self.job))


@dataclass
class Worker:
    """One process: its pipe to it, the task it has, its rank among those that share it."""

    process: subprocess.Popen
    log: Path
    task: Task | None = None
    rank: int = 0
    alone: bool = True
    error: dict | None = None


def fitting(student: str) -> int:
    """How many workers the machine holds: one a core, as free memory allows.

    On a CPU a worker needs the interpreter and its libraries (0.6 GiB), twice the student's fp32 weights and the
    activations of a pass (``memory.PASS`` tokens) or a cache (``memory.CACHE``): 2.7 GB measured for SmolLM2-135M. On a
    GPU, where several adapters of a small student are packed so that one fills the gaps of another, it is a CUDA
    context and its buffers (4 GiB) and three times the weights; beyond four they only take turns (not yet measured).
    """
    weights = students.weights_bytes(student)
    if machine.has_gpu():
        return max(1, min(machine.cores(), 4, int(machine.free_memory() // (2**32 + 3 * weights))))
    return max(1, min(machine.cores(), int(machine.free_memory() // (1.6 * 2**30 + 2 * weights))))


def shared(adapters: int, workers: int, update: int) -> list[int]:
    """How many processes train each adapter of a grid: 1, or more for the last ones, where cores would stand idle.

    As many adapters as fill all workers evenly are trained one a worker; each of the rest, which are the shortest, by
    as many processes as divide the update.

    Args:
        adapters: how many there are.
        workers: processes at once.
        update: examples an update of the optimiser.
    """
    rest = adapters % workers
    most = workers // rest if rest else 1
    many = max(n for n in range(1, most + 1) if update % n == 0)
    return [1] * (adapters - rest) + [many] * rest


class Pool:
    """Hands tasks to workers, shows their progress, and ends them, whatever happens."""

    def __init__(self, run, kind: str, workers: int, options: dict):
        """Take the run, what to do (a ``kind`` of ``worker.Doer``), how many at once, and the doer's options."""
        self.run, self.kind, self.size, self.options = run, kind, workers, options
        self.workers: list[Worker] = []
        self.said: queue.Queue = queue.Queue()

    def do(self, tasks: list[Task], what: str) -> None:
        """Do all tasks: those for one worker first, the longest first.

        Raises:
            WorkerFailed: a worker died twice over the same job, or failed with an error of no kind of ours.
            ValueError, FileNotFoundError, or an error of tracekd's own: what a worker raised.
        """
        waiting = sorted(tasks, key=lambda task: (task.processes, -task.size))
        display = Together(what, {task.label: task.size for task in tasks})
        try:
            while waiting or any(worker.task for worker in self.workers):
                self._start(waiting)
                worker, message = self.said.get()
                if message is None:
                    self._ended(worker, waiting)
                elif "error" in message:
                    worker.error = message
                elif message.get("finished"):
                    self._finished(worker, display)
                elif worker.task:
                    display.at(worker.task.label, message)
        finally:
            self._stop()
            display.close()

    def _start(self, waiting: list[Task]) -> None:
        """Give the next tasks to idle or new workers while there is room for them."""
        while waiting:
            task = waiting[0]
            if sum(worker.task is not None for worker in self.workers) + task.processes > self.size:
                return
            waiting.pop(0)
            idle = [worker for worker in self.workers if worker.task is None and worker.alone]
            if task.processes == 1:
                self._give(idle[0] if idle else self._new({}, len(self.workers)), task)
                continue
            for worker in idle:  # processes that train together are told so when they start
                self._end(worker)
            port = _free_port()
            for rank in range(task.processes):
                place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(task.processes)}
                worker = self._new({**place, "RANK": str(rank), "LOCAL_RANK": str(rank)}, len(self.workers))
                worker.rank, worker.alone = rank, False
                self._give(worker, task)

    def _new(self, environment: dict[str, str], number: int) -> Worker:
        log = self.run.path("logs", f"worker-{self.kind}-{os.getpid()}-{number}.log")
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tracekd.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env={**os.environ, **SINGLE, **settings(), "PYTHONPATH": paths, **environment}, encoding="utf-8",
            )  # fmt: skip
        worker = Worker(process, log)
        self.workers.append(worker)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        about = base64.b64encode(pickle.dumps((self.run, self.kind, self.size, self.options))).decode()
        self._say(worker, about)
        return worker

    def _listen(self, worker: Worker) -> None:
        for line in worker.process.stdout:
            self.said.put((worker, json.loads(line)))
        self.said.put((worker, None))

    def _say(self, worker: Worker, line: str) -> None:
        try:
            worker.process.stdin.write(line + "\n")
            worker.process.stdin.flush()
        except OSError:
            pass  # it is dead, which ``_listen`` finds out

    def _give(self, worker: Worker, task: Task) -> None:
        worker.task = task
        self._say(worker, json.dumps(task.job))

    def _finished(self, worker: Worker, display: Together) -> None:
        task, worker.task = worker.task, None
        if not worker.alone:
            self._end(worker)
        if not any(other.task is task for other in self.workers):
            display.finished(task.label)

    def _ended(self, worker: Worker, waiting: list[Task]) -> None:
        """A worker is gone: as it should, with an error, or killed; a killed one's job starts once more."""
        if worker in self.workers:
            self.workers.remove(worker)
        code, task = worker.process.wait(), worker.task
        if task is None:
            worker.log.unlink(missing_ok=True)
            return
        others = [other for other in self.workers if other.task is task]
        blamed = next((w for w in [worker, *others] if (w.process.poll() or 0) < 0), worker)
        for other in others:  # those that share the job cannot go on without it
            other.task = None
            self._kill(other)
        killed = blamed.process.returncode is not None and blamed.process.returncode < 0
        if worker.error and not killed:
            raise _error(worker.error)
        if task.tries or not killed:
            raise WorkerFailed(_story(self.kind, task, code, worker.log))
        task.tries += 1
        self.size = max(task.processes, self.size - 1)
        waiting.insert(0, task)
        name = signal.Signals(-blamed.process.returncode).name
        print(f"a worker at {task.label} was killed ({name}), often for want of memory: it goes on where it stopped, "
              f"with at most {self.size} at once")  # fmt: skip

    def _end(self, worker: Worker) -> None:
        """Let an idle worker end by itself."""
        self._say(worker, "null")
        worker.alone = False

    def _kill(self, worker: Worker) -> None:
        worker.process.kill()
        worker.process.wait()

    def _stop(self) -> None:
        for worker in self.workers:
            if worker.task is None and worker.process.poll() is None:
                self._say(worker, "null")
            else:
                self._kill(worker)
        for worker in self.workers:
            worker.process.wait()
            if worker.task is None:
                worker.log.unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _story(kind: str, task: Task, code: int, log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
    return (
        f"a worker ended with code {code} at {kind} {task.label}; run again, which goes on where it stopped; with "
        f"--workers 1 it takes less memory. The end of {log}:\n" + "\n".join(f"    {line}" for line in lines)
    )


def _error(said: dict) -> Exception:
    """A worker's error as its own kind where that is ours or plain, else ``WorkerFailed`` with the traceback."""
    module, name, message = said["module"], said["error"], said["message"]
    if name in ("ValueError", "FileNotFoundError") or module.startswith("tracekd"):
        kind = getattr(importlib.import_module(module), name)
        error = kind.__new__(kind)
        Exception.__init__(error, message)
        return error
    return WorkerFailed(f"{name}: {message}\n{said['traceback']}")
