"""Run the notebooks of a profile in order, skipping what is current: `python -m tracekd run`, or `./run_all.sh`.

Nothing beyond the standard library is imported at the top, so that options can be checked before anything is installed.
"""

from __future__ import annotations

import argparse
import ast
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
  ./run_all.sh --profile smoke                  does everything run? under 4 minutes, no network
  ./run_all.sh --only 04,05 --data ../shared/data
  ./run_all.sh --only 05 --ratings ratings.csv  the human study on your own ratings
  ./run_all.sh test                             lint and all tests
Everything is written below runs/PROFILE/; --publish alone touches figures/ and notebooks/."""


def _parser() -> Parser:
    parser = Parser("run", "Run the notebooks of a profile in order, skipping what is current.", EXAMPLE)
    add = parser.add_argument
    add("--profile", type=profile_name, metavar="NAME", help="default: gpu where torch finds a GPU, else cpu")
    add("--only", metavar="03,04", help="these notebooks, by number or name")
    add("--data", metavar="SOURCE", help="path, auto, hub or generated; else TRACEKD_DATA, else the profile's")
    add("--test-share", metavar="SHARE", help="of MS MARCO's problems, 0 to 1; else TRACEKD_TEST_SHARE, the profile's")
    add("--texts", metavar="FILE", help="a teacher's texts (file or folder), auto or templated; else TRACEKD_TEXTS")
    add("--seed", type=int, metavar="N", help="first seed; default: each notebook's own, 121")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="any notebook parameter")
    add("--ratings", type=file_or_folder, metavar="PATH", help="the survey's answers, a CSV file or a folder of them")
    add("--leave-out", metavar="SHARE", help="largest share of problems too long for the student (0.02)")
    add("--force", action="store_true", help="run also what is current")
    add("--publish", action="store_true", help="then make this run the committed one")
    add("--list", action="store_true", help="show notebooks and profiles, run nothing")
    add("--check", action="store_true", help="check the options, run nothing")
    return parser


def options(argv: list[str]) -> argparse.Namespace:
    """Read and check the options; anything unknown exits with 2 and the nearest right name, before any work.

    Beside the options the result has ``paths`` (the chosen notebooks) and ``given`` (parameters for them).
    """
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        config.set_leave_out(args.leave_out)
        if args.data and args.data != "auto":
            args.data = _checked_source(args.data)
        if args.test_share:
            config.check_test_share(args.test_share)
        if args.texts not in (None, "", "auto", "templated") and not Path(args.texts).exists():
            raise FileNotFoundError(f"--texts {args.texts!r}: no such file; --texts templated takes the rules' own")
        args.paths = notebooks.select(args.only)
        args.given = _given(args)
        notebooks.check(args.paths, args.given)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    return args


def _checked_source(source: str) -> str:
    """``problems.check_source``; before the set-up, when its packages are not there yet, the source as it is."""
    try:
        from tracekd.data import problems
    except ModuleNotFoundError:
        return source  # the run that follows the set-up looks at it again
    return problems.check_source(source)


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The notebook parameters that the options ask for, the profile aside."""
    given: dict[str, Any] = {}
    for pair in args.set:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"--set {pair!r}: expected NAME=VALUE, such as --set SEED=122")
        if name in notebooks.OPTIONS:
            raise ValueError(f"--set {name}: use {notebooks.OPTIONS[name]}")
        try:
            given[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            given[name] = text
    if args.ratings:
        given["RATINGS"] = str(args.ratings.resolve())
    if args.seed is not None:
        given["SEED"] = args.seed
    if args.data and args.data != "auto":  # what auto has come to is stored in the run's folder
        given["DATA"] = args.data
    return given


def default_profile() -> str:
    """``gpu`` where there is one, else ``cpu``."""
    from tracekd import machine

    return "gpu" if machine.has_gpu() else "cpu"


def runs_root() -> Path:
    """The folder of all runs: ``TRACEKD_RUNS``, else ``runs/`` in the repository."""
    return Path(os.environ.get("TRACEKD_RUNS") or config.ROOT / "runs").resolve()


def shown(path: Path) -> str:
    """A path as one would type it from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def listing() -> str:
    """Notebooks with their titles and parameters, and profiles with what they are for."""
    lines = ["notebooks"]
    for path in notebooks.find():
        names = ", ".join(f"{name}={value!r}" for name, value in notebooks.parameters(path).items())
        lines += [f"  {path.stem:<22} {notebooks.title(path)}", f"  {'':<22} ({names})"]
    lines += ["profiles"]
    for profile in map(config.load, config.names()):
        lines += [f"  {profile.name:<22} {profile.about}", f"  {'':<22} ({profile.hardware})"]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run what the options say; 0 when all is done, 1 when a notebook failed, 2 for unknown options."""
    args = options(argv)
    if args.list:
        print(listing())
    if args.list or args.check:
        return 0
    if not args.paths:
        print(f"tracekd run: no notebooks in {shown(notebooks.FOLDER)}", file=sys.stderr)
        return 1
    from filelock import FileLock, Timeout

    folder = runs_root() / (args.profile or default_profile())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            if args.test_share:
                os.environ["TRACEKD_TEST_SHARE"] = args.test_share  # for the notebooks' kernels
            return run(args, folder)
    except Timeout:
        print(f"tracekd run: another run is writing to {shown(folder)}: wait until it ends", file=sys.stderr)
        return 1


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

    profile = config.with_test_share(config.load(folder.name))
    wanted = args.data or os.environ.get("TRACEKD_DATA") or profile.data
    source = problems.check_source(hub.settle(wanted, folder, anew=args.data == "auto"))
    datasets = problems.datasets_of(source)
    print(f"profile {profile.name}: {profile.about}; everything goes to {shown(folder)}")
    if args.ratings:
        from tracekd.study.source import read

        print(f"ratings: {read(args.ratings)}")  # what is wrong with them is said before any notebook runs
    print("\n".join(f"data: {dataset}: {problems.label_of(dataset, source)}" for dataset in datasets))
    return Settings(profile, source, folder, args.given, take_texts(args.texts, profile, source, datasets))


def plan(paths: list[Path], folder: Path) -> str:
    """What a run will do, and how long that took when it was last done in this folder."""
    from tracekd.pipeline.execute import clock

    finished = steps.read(folder)
    took = [finished[path.stem]["seconds"] for path in paths if path.stem in finished]
    last = f"; {len(took)} took {clock(sum(took))} when last run here" if took else "; none has run here yet"
    names = ", ".join(path.stem for path in paths)
    return f"{len(paths)} notebooks: {names}{last}; one whose inputs are as they were is skipped"


def take_texts(given: str | None, profile: config.Profile, source: str, datasets: tuple[str, ...]) -> str:
    """The path of a teacher's texts, also handed to the notebooks' kernels; "" for templated ones.

    Raises:
        ValueError: texts were given, and the profile trains on no free-form traces. (The variable alone may be meant
            for other profiles.)
    """
    from tracekd.teacher.run_texts import find_texts
    from tracekd.traces.freeform import CONDITIONS, takes_texts

    takes = any(takes_texts(condition) for dataset in datasets for condition in profile.conditions_of(dataset))
    if given not in (None, "", "auto", "templated") and not takes:
        raise ValueError(
            f"--texts: profile {profile.name!r} trains on none of {', '.join(CONDITIONS)}: choose one that does, such "
            "as --profile grid-r1"
        )
    texts = find_texts(given or "", profile, source) if takes else ""
    os.environ["TRACEKD_TEXTS"] = texts or "templated"
    if texts:
        print(f"free-form traces: {shown(Path(texts))}")
    return texts


def _state(path: Path, settings: Settings) -> tuple[dict[str, Any], dict[str, str], str | None]:
    """Parameters to pass, present inputs, and why the step must run (None: it is current)."""
    about = vars(settings) | {"given": notebooks.assign(path, {"PROFILE": settings.profile.name, **settings.given})}
    inputs = steps.inputs(path, **about)
    every = {other.stem for other in notebooks.find(path.parent)}
    return about["given"], inputs, steps.reason(settings.folder, path.stem, inputs, every)


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
    begun = time.time()
    seconds = execute(path, steps.executed(folder, name), folder / "logs" / f"{name}.log", given)
    for old in steps.drop_old(folder, name, begun):
        print(f"{name}: no longer makes {old}; taken out of the manifest")
    steps.record(folder, name, inputs | steps.made_by_commands(path, folder), seconds)
    print(f"{name}: finished in {clock(seconds)}", flush=True)


def publish_current(settings: Settings) -> None:
    """Publish the run if every notebook is current in it.

    Raises:
        ValueError: a notebook has not run, or not with these settings.
    """
    from tracekd.pipeline.publish import publish

    for path in notebooks.find():
        if why := _state(path, settings)[2]:
            raise ValueError(f"--publish needs a complete run; {path.stem} is not current ({why}): run without --only")
    print("\n".join(publish(notebooks.find(), settings.folder)))


def report(folder: Path) -> None:
    """Print how the paper's claims fare where notebook 08 has tested them, else where the artefacts are listed."""
    from tracekd.pipeline.artefacts import table_path

    figures = folder / "figures"
    tested, numbers = table_path("08_claims", figures), table_path("08_ledger", figures)
    if tested.exists() and numbers.exists():
        import pandas as pd

        from tracekd.analysis import claims

        print("\n" + "\n".join(claims.short(pd.read_csv(tested), pd.read_csv(numbers, dtype={"seed": str}))))
    elif (figures / "MANIFEST.csv").exists():
        print(f"\nfigures and tables: {shown(figures / 'MANIFEST.csv')}")
