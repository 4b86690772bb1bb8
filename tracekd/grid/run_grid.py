"""The grid of a run: train every adapter, let every student answer, whatever is missing, by as many workers as fit."""

from __future__ import annotations

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

    Returns one row per adapter: dataset, condition, seed and the record's columns (see ``train.train``).
    """
    jobs = adapters.jobs(run) if jobs is None else jobs
    if others := [d for d in run.datasets if d not in run.live]:
        named = ", ".join(run.profile.live), ", ".join(others)
        print("trained in this profile: {}; notebook 08 has recorded results of {}".format(*named))
    with waiting(run.path("sft")):  # shards and processes that start together make the sets once
        natural_answers.prepare(run)
        sets = sft.training_sets(run)
    todo = [job for job in jobs if not adapters.finished(run, sets[job[:2]], *job)]
    tasks = [Task(job, sum(len(e.prompt) + len(e.target) for e in sets[job[:2]])) for job in todo]
    work(run, "train", tasks, workers, "adapters")
    rows = [{"dataset": d, "condition": c, **read_record(adapter_path(run, d, c, s))} for d, c, s in jobs]
    return pd.DataFrame(rows).drop(columns=["recipe", "key"], errors="ignore")


def generate(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> list[Path]:
    """Let every student of the run (or of ``jobs``) answer its test problems; returns the outputs files, one per job.

    Nothing is trained: missing adapters are a FileNotFoundError with the command. An untrained student has no seed and
    counts under the run's first one.
    """
    jobs = outputs.jobs(run) if jobs is None else jobs
    check(run, "train", [job for job in jobs if job[1] not in UNTRAINED and not read_record(adapter_path(run, *job))])
    with waiting(run.path("problems")):
        asked = outputs.evaluation_problems(run)
    todo = [job for job in jobs if not outputs.answered(run, asked[job[0]], *job)]
    tasks = [Task(job, len(asked[job[0]]) * _length(run, job)) for job in todo]
    work(run, "generate", tasks, workers, "students")
    return [outputs.outputs_path(run, *job) for job in jobs]


def _length(run, job: Job) -> float:
    """Tokens of an answer, about: as many as the student was taught, or an untrained student's limit."""
    record = None if job[1] in UNTRAINED else read_record(adapter_path(run, *job))
    return record["supervised_tokens"] / record["n"] if record else run.profile.recipe.max_new_tokens


def intervene(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> list[Path]:
    """Let every trained student of the run (or of ``jobs``) answer after the nine forced traces.

    A kill loses at most the problem in flight. Returns the rows files, one per job. Missing adapters or outputs are a
    FileNotFoundError with the command that makes them.
    """
    jobs = adapters.jobs(run) if jobs is None else jobs
    check(run, "train", [job for job in jobs if not read_record(adapter_path(run, *job))])
    with waiting(run.path("problems")):
        chosen, asked = forced_traces.chosen(run), outputs.evaluation_problems(run)
    check(run, "generate", [job for job in jobs if not outputs.answered(run, asked[job[0]], *job)])
    todo = [job for job in jobs if not forced_traces.answered(run, chosen[job[0]], *job)]
    tasks = [Task(job, float(len(chosen[job[0]]))) for job in todo]
    work(run, "intervene", tasks, workers, "students")
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


def work(run, kind: str, tasks: list[Task], workers: int | None, what: str) -> None:
    """Do the tasks by ``workers`` processes (None: one per core as memory allows), or in this process for one.

    The 2-layer random student learns in less time than a process needs to start, so it stays in this one.
    """
    here = workers is None and run.student == "tiny-random"
    workers = 1 if here or not tasks else workers or pool.fitting(run.student)
    if tasks and workers > 1:  # also for one task, so that a resumed one is computed by one thread again
        print(f"{kind}: {len(tasks)} {what} by {workers} workers of one thread each", flush=True)
        pool.do(run, kind, tasks, what, workers)
    elif tasks:
        job = pool.doing(run, kind)
        for task in tasks:
            job(*task.job)
