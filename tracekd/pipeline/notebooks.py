"""Notebooks as files: run by papermill, and whether what each left in a run's folder is still current.

A step is one notebook in one profile's folder. Its inputs, each with a hash, are listed in ``inputs`` and nowhere
else. They are recorded in ``runs/<profile>/steps.json`` after success only, so a record means "finished".
"""

import argparse
import ast
import json
import os
import re
import time
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from tracekd.config import ROOT, Profile, nearest
from tracekd.io.records import CODE, fingerprint, hash_of_files, sha256, write_json
from tracekd.machine import versions
from tracekd.pipeline import artefacts

FOLDER, PACKAGE = ROOT / "notebooks", ROOT / "tracekd"
# What commands such as `train` add to a run's folder, by the notebooks that show it.
MADE_BY_COMMANDS = {"03": ("adapters",), "04": ("adapters", "outputs"), "07": ("adapters", "interventions")}
TAIL = 15  # lines of the log that a failure shows
COLOUR = re.compile(r"\x1b\[[\d;]*m")  # in the tracebacks of a kernel
# Data, a student or ratings that cannot be had are no fault of the notebook: the message alone says what to mend.
BAD_INPUT = ("ValueError", "FileNotFoundError", "DataUnavailable", "StudentUnavailable", "DiskFull")


def cells(path: Path) -> list[dict[str, Any]]:
    """The notebook's cells with ``source`` as one string each."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in found]


def code(path: Path) -> list[str]:
    """The sources of the code cells, in order."""
    return [cell["source"] for cell in cells(path) if cell["cell_type"] == "code"]


def parameters(path: Path) -> dict[str, Any]:
    """Names and default values in the notebook's one ``parameters`` cell."""
    (tagged,) = (cell for cell in cells(path) if "parameters" in cell["metadata"].get("tags", []))
    assigned = [statement for statement in ast.parse(tagged["source"]).body if isinstance(statement, ast.Assign)]
    return {statement.targets[0].id: ast.literal_eval(statement.value) for statement in assigned}


def find(folder: Path | None = None) -> list[Path]:
    """All notebooks of ``folder`` in the order of their numbers."""
    return sorted((folder or FOLDER).glob("[0-9]*.ipynb"))


def select(wanted: str) -> list[Path]:
    """The notebooks named in a comma list of numbers or names, as the type of an option."""
    known, chosen = {path.stem: path for path in find()}, set()
    for name in (part.strip().removesuffix(".ipynb") for part in wanted.split(",")):
        matches = {s for s in known if name == s or (name.isdigit() and int(s.split("_")[0]) == int(name))}
        if not matches:
            raise argparse.ArgumentTypeError(f"no notebook {name!r}: {nearest(name, list(known))}")
        chosen |= matches
    return [path for stem, path in known.items() if stem in chosen]


