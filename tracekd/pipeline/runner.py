"""Run the notebooks of a profile in order, skipping what is current: `python -m tracekd run`, or `./run_all.sh`.

Nothing beyond the standard library is imported at the top, so that options can be checked before anything is installed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracekd import config
from tracekd.command_line import Parser, file_or_folder, profile_name
from tracekd.pipeline import notebooks, steps

EXAMPLE = """\
  ./run_all.sh                                  the default profile, every notebook
  ./run_all.sh --profile smoke                  does everything run? under 3 minutes, no network
  ./run_all.sh --only 04,05 --data ../shared/data
  ./run_all.sh --only 05 --ratings ratings.csv  the human study on your own ratings
  ./run_all.sh test                             lint and all tests
Everything is written below runs/PROFILE/; --publish alone touches figures/ and notebooks/."""


def options(argv: list[str]) -> argparse.Namespace:
    """Read and check the options; anything unknown exits with 2 and the nearest right name, before any work.

    Beside the options the result has ``paths``, the chosen notebooks.
    """
    parser = Parser("run", "Run the notebooks of a profile in order, skipping what is current.", EXAMPLE)
    add = parser.add_argument
    add("--profile", type=profile_name, metavar="NAME", help="default: gpu where torch finds a GPU, else cpu")
    add("--only", metavar="03,04", help="these notebooks, by number or name")
    add("--data", metavar="SOURCE", help="path, auto, hub or generated; else TRACEKD_DATA, else the profile's")
    add("--texts", metavar="FILE", help="a teacher's texts (file or folder), auto or templated; else TRACEKD_TEXTS")
    add("--seed", type=int, metavar="N", help="first seed; default: each notebook's own, 121")
    add("--ratings", type=file_or_folder, metavar="PATH", help="the survey's answers, a CSV file or a folder of them")
    add("--force", action="store_true", help="run also what is current")
    add("--publish", action="store_true", help="then make this run the committed one")
    add("--list", action="store_true", help="show notebooks and profiles, run nothing")
    add("--check", action="store_true", help="check the options, run nothing")
    args = parser.parse_args(argv)
    for option, words in (("data", ("auto", "hub", "generated")), ("texts", ("auto", "templated"))):
        value = getattr(args, option)
        if value and value not in words and not Path(value).exists():
            parser.error(f"--{option} {value!r}: no such file or folder, and none of {', '.join(words)}")
    try:
        args.paths = notebooks.select(args.only)
    except ValueError as error:
        parser.error(str(error))
    return args


def shown(path: Path) -> str:
    """A path as one would type it from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def listing() -> str:
    """The names of the notebooks, and of the profiles with what they are for."""
    lines = ["notebooks", *(f"  {path.stem}" for path in notebooks.find()), "profiles"]
    return "\n".join([*lines, *(f"  {name:<22} {config.load(name).about}" for name in config.names())])


def main(argv: list[str]) -> int:
    """Run what the options say; 0 when all is done, 1 when a notebook failed, 2 for unknown options."""
    args = options(argv)
    if args.list:
        print(listing())
    if args.list or args.check:
        return 0
    from tracekd import machine
    from tracekd.io.locks import locked

    profile = args.profile or ("gpu" if machine.has_gpu() else "cpu")
    folder = Path(os.environ.get("TRACEKD_RUNS") or config.ROOT / "runs").resolve() / profile
    with locked(folder):
        return run(args, folder)


@dataclass
class Settings:
    """What all steps of one run share: profile, data source, folder, notebook parameters, a teacher's texts."""

    profile: config.Profile
    source: str
    folder: Path
    given: dict[str, Any]
    texts: str


def run(args: argparse.Namespace, folder: Path) -> int:
    """Run the chosen notebooks, then publish and report; the caller holds the folder's lock."""
    from tracekd.pipeline.execute import NotebookFailed, clock

    started = time.monotonic()
    settings = _settings(args, folder)
    print(plan(args.paths, folder), flush=True)
    try:
        for path in args.paths:
            step(path, settings, args.force)
    except NotebookFailed as error:
        print(f"\n{error}\nWhat finished before it stays in {shown(folder)}.", file=sys.stderr)
        return 1
    if args.publish:
        publish_current(settings)
    report(folder)
    print(f"done in {clock(time.monotonic() - started)}; executed notebooks: {shown(folder / 'notebooks')}")
    return 0


