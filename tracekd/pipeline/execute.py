"""Run one notebook by papermill, with progress by cell, a log, and a report where it fails."""

from __future__ import annotations

import os
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from tracekd.config import ROOT
from tracekd.pipeline import notebooks

TAIL = 15  # lines of the log that a failure shows
COLOUR = re.compile(r"\x1b\[[\d;]*m")  # in the tracebacks of a kernel
# Data, a student or ratings that cannot be had are no fault of the notebook: the message alone says what to mend.
BAD_INPUT = ("ValueError", "FileNotFoundError", "DataUnavailable", "StudentUnavailable", "DiskFull")


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

    def __init__(self, name: str, cells: list[dict[str, Any]], log: TextIO):
        """Start the clock; ``cells`` are those of the committed notebook, which papermill may add one to."""
        self.name, self.log, self.flush = name, log, log.flush
        self.numbers = {cell.get("id"): number for number, cell in enumerate(cells, 1)}
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
        """The error with the cell, its first line and the last lines of the log."""
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        # Of a progress bar, which rewrites its line, the last state is enough.
        shown = "".join(f"\n    {line.rsplit(chr(13), 1)[-1]}" for line in [x for x in lines if x.strip()][-TAIL:])
        return NotebookFailed(
            f"{self.name} failed in {self.place} after {clock(time.monotonic() - self.started)}: {what}\n"
            f"  the cell begins: {self.begins}\n  last lines of {log}:{shown}"
        )


def _environment() -> None:
    """What the kernels inherit: this copy of the library, and folders that do not depend on where one stands."""
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

    Raises:
        NotebookFailed: a cell raised or the kernel died; the executed copy has the outputs so far.
        ValueError: a cell found data, a student or another input that cannot be used.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    _environment()
    for path in (target, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        progress = Progress(source.stem, notebooks.cells(source), file)
        try:
            papermill.execute_notebook(
                source.resolve(), target.resolve(), given, cwd=source.resolve().parent, progress_bar=False,
                stdout_file=file, stderr_file=progress, autosave_cell_every=60, on_cell_start=progress.on_cell_start,
                # Warnings of the kernel's own machinery belong to no notebook.
                extra_arguments=["--IPKernelApp.log_level=40"],
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
