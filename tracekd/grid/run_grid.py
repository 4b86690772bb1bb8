"""The grid of a run: train every adapter, let every student answer, whatever is missing, by as many workers as fit.

From the command line for one profile, whole or a shard of it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from tracekd.command_line import Parser, profile_name
from tracekd.config import nearest
from tracekd.grid import forced_traces, natural_answers, pool
from tracekd.io.records import waiting, write_jsonl
from tracekd.run import Run, open_run
from tracekd.students import records, sft
from tracekd.students.records import UNTRAINED, Job, adapter_jobs, adapter_path, output_jobs, read_record


def train(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> pd.DataFrame:
    """Train every adapter of a run (or of ``jobs``) that is missing, or was made of other examples or settings.

    Returns one row per adapter: dataset, condition, seed and the record's columns (see ``train.train``).
    """
    jobs = adapter_jobs(run) if jobs is None else jobs
    if others := ", ".join(d for d in run.datasets if d not in run.live):
        print(f"trained in this profile: {', '.join(run.live)}; notebook 08 has recorded results of {others}")
    with waiting(run.path("sft")):  # shards and processes that start together make the sets once
        natural_answers.prepare(run)
        sets = sft.training_sets(run)
    todo = [job for job in jobs if not records.finished(run, sets[job[:2]], *job)]
    work(run, "train", {j: sum(len(e.prompt) + len(e.target) for e in sets[j[:2]]) for j in todo}, workers)
    rows = [{"dataset": d, "condition": c, **read_record(adapter_path(run, d, c, s))} for d, c, s in jobs]
    return pd.DataFrame(rows).drop(columns=["recipe", "key"], errors="ignore")


def generate(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> list[Path]:
    """Let every student of the run (or of ``jobs``) answer its test problems; returns the outputs files, one per job.

    Nothing is trained: missing adapters are a FileNotFoundError with the command. An untrained student has no seed and
    counts under the run's first one.
    """
    jobs = output_jobs(run) if jobs is None else jobs
    made = {job: read_record(adapter_path(run, *job)) for job in jobs if job[1] not in UNTRAINED}
    check(run, "train", [job for job in made if not made[job]])
    with waiting(run.path("problems")):
        asked = records.evaluation_problems(run)
    # Tokens of an answer, about: as many as the student was taught, or an untrained student's limit.
    length = {job: record["supervised_tokens"] / record["n"] for job, record in made.items()}
    limit, todo = run.profile.recipe.max_new_tokens, [j for j in jobs if not records.answered(run, asked[j[0]], *j)]
    work(run, "generate", {job: len(asked[job[0]]) * length.get(job, limit) for job in todo}, workers)
    return [records.outputs_path(run, *job) for job in jobs]


def intervene(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> list[Path]:
    """Let every trained student of the run (or of ``jobs``) answer after the nine forced traces.

    A kill loses at most the problem in flight. Returns the rows files, one per job. Missing adapters or outputs are a
    FileNotFoundError with the command that makes them.
    """
    jobs = adapter_jobs(run) if jobs is None else jobs
    check(run, "train", [job for job in jobs if not read_record(adapter_path(run, *job))])
    with waiting(run.path("problems")):
        chosen, asked = forced_traces.chosen(run), records.evaluation_problems(run)
    check(run, "generate", [job for job in jobs if not records.answered(run, asked[job[0]], *job)])
    todo = [job for job in jobs if not forced_traces.answered(run, chosen[job[0]], *job)]
    work(run, "intervene", {job: len(chosen[job[0]]) for job in todo}, workers)
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


def work(run, kind: str, sizes: Mapping[Job, float], workers: int | None) -> None:
    """Do the jobs by ``workers`` processes (None: one per core as memory allows), or in this process for one.

    The 2-layer random student learns in less time than a process needs to start, so it stays in this one.
    """
    what = "adapters" if kind == "train" else "students"
    here = workers is None and run.student == "tiny-random"
    workers = 1 if here or not sizes else workers or pool.fitting(run.student)
    if workers > 1 and sizes:  # also for one job, so that a resumed one is computed by one thread again
        print(f"{kind}: {len(sizes)} {what} by {workers} workers of one thread each", flush=True)
        pool.do(run, kind, sizes, what, workers)
    elif sizes:
        job = pool.doing(run, kind)
        for each in sizes:
            job(*each)


def shard(items: Sequence, text: str) -> list:
    """Every n-th of ``items`` for shard ``i/n`` (0 <= i < n), so that sets and sizes mix."""
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit() and int(number) < int(of)):
        raise ValueError(f"shard {text!r}: expected i/n with 0 <= i < n, such as 0/4 to 3/4")
    return list(items)[int(number) :: int(of)]


def chosen(everything: Sequence[Job], options: argparse.Namespace) -> list[Job]:
    """The jobs that the options leave; ValueError where one names what the grid does not have."""
    found = list(everything)
    for place, name in enumerate(("dataset", "condition", "seed")):
        wanted, known = getattr(options, name), sorted({str(job[place]) for job in everything})
        if wanted and wanted not in known:
            raise ValueError(f"--{name} {wanted!r} is not in this grid: {nearest(wanted, known)}")
        found = [job for job in found if not wanted or str(job[place]) == wanted]
    return shard(found, options.shard)


def open_grid(command: str, about: str | None, argv: list[str]) -> tuple[Run, list[Job], argparse.Namespace]:
    """The run, the jobs of this shard (none if they are only listed) and the options, with a log file opened."""
    made = Parser(command, about, f"python -m tracekd {command} --profile smoke --dataset babi")
    made.add_argument("--profile", type=profile_name, default="cpu", help="default: cpu")
    made.add_argument("--data", default="", help="generated, hub or a folder (default: the profile's)")
    if command in ("train", "export"):
        made.add_argument("--texts", default="", help="a teacher's texts, or templated (default: TRACEKD_TEXTS, auto)")
    made.add_argument("--first-seed", type=int, default=121, help="of the run; its other seeds follow")
    made.add_argument("--shard", default="0/1", metavar="i/n", help="do every n-th job, beginning with the i-th from 0")
    made.add_argument("--workers", type=int, metavar="N", help="processes at once (default: cores, as memory allows)")
    made.add_argument("--list", action="store_true", help="print this shard's jobs and do nothing")
    for name in ("dataset", "condition", "seed"):
        made.add_argument(f"--{name}", help=f"only this {name}")
    if command == "export":
        made.add_argument("--output", type=Path, default=Path("export"), help="folder (default: export)")
    if command == "generate":
        made.add_argument("--trained", action="store_true", help="only students with an adapter: the jobs of `train`")
    options = made.parse_args(argv)
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers {options.workers}: expected 1 or more")
    run = open_run(command, options.profile, options.first_seed, options.data, getattr(options, "texts", ""))
    screen = logging.StreamHandler()
    screen.setLevel(logging.WARNING)
    file = logging.FileHandler(run.path("logs", f"{command}-{options.shard.replace('/', '-of-')}.log"))
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, handlers=[screen, file])
    untrained = command == "generate" and not options.trained
    todo = chosen(output_jobs(run) if untrained else adapter_jobs(run), options)
    if options.list:
        print("\n".join(f"{d} {c} {s}" for d, c, s in todo))
    return run, [] if options.list else todo, options


def main_train(argv: list[str]) -> int:
    """Train each missing adapter."""
    run, todo, options = open_grid("train", main_train.__doc__, argv)
    for row in train(run, todo, options.workers).itertuples() if todo else ():
        print(f"{row.dataset}/{row.condition}/seed{row.seed}: loss {row.mean_loss:.4f}, {row.seconds:.0f} s")
    return 0


def main_generate(argv: list[str]) -> int:
    """Let each chosen student answer its test problems; a missing adapter is an error that names it."""
    run, todo, options = open_grid("generate", main_generate.__doc__, argv)
    if todo:
        print(*generate(run, todo, options.workers), sep="\n")
    return 0


def main_intervene(argv: list[str]) -> int:
    """Let each chosen student, which must have answered by itself already, answer after forced traces."""
    run, todo, options = open_grid("intervene", main_intervene.__doc__, argv)
    if todo:
        print(*intervene(run, todo, options.workers), sep="\n")
    return 0


def main_export(argv: list[str]) -> int:
    """Write the SFT sets as JSON lines that other trainers read, DATASET/CONDITION.jsonl.

    A row has id, dataset, condition and teacher, and the chat in two parts, ``prompt`` and ``completion``: TRL puts the
    loss on the completion alone and sees the same tokens as ``tracekd train``.
    """
    run, todo, options = open_grid("export", main_export.__doc__, argv)
    sets = sft.kept(run) if todo else {}
    for dataset, condition in dict.fromkeys(job[:2] for job in todo):
        path = options.output / dataset / f"{condition}.jsonl"
        rows = [
            {name: getattr(e, name) for name in ("id", "dataset", "condition", "teacher")}
            | {"prompt": [{"role": "user", "content": e.prompt}]}
            | {"completion": [{"role": "assistant", "content": e.target}]}
            for e in sets[dataset, condition]
        ]
        print(f"{path}: {write_jsonl(path, rows)} examples; {run.label_of(dataset)}")
    return 0
