"""The grid of a run: every adapter trained, every answer given, whatever is missing, by as many workers as fit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tracekd import adapters, intervention_grid, lengths, machine, natural_answers, outputs, pool
from tracekd.adapters import Job, adapter_path, read_record
from tracekd.few_shot import UNTRAINED
from tracekd.locks import waiting
from tracekd.pool import Task

COMMAND = "python -m tracekd {} --profile {}"


def train(run, jobs: Sequence[Job] | None = None, workers: int | None = None):
    """Train every adapter of a run (or of ``jobs``) that is not there yet: data sets x conditions x seeds.

    An adapter of other examples, another student or another recipe is trained anew.

    Returns:
        A ``pandas.DataFrame``, one row an adapter: dataset, condition, seed and the record's columns.
    """
    import pandas as pd

    jobs = adapters.jobs(run) if jobs is None else jobs
    if others := [d for d in run.datasets if d not in run.live]:
        named = ", ".join(run.profile.live), ", ".join(others)
        print("trained in this profile: {}; notebook 08 has recorded results of {}".format(*named))
    with waiting(run.path("sft")):  # shards and processes that start together make the sets once
        natural_answers.prepare(run)
        sets = lengths.training_sets(run)
    recipe = run.profile.recipe
    sizes = {job: _letters(sets[job[:2]]) * run.profile.recipe_of(job[1]).epochs for job in jobs}
    todo = [job for job in jobs if not adapters.finished(run, sets[job[:2]], *job)]
    many = wanted(run, todo, workers)
    # Who shares what follows from the whole grid, so that a run that was killed goes on in the same way.
    order = sorted(jobs, key=lambda job: -sizes[job])
    update = 1 if machine.has_gpu() else recipe.batch * recipe.accumulation
    shares = dict(zip(order, pool.shared(len(order), many, update), strict=True))
    work(run, "train", [Task(job, sizes[job], shares[job]) for job in todo], many, "adapters")
    rows = [{"dataset": d, "condition": c, **read_record(adapter_path(run, d, c, s))} for d, c, s in jobs]
    return pd.DataFrame(rows).drop(columns=["recipe", "key"], errors="ignore")


def _letters(examples) -> int:
    return sum(len(e.prompt) + len(e.target) for e in examples)


def generate(run, jobs: Sequence[Job] | None = None, workers: int | None = None, **options) -> list[Path]:
    """Let every student of the run (or of ``jobs``) answer its test problems: prompted, then each adapter.

    A prompted student has no seed of its own and counts under the run's first one. Nothing is trained.

    Returns:
        The outputs files, one for each job.

    Raises:
        FileNotFoundError: adapters are missing; the message has the command that trains them.
    """
    jobs = outputs.jobs(run) if jobs is None else jobs
    check(run, "train", [job for job in jobs if job[1] not in UNTRAINED and not read_record(adapter_path(run, *job))])
    with waiting(run.path("problems")):
        asked = outputs.evaluation_problems(run)
    todo = [job for job in jobs if not outputs.answered(run, asked[job[0]], *job)]
    tasks = [Task(job, len(asked[job[0]]) * _length(run, job)) for job in todo]
    work(run, "generate", tasks, wanted(run, todo, workers), "students", **options)
    return [outputs.outputs_path(run, *job) for job in jobs]


def _length(run, job: Job) -> float:
    """Tokens of an answer, about: as long as what the student was taught; the prompted student's limit."""
    record = None if job[1] in UNTRAINED else read_record(adapter_path(run, *job))
    return record["supervised_tokens"] / record["n"] if record else run.profile.recipe.max_new_tokens


def intervene(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> list[Path]:
    """Put the nine traces before the answers of every trained student of the run (or of ``jobs``).

    The prompted student takes no part, since it has no adapter. A kill loses at most the problem in flight.

    Returns:
        The rows files, one for each (dataset, condition, seed).

    Raises:
        FileNotFoundError: adapters or outputs are missing; the message has the command that makes them.
        locks.Busy: another process writes one of the files.
    """
    jobs = adapters.jobs(run) if jobs is None else jobs
    check(run, "train", [job for job in jobs if not read_record(adapter_path(run, *job))])
    with waiting(run.path("problems")):
        chosen, asked = intervention_grid.chosen(run), outputs.evaluation_problems(run)
    check(run, "generate", [job for job in jobs if not outputs.answered(run, asked[job[0]], *job)])
    todo = [job for job in jobs if not intervention_grid.answered(run, chosen[job[0]], *job)]
    tasks = [Task(job, float(len(chosen[job[0]]))) for job in todo]
    work(run, "intervene", tasks, wanted(run, todo, workers), "students")
    return [intervention_grid.rows_path(run, *job) for job in jobs]


def check(run, command: str, missing: Sequence[Job]) -> None:
    """Refuse to go on without what another step makes.

    Raises:
        FileNotFoundError: something is missing; the message has the command.
    """
    if missing:
        what = "adapters are" if command == "train" else "outputs files are"
        named = ", ".join("/".join(map(str, job)) for job in missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise FileNotFoundError(
            f"{len(missing)} {what} missing in {run.folder} ({named}): make them with\n"
            f"    {COMMAND.format(command, run.profile.name)}"
        )


def wanted(run, todo: Sequence[Job], asked: int | None) -> int:
    """How many workers to start: as asked for, else as many as there are cores or jobs, as memory allows.

    A random student of two layers learns in seconds what a process needs to start: it stays in this one.
    """
    if not todo or int(os.environ.get("WORLD_SIZE", 1)) > 1:
        return 1
    if asked is None and run.student == "tiny-random":
        return 1
    return max(1, asked or pool.fitting(run.student))


def work(run, kind: str, tasks: list[Task], workers: int, what: str, **options) -> None:
    """Do the tasks, in this process where one worker is enough; say first how they are done."""
    if not tasks:
        return
    if workers > 1 and (len(tasks) > 1 or tasks[0].processes > 1):
        together = sum(task.processes > 1 for task in tasks)
        more = f", {together} of them by several together" if together else ""
        print(f"{kind}: {len(tasks)} {what} by {workers} workers of one thread each{more}", flush=True)
        pool.Pool(run, kind, workers, options).do(tasks, what)
        return
    from tracekd.worker import Doer

    doer = Doer(run, kind, options)
    for task in tasks:
        doer.do(task.job)
