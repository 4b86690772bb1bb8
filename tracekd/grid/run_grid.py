"""The grid of a run: train every adapter, let every student answer, whatever is missing, by as many workers as fit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tracekd.grid import forced_traces, natural_answers, pool
from tracekd.grid.pool import Task
from tracekd.io.locks import waiting
from tracekd.students import adapters, outputs, sft
from tracekd.students.adapters import Job, adapter_path, read_record
from tracekd.students.outputs import UNTRAINED


def train(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> pd.DataFrame:
    """Train every adapter of a run (or of ``jobs``) that is missing, or was made of other examples or settings.

    Returns:
        One row per adapter: dataset, condition, seed and the record's columns.
    """
    jobs = adapters.jobs(run) if jobs is None else jobs
    if others := [d for d in run.datasets if d not in run.live]:
        named = ", ".join(run.profile.live), ", ".join(others)
        print("trained in this profile: {}; notebook 08 has recorded results of {}".format(*named))
    with waiting(run.path("sft")):  # shards and processes that start together make the sets once
        natural_answers.prepare(run)
        sets = sft.training_sets(run)
    todo = [job for job in jobs if not adapters.finished(run, sets[job[:2]], *job)]
    tasks = [Task(job, _letters(sets[job[:2]]) * run.profile.recipe_of(job[1]).epochs) for job in todo]
    work(run, "train", tasks, wanted(run, todo, workers), "adapters")
    rows = [{"dataset": d, "condition": c, **read_record(adapter_path(run, d, c, s))} for d, c, s in jobs]
    return pd.DataFrame(rows).drop(columns=["recipe", "key"], errors="ignore")


def _letters(examples) -> int:
    return sum(len(e.prompt) + len(e.target) for e in examples)


def generate(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> list[Path]:
    """Let every student of the run (or of ``jobs``) answer its test problems. Nothing is trained.

    An untrained student has no seed and counts under the run's first one.

    Returns:
        The outputs files, one per job.

    Raises:
        FileNotFoundError: adapters are missing; the message has the command that trains them.
    """
    jobs = outputs.jobs(run) if jobs is None else jobs
    check(run, "train", [job for job in jobs if job[1] not in UNTRAINED and not read_record(adapter_path(run, *job))])
    with waiting(run.path("problems")):
        asked = outputs.evaluation_problems(run)
    todo = [job for job in jobs if not outputs.answered(run, asked[job[0]], *job)]
    tasks = [Task(job, len(asked[job[0]]) * _length(run, job)) for job in todo]
    work(run, "generate", tasks, wanted(run, todo, workers), "students")
    return [outputs.outputs_path(run, *job) for job in jobs]


def _length(run, job: Job) -> float:
    """Tokens of an answer, about: as many as the student was taught, or an untrained student's limit."""
    record = None if job[1] in UNTRAINED else read_record(adapter_path(run, *job))
    return record["supervised_tokens"] / record["n"] if record else run.profile.recipe.max_new_tokens


def intervene(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> list[Path]:
    """Let every trained student of the run (or of ``jobs``) answer after the nine forced traces.

    A kill loses at most the problem in flight.

    Returns:
        The rows files, one per job.

    Raises:
        FileNotFoundError: adapters or outputs are missing; the message has the command that makes them.
        locks.Busy: another process writes one of the files.
    """
    jobs = adapters.jobs(run) if jobs is None else jobs
    check(run, "train", [job for job in jobs if not read_record(adapter_path(run, *job))])
    with waiting(run.path("problems")):
        chosen, asked = forced_traces.chosen(run), outputs.evaluation_problems(run)
    check(run, "generate", [job for job in jobs if not outputs.answered(run, asked[job[0]], *job)])
    todo = [job for job in jobs if not forced_traces.answered(run, chosen[job[0]], *job)]
    tasks = [Task(job, float(len(chosen[job[0]]))) for job in todo]
    work(run, "intervene", tasks, wanted(run, todo, workers), "students")
    return [forced_traces.rows_path(run, *job) for job in jobs]


def check(run, command: str, missing: Sequence[Job]) -> None:
    """Raise ``FileNotFoundError`` with the command that makes what is missing; do nothing if nothing is."""
    if missing:
        what = "adapters are" if command == "train" else "outputs files are"
        named = ", ".join("/".join(map(str, job)) for job in missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise FileNotFoundError(
            f"{len(missing)} {what} missing in {run.folder} ({named}): make them with\n"
            f"    python -m tracekd {command} --profile {run.profile.name}"
        )


def wanted(run, todo: Sequence[Job], asked: int | None) -> int:
    """How many workers to start: ``asked``, else one per core as memory allows.

    The 2-layer random student learns in less time than a process needs to start, so it stays in this one.
    """
    if not todo or int(os.environ.get("WORLD_SIZE", 1)) > 1:
        return 1
    if asked is None and run.student == "tiny-random":
        return 1
    return max(1, asked or pool.fitting(run.student))


def work(run, kind: str, tasks: list[Task], workers: int, what: str) -> None:
    """Do the tasks, in this process if one worker is enough; print first how they are done."""
    if tasks and workers > 1:  # also for one task, so that a resumed one is computed by one thread again
        print(f"{kind}: {len(tasks)} {what} by {workers} workers of one thread each", flush=True)
        pool.Pool(run, kind, workers).do(tasks, what)
    elif tasks:
        from tracekd.grid.worker import Doer  # loads torch

        doer = Doer(run, kind)
        for task in tasks:
            doer.do(task.job)