def _settings(args: argparse.Namespace, folder: Path) -> Settings:
    """Decide on data source, ratings and texts, and print what was decided."""
    from tracekd.data import hub, problems

    profile = config.load(folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = args.data or os.environ.get("TRACEKD_DATA") or profile.data
    source = problems.check_source(hub.settle(wanted, folder, anew=args.data == "auto"))
    print(f"profile {profile.name}: {profile.about}; everything goes to {shown(folder)}")
    given = {"PROFILE": profile.name}
    if args.seed is not None:
        given["SEED"] = args.seed
    if args.data and args.data != "auto":  # what auto has come to is stored in the run's folder
        given["DATA"] = source
    if args.ratings:
        from tracekd.study.source import read

        print(f"ratings: {read(args.ratings)}")  # what is wrong with them is said before any notebook runs
        given["RATINGS"] = str(args.ratings.resolve())
    for dataset in problems.datasets_of(source):
        print(f"data: {dataset}: {problems.label_of(dataset, source)}")
    return Settings(profile, source, folder, given, take_texts(args.texts, profile, source))


def plan(paths: list[Path], folder: Path) -> str:
    """What a run will do, and how long that took when it was last done in this folder."""
    from tracekd.pipeline.execute import clock

    finished = steps.read(folder)
    took = [finished[path.stem]["seconds"] for path in paths if path.stem in finished]
    last = f"{len(took)} took {clock(sum(took))} when last run here" if took else "none has run here yet"
    names = ", ".join(path.stem for path in paths)
    return f"{len(paths)} notebooks: {names}; {last}; one whose inputs are as they were is skipped"


def take_texts(given: str | None, profile: config.Profile, source: str) -> str:
    """The path of a teacher's texts, also handed to the notebooks' kernels; "" for templated ones.

    ValueError where texts are given and the profile trains on none; the variable alone may be meant for other profiles.
    """
    from tracekd.data.problems import datasets_of
    from tracekd.teacher.run_texts import find_texts
    from tracekd.traces.freeform import takes_texts

    takes = any(takes_texts(c) for dataset in datasets_of(source) for c in profile.conditions_of(dataset))
    if given not in (None, "", "auto", "templated") and not takes:
        raise ValueError(f"--texts: profile {profile.name!r} trains on no such texts: choose one that does, as grid-r1")
    texts = find_texts(given or "", profile, source) if takes else ""
    os.environ["TRACEKD_TEXTS"] = texts or "templated"
    if texts:
        print(f"free-form traces: {shown(Path(texts))}")
    return texts


def _state(path: Path, settings: Settings) -> tuple[dict[str, Any], dict[str, str], str | None]:
    """Parameters to pass, present inputs, and why the step must run (None: it is current)."""
    about = vars(settings) | {"given": notebooks.assign(path, settings.given)}
    inputs = steps.inputs(path, **about)
    return about["given"], inputs, steps.reason(settings.folder, path.stem, inputs)


def step(path: Path, settings: Settings, force: bool = False) -> None:
    """Run one notebook unless what it left is current, and say why either way."""
    from tracekd.pipeline.execute import clock, execute

    name, folder = path.stem, settings.folder
    given, inputs, why = _state(path, settings)
    if why is None and not force:
        print(f"{name}: unchanged since {steps.read(folder)[name]['finished'][:16].replace('T', ' ')}, skipped")
        return
    print(f"{name}: runs because {why or '--force was given'}", flush=True)
    steps.forget(folder, name)
    seconds = execute(path, steps.executed(folder, name), folder / "logs" / f"{name}.log", given)
    steps.record(folder, name, inputs | steps.made_by_commands(path, folder), seconds)
    print(f"{name}: finished in {clock(seconds)}", flush=True)


def publish_current(settings: Settings) -> None:
    """Publish the run if every notebook is current in it; ValueError where one has not run with these settings."""
    from tracekd.pipeline.publish import publish

    for path in notebooks.find():
        if why := _state(path, settings)[2]:
            raise ValueError(f"--publish needs a complete run; {path.stem} is not current ({why}): run without --only")
    print("\n".join(publish(notebooks.find(), settings.folder)))


def report(folder: Path) -> None:
    """Print how the paper's claims fare where notebook 08 has tested them."""
    from tracekd.pipeline.artefacts import table_path

    tested, numbers = (table_path(stem, folder / "figures") for stem in ("08_claims", "08_ledger"))
    if tested.exists() and numbers.exists():
        import pandas as pd

        from tracekd.analysis import claims

        print("\n" + "\n".join(claims.short(pd.read_csv(tested), pd.read_csv(numbers, dtype={"seed": str}))))
