"""Run the notebooks of a profile in order, skipping what is current: `python -m tracekd run`, or `./run_all.sh`.

Nothing beyond the standard library is imported at the top, so that options can be checked before anything is installed.
"""

import argparse
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from tracekd import config
from tracekd.command_line import Parser, file_or_folder, path_or
from tracekd.io.records import locked, replacing
from tracekd.pipeline import artefacts, notebooks
from tracekd.pipeline.notebooks import NotebookFailed, clock

EXAMPLE = """\
  ./run_all.sh                                  the default profile, every notebook
  ./run_all.sh --profile smoke                  does everything run? under 3 minutes, no network
  ./run_all.sh --only 04,05 --data ../shared/data
  ./run_all.sh --only 05 --ratings ratings.csv  the human study on your own ratings
  ./run_all.sh test                             lint and all tests
Everything is written below runs/PROFILE/; --publish alone touches figures/ and notebooks/."""
# A widget (a progress bar, mostly) cannot be drawn without its state, and its text form shows how it began.
WIDGET = "application/vnd.jupyter.widget-view+json"
DRAWN = re.compile(r'(?<=[#"])T_[0-9a-f]{5}|(?<= at )0x[0-9a-f]+(?=>)')  # differ in every run


def options(argv: list[str]) -> argparse.Namespace:
    """Read and check the options; anything unknown exits with 2 and the nearest right name, before any work."""
    parser = Parser("run", "Run the notebooks of a profile in order, skipping what is current.", EXAMPLE)
    add, source, texts = parser.add_argument, path_or("auto", "hub", "generated"), path_or("auto", "templated")
    profiles = f"{', '.join(config.names())}; default: gpu where torch finds a GPU, else cpu"
    add("--profile", choices=config.names(), metavar="NAME", help=profiles)
    add("--only", type=notebooks.select, metavar="03,04", help="these notebooks, by number or name")
    add("--data", type=source, help="path, auto, hub or generated; else TRACEKD_DATA, else the profile's")
    add("--texts", type=texts, help="a teacher's texts (file or folder), auto or templated; else TRACEKD_TEXTS")
    add("--ratings", type=file_or_folder, metavar="PATH", help="the survey's answers, a CSV file or a folder of them")
    add("--force", action="store_true", help="run also what is current")
    add("--publish", action="store_true", help="then make this run the committed one")
    add("--check", action="store_true", help="check the options, run nothing")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run what the options say; 0 when all is done, 1 when a notebook failed, 2 for unknown options."""
    args = options(argv)
    if args.check:
        return 0
    from tracekd import machine

    profile = args.profile or ("gpu" if machine.has_gpu() else "cpu")
    folder = Path(os.environ.get("TRACEKD_RUNS") or config.ROOT / "runs").resolve() / profile
    with locked(folder):
        return run(args, folder)


def run(args: argparse.Namespace, folder: Path) -> int:
    """Run the chosen notebooks, then publish; the caller holds the folder's lock."""
    started, about, paths = time.monotonic(), settings(args, folder), args.only or notebooks.find()
    names = [path.stem for path in paths]
    took = [done["seconds"] for name, done in notebooks.read(folder).items() if name in names]
    last = f"{len(took)} took {clock(sum(took))} when last run here" if took else "none has run here yet"
    print(f"{len(paths)} notebooks: {', '.join(names)}; {last}; one with unchanged inputs is skipped", flush=True)
    try:
        for path in paths:
            step(path, about, args.force)
    except NotebookFailed as error:
        print(f"\n{error}\nWhat finished before it stays in {os.path.relpath(folder)}.", file=sys.stderr)
        return 1
    if args.publish:
        publish(about)
    print(f"done in {clock(time.monotonic() - started)}; executed notebooks: {os.path.relpath(folder / 'notebooks')}")
    return 0


