"""The grid of a run, whole or a shard: train every adapter, let every student answer, whatever is missing."""

import argparse
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import pandas as pd

from tracekd.command_line import Parser, count
from tracekd.config import load, names, nearest
from tracekd.data.problem import Problem, key, select
from tracekd.data.problems import kept as kept_problems
from tracekd.data.problems import training_set
from tracekd.grid import forced_traces, pool
from tracekd.io.records import read_jsonl, waiting, write_jsonl
from tracekd.run import Run, open_run
from tracekd.scoring.aligned import verdict
from tracekd.scoring.reading import split_output
from tracekd.students import records, sft
from tracekd.students.records import UNTRAINED, Job, adapter_jobs, adapter_path, output_jobs, read_record
from tracekd.traces import freeform

SUFFIX, TAUGHT = "-natural", "correct"
ABOUT = {
    "train": "Train each missing adapter.",
    "generate": "Let each chosen student answer its test problems; a missing adapter is an error that names it.",
    "intervene": "Let each chosen student, which must have answered by itself already, answer after forced traces.",
    "export": "Write the SFT sets as JSON lines that other trainers read, DATASET/CONDITION.jsonl.",
}


def train(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> pd.DataFrame:
    """Train every adapter of a run (or of ``jobs``) that is missing, or was made of other examples or settings.

    Returns one row per adapter: dataset, condition, seed and the record's columns (see ``train.train``).
    """
    jobs = adapter_jobs(run) if jobs is None else jobs
    if others := ", ".join(d for d in run.datasets if d not in run.live):
        print(f"this profile trains on {', '.join(run.live)}; for {others} only the training sets are made")
    with waiting(run.path("sft")):  # shards and processes that start together make the sets once
        answer_naturally(run)
        sets = sft.training_sets(run)
    todo = [job for job in jobs if not records.finished(run, sets[job[:2]], *job)]
    work(run, "train", {j: sum(len(e.prompt) + len(e.target) for e in sets[j[:2]]) for j in todo}, workers)
    rows = [{"dataset": d, "condition": c, **read_record(adapter_path(run, d, c, s))} for d, c, s in jobs]
    return pd.DataFrame(rows).drop(columns=["recipe", "key"], errors="ignore")


def untrained(run, jobs: Sequence[Job]) -> list[Job]:
    """Those of ``jobs`` whose adapter is missing, damaged, or of other examples or settings than the run's."""
    with waiting(run.path("sft")):
        sets = sft.training_sets(run) if jobs else {}
    return [job for job in jobs if not records.finished(run, sets[job[:2]], *job)]


def base_of(run: Run) -> Run:
    """The run of profile NAME, in the folder beside, whose ``correct`` students answer for that of NAME-natural."""
    name = run.profile.name.removesuffix(SUFFIX)
    if name == run.profile.name:
        raise ValueError(
            f"profile {name!r} has natural conditions: expected NAME{SUFFIX}, where NAME trains the student"
        )
    profile = replace(load(name), seeds=run.profile.seeds)
    return replace(run, profile=profile, folder=run.folder.with_name(name), texts="")


def fresh_problems(run: Run, dataset: str, problems: Sequence[Problem]) -> list[Problem]:
    """The training problems to answer, of those with another question or context than all that the student has seen."""
    base = base_of(run)
    seen = {key(p) for p in training_set(base, dataset, problems)}
    rest = [p for p in problems if p.split == "train" and key(p) not in seen]
    if not rest:
        raise ValueError(
            f"{dataset}: profile {base.profile.name!r} trains on all {len(seen)} training problems and leaves none to "
            "answer: give its `train` a smaller number in profiles.toml"
        )
    drawn = select(rest, run.profile.train.get(dataset, "all"), run.rng(f"{dataset}/natural"))
    chosen = records.answerable(base, dataset, drawn)
    print(f"{dataset}: {len(chosen)} training problems to answer, of {len(rest)} that no {TAUGHT} student has seen")
    return chosen


def _taught(base: Run, dataset: str, problems: Sequence[Problem]) -> list[sft.Example]:
    """What the ``correct`` students of the other profile were trained on: without the problems too long for any."""
    chosen = training_set(base, dataset, problems)
    rules = [c for c in base.profile.conditions_of(dataset) if c in ("vanilla", "correct", "incorrect")]
    sets = {(dataset, c): sft.build(chosen, c, seed=base.seed) for c in rules}
    return sft.fitting(sets, base.student, base.profile.recipe)[dataset, TAUGHT]


def answer_naturally(run: Run) -> None:
    """Write the wrong traces of every seed's student (``freeform.natural_path``), where the run has natural conditions.

    FileNotFoundError (with the command): a student not trained on just these examples. ValueError: no wrong trace.
    """
    if not (wanted := [d for d in run.live if freeform.NATURAL.keys() & run.profile.conditions_of(d)]):
        return
    from tracekd.students.generate import Asker  # loads torch

    base, problems = base_of(run), kept_problems(run)
    asker, fresh = Asker(run.student, base.profile.recipe), {d: fresh_problems(run, d, problems[d]) for d in wanted}
    taught = {d: _taught(base, d, problems[d]) for d in wanted}
    for dataset, seed in product(wanted, run.profile.seeds):
        asked, job = fresh[dataset], (dataset, TAUGHT, seed)
        if not records.finished(base, taught[dataset], *job):
            raise FileNotFoundError(
                f"no {TAUGHT} student of {dataset} with seed {seed} and just the present training problems in "
                f"{base.folder}: make it with\n    python -m tracekd train --profile {base.profile.name} "
                f"--data {run.source} --dataset {dataset} --condition {TAUGHT}"
            )
        path = run.path("natural", dataset, f"outputs-{seed}.jsonl")
        asker.complete(path, asked, records.adapter_path(base, *job), records.about(run, *job))
        said, wrong, counts = {row["id"]: row for row in read_jsonl(path)}, [], Counter()
        for problem in asked:
            text, finished = said[problem.id]["text"], said[problem.id]["finished"]
            found = verdict(problem, text, finished)
            kind = ("correct" if found["trace_correct"] else "wrong") if found["status"] == "ok" else found["status"]
            counts[kind] += 1
            if kind == "wrong":
                wrong.append({"id": problem.id, "trace": freeform.clean(split_output(text, finished)[1])})
        read = ", ".join(f"{n} {kind}" for kind, n in counts.items())
        print(f"{dataset}, seed {seed}: {read}; the {len(wrong)} wrong traces train the natural conditions")
        if not wrong:
            raise ValueError(f"{path}: none of {len(asked)} outputs has a wrong trace to train on: raise `train`")
        write_jsonl(freeform.natural_path(run, dataset, seed), wrong)


def generate(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> list[Path]:
    """Let every student (or those of ``jobs``) answer; returns outputs files. FileNotFoundError without adapters."""
    jobs = output_jobs(run) if jobs is None else jobs
    trained = [job for job in jobs if job[1] not in UNTRAINED]
    check(run, "train", untrained(run, trained))
    made = {job: read_record(adapter_path(run, *job)) for job in trained}
    with waiting(run.path("problems")):
        asked = records.evaluation_problems(run)
    # Tokens of an answer, about: as many as the student was taught, or an untrained student's limit.
    length = {job: record["supervised_tokens"] / record["n"] for job, record in made.items()}
    limit, todo = run.profile.recipe.max_new_tokens, [j for j in jobs if not records.answered(run, asked[j[0]], *j)]
    work(run, "generate", {job: len(asked[job[0]]) * length.get(job, limit) for job in todo}, workers)
    return [records.outputs_path(run, *job) for job in jobs]


def intervene(run, jobs: Sequence[Job] | None = None, workers: int | None = None) -> list[Path]:
    """Let every trained student (or those of ``jobs``) answer after the nine forced traces; returns the rows files."""
    jobs = adapter_jobs(run) if jobs is None else jobs
    check(run, "train", untrained(run, jobs))
    with waiting(run.path("problems")):
        chosen, asked = forced_traces.chosen(run), records.evaluation_problems(run)
    check(run, "generate", [job for job in jobs if not records.answered(run, asked[job[0]], *job)])
    todo = [job for job in jobs if not forced_traces.answered(run, chosen[job[0]], *job)]
    work(run, "intervene", {job: len(chosen[job[0]]) for job in todo}, workers)
    return [forced_traces.rows_path(run, *job) for job in jobs]


def check(run, command: str, missing: Sequence[Job]) -> None:
    """Raise ``FileNotFoundError`` with the command that makes what is missing; do nothing if nothing is."""
    if missing:
        what = "adapters" if command == "train" else "outputs files"
        raise FileNotFoundError(
            f"{len(missing)} {what} are missing or damaged in {run.folder}, or of other data or settings (first "
            f"{'/'.join(map(str, missing[0]))}): make them with\n"
            f"    python -m tracekd {command} --profile {run.profile.name} --data {run.source}"
        )


def work(run, kind: str, sizes: Mapping[Job, float], workers: int | None) -> None:
    """Do jobs by ``workers`` processes (None: as memory allows), or in this one if it is one, or the student tiny."""
    if not sizes:
        return
    if (workers or (1 if run.student == "tiny-random" else pool.fitting(run.student))) == 1:
        job = pool.doing(run, kind)
        for each in sizes:
            job(*each)
    else:  # also for one job, so that a resumed one is computed by one thread again
        pool.do(run, kind, sizes, workers)


def chosen(everything: Sequence[Job], options: argparse.Namespace) -> list[Job]:
    """The jobs that the options leave, of these every n-th for shard ``i/n``; ValueError where an option names none."""
    found = list(everything)
    for place, name in enumerate(("dataset", "condition", "seed")):
        wanted, known = getattr(options, name), sorted({str(job[place]) for job in everything})
        if wanted and wanted not in known:
            raise ValueError(f"--{name} {wanted!r} is not in this grid: {nearest(wanted, known)}")
        found = [job for job in found if not wanted or str(job[place]) == wanted]
    number, _, of = options.shard.partition("/")
    if not (number.isdigit() and of.isdigit() and int(number) < int(of)):
        raise ValueError(f"--shard {options.shard!r}: expected i/n with 0 <= i < n, such as 0/4 to 3/4")
    return found[int(number) :: int(of)]


def main(command: str, argv: list[str]) -> int:
    """Do what ``ABOUT`` says for the chosen jobs of a profile, or list them."""
    options = _options(command, argv)
    run = open_run(command, options.profile, options.first_seed, options.data, options.texts)
    screen, shard = logging.StreamHandler(), options.shard.replace("/", "-of-")
    screen.setLevel(logging.WARNING)
    file = logging.FileHandler(run.path("logs", f"{command}-{shard}.log"))
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, handlers=[screen, file])
    jobs = output_jobs(run) if command == "generate" and not options.trained else adapter_jobs(run)
    all_of_them = not getattr(options, "untrained", False)
    todo = chosen([job for job in jobs if all_of_them or job[1] in UNTRAINED], options)
    if options.list:
        print("\n".join(f"{d} {c} {s}" for d, c, s in todo))
    elif command == "export":
        export(run, todo, options.output)
    elif command == "train" and todo:
        made = train(run, todo, options.workers)
        print(made[["dataset", "condition", "seed", "mean_loss", "seconds"]].to_string(index=False))
    elif todo:
        print(*(generate if command == "generate" else intervene)(run, todo, options.workers), sep="\n")
    return 0


main_train, main_generate, main_intervene, main_export = (partial(main, command) for command in ABOUT)


def _options(command: str, argv: list[str]) -> argparse.Namespace:
    made = Parser(command, ABOUT[command], f"python -m tracekd {command} --profile smoke --dataset babi")
    made.add_argument("--profile", choices=names(), metavar="NAME", default="cpu", help="default: cpu")
    made.add_argument("--data", default="", help="generated, hub, a folder or your .jsonl (default: profile's)")
    made.add_argument("--texts", default="", help="a teacher's texts, or templated (default: TRACEKD_TEXTS, auto)")
    made.add_argument("--first-seed", type=int, default=121, help="of the run; its other seeds follow")
    made.add_argument("--shard", default="0/1", metavar="i/n", help="do every n-th job, beginning with the i-th from 0")
    made.add_argument("--workers", type=count, metavar="N", help="processes at once (default: cores, as memory allows)")
    made.add_argument("--list", action="store_true", help="print this shard's jobs and do nothing")
    for name in ("dataset", "condition", "seed"):
        made.add_argument(f"--{name}", help=f"only this {name}")
    if command == "export":
        made.add_argument("--output", type=Path, default=Path("export"), help="folder (default: export)")
    if command == "generate":
        made.add_argument("--trained", action="store_true", help="only students with an adapter: the jobs of `train`")
        made.add_argument("--untrained", action="store_true", help="only the others: zero-shot and few-shot")
    return made.parse_args(argv)


def export(run, jobs: Iterable[Job], folder: Path) -> None:
    """Write SFT sets as DATASET/CONDITION.jsonl; TRL puts the loss on ``completion`` alone, as `tracekd train` does.

    In natural conditions each seed's student has a set of its own, CONDITION-seedN.jsonl.
    """
    sets, own = sft.training_sets(run), freeform.NATURAL
    for dataset, condition, seed in dict.fromkeys((d, c, s if c in own else None) for d, c, s in jobs):
        path = folder / dataset / f"{condition}{'' if seed is None else f'-seed{seed}'}.jsonl"
        rows = [
            {name: getattr(e, name) for name in ("id", "dataset", "condition", "teacher")}
            | {"prompt": [{"role": "user", "content": e.prompt}]}
            | {"completion": [{"role": "assistant", "content": e.target}]}
            for e in sft.of_seed(sets[dataset, condition], seed)
        ]
        print(f"{path}: {write_jsonl(path, rows)} examples; {run.label_of(dataset)}")
