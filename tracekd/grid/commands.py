"""The grid from the command line: train, answer or export for one profile, whole or a shard of it."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from tracekd.command_line import Parser, profile_name
from tracekd.config import nearest
from tracekd.grid import run_grid
from tracekd.io.records import write_jsonl
from tracekd.run import Run, open_run
from tracekd.students import adapters, outputs, sft
from tracekd.students.adapters import Job


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
        wanted = getattr(options, name)
        known = sorted({str(job[place]) for job in everything})
        if wanted and wanted not in known:
            raise ValueError(f"--{name} {wanted!r} is not in this grid: {nearest(wanted, known)}")
        found = [job for job in found if not wanted or str(job[place]) == wanted]
    return shard(found, options.shard)


def parser(command: str, about: str | None) -> Parser:
    """The options of each command."""
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
    return made


def open_grid(command: str, about: str | None, argv: list[str], jobs) -> tuple[Run, list[Job], argparse.Namespace]:
    """The run, the jobs of this shard (none if they are only listed) and the options, with a log file opened."""
    options = parser(command, about).parse_args(argv)
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"--workers {options.workers}: expected 1 or more")
    run = open_run(command, options.profile, options.first_seed, options.data, getattr(options, "texts", ""))
    screen = logging.StreamHandler()
    screen.setLevel(logging.WARNING)
    file = logging.FileHandler(run.path("logs", f"{command}-{options.shard.replace('/', '-of-')}.log"))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", handlers=[screen, file]
    )
    todo = chosen(adapters.jobs(run) if getattr(options, "trained", False) else jobs(run), options)
    if options.list:
        print("\n".join(f"{d} {c} {s}" for d, c, s in todo))
    return run, [] if options.list else todo, options


def main_train(argv: list[str]) -> int:
    """Train each missing adapter."""
    run, todo, options = open_grid("train", main_train.__doc__, argv, adapters.jobs)
    for row in run_grid.train(run, todo, options.workers).itertuples() if todo else ():
        if int(os.environ.get("RANK", 0)) == 0:
            print(f"{row.dataset}/{row.condition}/seed{row.seed}: loss {row.mean_loss:.4f}, {row.seconds:.0f} s")
    return 0


def main_generate(argv: list[str]) -> int:
    """Let each chosen student answer its test problems; a missing adapter is an error that names it."""
    run, todo, options = open_grid("generate", main_generate.__doc__, argv, outputs.jobs)
    if todo:
        print(*run_grid.generate(run, todo, options.workers), sep="\n")
    return 0


def main_intervene(argv: list[str]) -> int:
    """Let each chosen student, which must have answered by itself already, answer after forced traces."""
    run, todo, options = open_grid("intervene", main_intervene.__doc__, argv, adapters.jobs)
    if todo:
        print(*run_grid.intervene(run, todo, options.workers), sep="\n")
    return 0


def main_export(argv: list[str]) -> int:
    """Write the SFT sets as JSON lines that other trainers read, DATASET/CONDITION.jsonl.

    A row has id, dataset, condition and teacher, and the chat in two parts, ``prompt`` and ``completion``: TRL puts the
    loss on the completion alone and sees the same tokens as ``tracekd train``.
    """
    run, jobs, options = open_grid("export", main_export.__doc__, argv, adapters.jobs)
    for (dataset, condition), examples in sft.kept(run).items() if jobs else ():
        if any(job[:2] == (dataset, condition) for job in jobs):
            path = options.output / dataset / f"{condition}.jsonl"
            print(f"{path}: {write_jsonl(path, map(exported, examples))} examples; {run.label_of(dataset)}")
    return 0


def exported(example: sft.Example) -> dict:
    """One training example as a row of ``export``."""
    about = {name: getattr(example, name) for name in ("id", "dataset", "condition", "teacher")}
    prompt = [{"role": "user", "content": example.prompt}]
    return {**about, "prompt": prompt, "completion": [{"role": "assistant", "content": example.target}]}