def assign(path: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """Those of ``wanted`` that the notebook takes and whose value is not its default, so that it stays as committed."""
    known = parameters(path)
    return {name: value for name, value in wanted.items() if name in known and known[name] != value}


def inputs(
    notebook: Path, *, profile: Profile, source: str, given: dict, folder: Path, texts: str = "", package=PACKAGE
) -> dict[str, str]:
    """Everything that may change what a notebook makes, as hashes by a name that reads well in a reason.

    Its prose does not count. ``source`` is the data source in effect, ``given`` the parameters passed to notebooks,
    ``folder`` the run's. Recorded data are in ``figures/data`` beside the ``package``.
    """
    found = {
        "the notebook's code": sha256(code(notebook)),
        f"profile {profile.name}": sha256(asdict(profile)),
        "the data source": source,
        "a file of the data source": fingerprint(source),
        "the version of Python or a package": versions(),
        f"the package {package.name}": hash_of_files(package, CODE),
        "a recorded file in figures/data": hash_of_files(package.parent / "figures" / "data"),
        **({"the teacher's texts": sha256(Path(texts))} if texts else {}),
        **made_by_commands(notebook, folder),
    }
    for name, value in assign(notebook, given).items():
        found[f"parameter {name}"] = fingerprint(value) if isinstance(value, str) and value else repr(value)
    done, earlier = read(folder), [path.stem for path in find(notebook.parent) if path.stem < notebook.stem]
    return found | {name: done.get(name, {}).get("finished", "not run") for name in earlier}


def made_by_commands(notebook: Path, folder: Path) -> dict[str, str]:
    """The inputs that a notebook may itself add to: adapters and outputs; recorded as it leaves them."""
    names = MADE_BY_COMMANDS.get(notebook.stem[:2], ())
    return {f"the run's {name}": fingerprint(str(folder / name)) for name in names if (folder / name).exists()}


def reason(folder: Path, name: str, wanted: dict[str, str]) -> str | None:
    """Why the step must run with the inputs ``wanted``, in words; None if what it left is current."""
    if (entry := read(folder).get(name)) is None:
        return "it has not finished here yet"
    rows = [row for row in artefacts.rows(folder / "figures") if row["notebook"] == name]
    for path in (executed(folder, name), *(folder / "figures" / file for row in rows for file in row["files"].split())):
        if not path.exists():
            return f"{path.relative_to(folder)} is missing"
    before = entry["inputs"]
    changed = [key for key in {**wanted, **before} if wanted.get(key) != before.get(key)]
    return "changed: " + ", ".join(changed) if changed else None


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The finished steps of a run: name to ``finished`` (when), ``seconds``, ``inputs``; empty where none is."""
    path = folder / "steps.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def record(folder: Path, name: str, inputs: dict[str, str], seconds: float = 0) -> None:
    """Note that a step is finished, and how long it took."""
    finished = datetime.now().astimezone().isoformat(timespec="seconds")
    entry = {"finished": finished, "seconds": round(seconds, 1), "inputs": inputs}
    write_json(folder / "steps.json", {**read(folder), name: entry})


def forget(folder: Path, name: str) -> None:
    """Remove a step's record and artefacts before it runs again, so that nothing stays that it no longer makes."""
    write_json(folder / "steps.json", {step: entry for step, entry in read(folder).items() if step != name})
    figures = folder / "figures"
    artefacts.write_rows(figures, [row for row in artefacts.rows(figures) if row["notebook"] != name])


def executed(folder: Path, name: str) -> Path:
    """The file of a step's executed notebook."""
    return folder / "notebooks" / f"{name}.ipynb"


class NotebookFailed(RuntimeError):
    """A notebook stopped; the message has its name, the cell, the error and the end of the log."""


def clock(seconds: float) -> str:
    """Seconds as ``h:mm:ss``."""
    return str(timedelta(seconds=int(seconds)))


class Progress:
    """Print what a notebook is doing: a line for each cell, and every 15 seconds the progress bar inside that cell.

    It is the file for the kernel's stderr, which goes to the log; lines that rewrite themselves are progress bars.
    """

    EVERY = 15.0  # seconds between two lines of a cell

    def __init__(self, source: Path, log: TextIO):
        """Start the clock; ``source`` is the committed notebook, whose copy papermill may add a cell to."""
        self.name, self.log, self.flush = source.stem, log, log.flush
        self.numbers = {cell.get("id"): number for number, cell in enumerate(cells(source), 1)}
        self.place = self.begins = ""
        self.started = self.said = time.monotonic()

    def write(self, text: str) -> None:
        """Take what a kernel writes to stderr; the state of a progress bar is shown."""
        self.log.write(text)
        _, rewrites, last = text.rstrip().rpartition("\r")
        if rewrites and last.strip() and time.monotonic() - self.said >= self.EVERY:
            self._show(last.strip())

    def _show(self, what: str) -> None:
        self.said = time.monotonic()
        print(f"  {self.name}  {self.place}  {clock(self.said - self.started)}  {what}", flush=True)

    def on_cell_start(self, cell: dict[str, Any], **_: Any) -> None:
        """Show which code cell starts, by its number in the committed notebook; nbclient calls this for every cell."""
        if cell["cell_type"] == "code" and (number := self.numbers.get(cell.get("id"))):
            self.place = f"cell {number:>2}/{len(self.numbers)}"
            lines = [line.strip() for line in cell["source"].splitlines()]
            self.begins = next((line for line in lines if line and not line.startswith("#")), "")[:70]
            self._show(self.begins)

    def failure(self, log: Path, what: str) -> NotebookFailed:
        """The error with the cell, its first line and the last lines of the log, of a progress bar the last state."""
        lines = filter(str.strip, log.read_text(encoding="utf-8", errors="replace").splitlines())
        shown = "".join(f"\n    {line.rsplit(chr(13), 1)[-1]}" for line in [*lines][-TAIL:])
        return NotebookFailed(
            f"{self.name} failed in {self.place} after {clock(time.monotonic() - self.started)}: {what}\n"
            f"  the cell begins: {self.begins}\n  last lines of {log}:{shown}"
        )


def set_environment() -> None:
    """Set what the kernels inherit: this copy of the library, and folders that do not depend on where one stands."""
    from tracekd.grid.pool import settings

    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))
    # A kernel of that name in the user's home may belong to another Python.
    for name, value in {**settings(), "PYDEVD_DISABLE_FILE_VALIDATION": "1", "JUPYTER_PREFER_ENV_PATH": "1"}.items():
        os.environ.setdefault(name, value)
    for name in ("TRACEKD_DATA", "TRACEKD_RUNS", "TRACEKD_TEXTS"):
        if (value := os.environ.get(name)) and Path(value).exists():
            os.environ[name] = str(Path(value).resolve())


def execute(source: Path, target: Path, log: Path, given: dict[str, Any]) -> float:
    """Run a notebook in its own folder and write the executed copy; return the seconds it took.

    NotebookFailed: a cell raised or the kernel died; the copy has the outputs so far. ValueError: ``BAD_INPUT``.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    set_environment()
    for path in (target, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        progress = Progress(source, file)
        try:
            papermill.execute_notebook(
                source.resolve(), target.resolve(), given, cwd=source.resolve().parent, progress_bar=False,
                stdout_file=file, stderr_file=progress, autosave_cell_every=60, on_cell_start=progress.on_cell_start,
                # Warnings of the kernel's own machinery belong to no notebook; a bar is one output in its last state.
                extra_arguments=["--IPKernelApp.log_level=40"], coalesce_streams=True,
            )  # fmt: skip
        except papermill.PapermillExecutionError as error:
            file.write(COLOUR.sub("", "\n".join(error.traceback)) + "\n")
            file.flush()
            if error.ename in BAD_INPUT:
                kind = NotebookFailed if error.ename == "DiskFull" else ValueError
                raise kind(f"{progress.name}, {progress.place}: {error.evalue}\n  all of it: {log}") from error
            raise progress.failure(log, f"{error.ename}: {error.evalue}") from error
        except DeadKernelError as error:
            raise progress.failure(log, "the kernel died, often for want of memory") from error
    return time.monotonic() - progress.started
