"""Workers: each job of a grid in a single-threaded process of its own, which ends with the one that started it.

Two threads of one training did 1.5 times the work of one, and 0.55 times beside another program; two processes twice.
"""

import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path

from tracekd import machine, progress
from tracekd.grid import forced_traces
from tracekd.students import records, registry, sft
from tracekd.students.records import Job

# Libraries that may do a worker's arithmetic read their number of threads here when a process loads them.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# A process that uses all cores must not let its threads spin while they wait: another program may need the core.
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "TOKENIZERS_PARALLELISM": "false"}
# bitsandbytes marks functions to be compiled, for which torch loads its compilers: a third of a process's start.
UNCOMPILED = {"TORCHDYNAMO_DISABLE": "1"}
# glibc: reuse freed memory for the next tensors, which saves page faults (a tenth of a small student's training step).
HEAP = {"MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_MMAP_MAX_": "0"}


class WorkerFailed(RuntimeError):
    """A worker ended without finishing its job; the message has the end of its log."""


def settings() -> dict[str, str]:
    """Environment variables for a process that is about to load torch: passive threads, no compilers on a CPU."""
    return PASSIVE if machine.has_gpu() else {**PASSIVE, **UNCOMPILED}


@contextmanager
def environment(threads: int, heap: Mapping[str, str]) -> Iterator[None]:
    """Give the processes that are started meanwhile ``settings``, ``heap`` and so many threads."""
    before = dict(os.environ)
    os.environ.update({**dict.fromkeys(THREADS, str(threads)), **settings(), **heap})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def fitting(student: str) -> int:
    """How many workers the machine holds: one per core, as free memory allows."""
    # Measured of SmolLM2-135M: 2.7 GB a worker on a CPU; 1.5 to 4.9 GiB in training on an H100, with 16 workers.
    fixed, times = (2**32, 3) if machine.has_gpu() else (1.6 * 2**30, 2)
    needed = fixed + times * registry.weights_bytes(student)
    return max(1, min(machine.cores(), int(machine.memory()[0] // needed)))


def doing(run, kind: str) -> Callable[..., object]:
    """The function that does a job of ``kind`` (train, generate or intervene); what the jobs share is loaded once."""
    recipe = run.profile.recipe
    if kind == "train":
        from tracekd.students.train import train

        sets, path = sft.training_sets(run), records.adapter_path
        return lambda d, c, s: train(run.student, sets[d, c], recipe, seed=s, folder=path(run, d, c, s))
    from tracekd.students.generate import Asker

    asker = Asker(run.student, recipe)
    if kind == "generate":
        asked = records.evaluation_problems(run)
        return lambda *job: _answer(run, asker, asked[job[0]], *job)
    chosen = forced_traces.chosen(run)
    return lambda d, c, s: forced_traces.complete(run, asker, chosen[d], d, c, s)


def _answer(run, asker, problems, dataset: str, condition: str, seed: int) -> None:
    job, before = (dataset, condition, seed), records.turns(run, dataset, condition)
    chat = asker.tokenizer.apply_chat_template([*before, {"role": "user", "content": "?"}], tokenize=False)
    if any(turn["content"] not in chat for turn in before):
        drops = f"the chat template of {run.student} drops parts of worked examples"
        raise ValueError(f"{drops}: leave {condition!r} out of the profile's `untrained`")
    adapter = None if condition in records.UNTRAINED else records.adapter_path(run, *job)
    asker.complete(records.outputs_path(run, *job), problems, adapter, records.about(run, *job), before)


def do(run, kind: str, sizes: Mapping[Job, float], workers: int | None) -> None:
    """Do jobs by so many workers (None: as fit), longest first, under one bar; raise their errors, or WorkerFailed."""
    what, workers = "adapters" if kind == "train" else "students", workers or fitting(run.student)
    print(f"{kind}: {len(sizes)} {what} by {workers} workers of one thread each", flush=True)
    waiting, running = sorted(sizes, key=sizes.get, reverse=True), {}
    display = progress.Together(what, {"/".join(map(str, job)): size for job, size in sizes.items()})
    context = get_context("spawn")
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job, (reader, writer) = waiting.pop(0), context.Pipe(duplex=False)
                log = run.path("logs", f"worker-{kind}-{'-'.join(map(str, job))}.log")
                worker = context.Process(target=_work, args=(writer, log, run, kind, job, workers), daemon=True)
                with environment(1, HEAP):
                    worker.start()
                writer.close()  # the worker's copy is the last, so that its end is seen
                running[reader] = "/".join(map(str, job)), worker, log
            for pipe in connection.wait(running):
                label, worker, log = running[pipe]
                try:
                    message = pipe.recv()
                except (EOFError, OSError):
                    del running[pipe]
                    message = _ended(label, worker, log)
                if isinstance(message, Exception):
                    raise message
                display.at(label, message)
    finally:
        for _, worker, _ in running.values():
            worker.kill()
            worker.join()
        display.close()


def _ended(label: str, worker: BaseProcess, log: Path) -> WorkerFailed | None:
    """None for a worker that has finished its job; an error with the end of its log for another."""
    worker.join()
    if not worker.exitcode:
        return None
    end = "\n    ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
    return WorkerFailed(
        f"a worker ended with code {worker.exitcode} at {label} (-9: killed, often for lack of memory): run again, "
        f"which goes on where it stopped; --workers 1 takes less memory. The end of {log}:\n    {end}"
    )


def _work(pipe: connection.Connection, log: Path, run, kind: str, job: Job, workers: int) -> None:
    """Do one job in a process of its own, which sends its progress and its error through the pipe."""
    for stream in (1, 2):  # what the libraries print goes to the log
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    threading.Thread(target=lambda: (parent_process().join(), os._exit(1)), daemon=True).start()  # not to outlive it
    progress.send, machine.workers = pipe.send, workers
    try:
        doing(run, kind)(*job)
    except Exception as error:
        traceback.print_exc()
        if isinstance(error, ValueError | OSError) or type(error).__module__.startswith("tracekd"):
            pipe.send(error)
        raise SystemExit(1) from error
    log.unlink(missing_ok=True)