def settings(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Decide on data source, ratings and texts, and print it: the arguments of ``notebooks.inputs`` for all steps."""
    from tracekd.data import hub, problems
    from tracekd.teacher.run_texts import find_texts
    from tracekd.traces.freeform import takes_texts

    profile = config.load(folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = args.data or os.environ.get("TRACEKD_DATA") or profile.data
    source = problems.check_source(hub.settle(wanted, folder, anew=args.data == "auto"))
    print(f"profile {profile.name}: {profile.about}; everything goes to {os.path.relpath(folder)}")
    given = {"PROFILE": profile.name}
    if args.data:
        given["DATA"] = source
    if args.ratings:
        from tracekd.study.ratings import read

        print(f"ratings: {read(args.ratings)}")  # what is wrong with them is said before any notebook runs
        given["RATINGS"] = str(args.ratings.resolve())
    takes = False
    for dataset in problems.datasets_of(source):
        print(f"data: {dataset}: {problems.label_of(dataset, source)}")
        takes |= any(map(takes_texts, profile.conditions_of(dataset)))
    if args.texts and not takes:
        raise ValueError(f"--texts: profile {profile.name!r} trains on no such texts: choose one that does, as grid-r1")
    texts = find_texts(args.texts or "", profile, source) if takes else ""  # the variable may stand for other profiles
    os.environ["TRACEKD_TEXTS"] = texts or "templated"  # for the notebooks' kernels
    if texts:
        print(f"free-form traces: {os.path.relpath(texts)}")
    return {"profile": profile, "source": source, "folder": folder, "given": given, "texts": texts}


def step(path: Path, about: dict[str, Any], force: bool = False) -> None:
    """Run one notebook unless what it left is current, and say why either way."""
    name, folder, inputs = path.stem, about["folder"], notebooks.inputs(path, **about)
    why = notebooks.reason(folder, name, inputs)
    if why is None and not force:
        print(f"{name}: unchanged since {notebooks.read(folder)[name]['finished'][:16].replace('T', ' ')}, skipped")
        return
    print(f"{name}: runs because {why or '--force was given'}", flush=True)
    notebooks.forget(folder, name)
    given = notebooks.assign(path, about["given"])
    seconds = notebooks.execute(path, notebooks.executed(folder, name), folder / "logs" / f"{name}.log", given)
    notebooks.record(folder, name, inputs | notebooks.made_by_commands(path, folder), seconds)
    print(f"{name}: finished in {clock(seconds)}", flush=True)


def publish(about: dict[str, Any]) -> None:
    """Give the notebooks the outputs of a run and put its artefacts in place; ValueError first where one is stale."""
    import nbformat

    folder, paths = about["folder"], notebooks.find()
    for path in paths:
        if why := notebooks.reason(folder, path.stem, notebooks.inputs(path, **about)):
            raise ValueError(f"--publish needs a complete run; {path.stem} is not current ({why}): run without --only")
    for path in paths:
        notebook = published(path, notebooks.executed(folder, path.stem))
        with replacing(path) as temporary:
            nbformat.write(notebook, temporary)
    count = copy_figures(folder / "figures", artefacts.FIGURES, folder.name)
    print(f"published {len(paths)} notebooks and {count} artefacts of the {folder.name} run: look at `git diff --stat`")


def published(source: Path, executed: Path) -> Any:
    """The committed notebook with the outputs of the executed one, cell by cell, counted as they ran.

    Only outputs are carried over: not papermill's injected cell and times, nor prose, which may have been edited since.
    """
    import nbformat

    notebook, ran = (nbformat.read(path, as_version=4) for path in (source, executed))
    done = [c for c in ran.cells if c.cell_type == "code" and "injected-parameters" not in c.metadata.get("tags", [])]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, (cell, result) in enumerate(zip(code, done, strict=True), 1):
        cell.execution_count = count
        cell.outputs = [output for output in result.outputs if WIDGET not in output.get("data", {})]
        for at, output in enumerate(cell.outputs):
            for kind in {"text/html", "text/plain"} & output.get("data", {}).keys():
                output.data[kind] = DRAWN.sub(f"T_{count:02d}_{at:02d}", output.data[kind])
            if output.output_type == "execute_result":
                output.execution_count = count
    notebook.metadata.language_info = ran.metadata.get("language_info", {})
    return notebook


def copy_figures(source: Path, target: Path, profile: str) -> int:
    """Put a run's artefacts in place of those that its profile published before; return how many rows."""
    new, old = artefacts.rows(source), artefacts.rows(target)
    others = [row for row in old if row["profile"] != profile and row["id"] not in {one["id"] for one in new}]
    artefacts.write_rows(target, [*others, *new])
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path.name != "MANIFEST.csv":
            with replacing(target / path.relative_to(source)) as temporary:
                shutil.copyfile(path, temporary)
    return len(new)
