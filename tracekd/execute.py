"""Run one notebook by papermill, with progress by cell, a log, an HTML copy, and a report where it fails."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracekd.profiles import ROOT
from tracekd.records import replacing

TAIL = 15  # lines of the log that a failure shows
MARKER = re.compile(r"(Executing|Ending) Cell \d+-+$")


class NotebookFailed(RuntimeError):
    """A notebook stopped; the message has its name, the cell, the error and the end of the log."""


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def head(source: str, width: int = 70) -> str:
    """The first line of a cell that says something: no comment, no blank."""
    lines = [line.strip() for line in source.splitlines()]
    said = [line for line in lines if line and not line.startswith("#")] or lines or [""]
    return said[0] if len(said[0]) <= width else said[0][: width - 1] + "…"


class Progress:
    """One line a code cell: notebook, cell, time since the start, first line; rewritten in place on a terminal."""

    def __init__(self, name: str, total: int, shift_after: int | None):
        """Start the clock; cells behind ``shift_after`` (an injected cell's index) count one less."""
        self.name, self.total, self.shift_after = name, total, shift_after
        self.started = time.monotonic()
        self.cell, self.source = 0, ""
        self.terminal = sys.stdout.isatty()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.started

    def on_cell_start(self, cell: dict[str, Any], cell_index: int, **_: Any) -> None:
        """Say which code cell starts; nbclient calls this for every cell."""
        if cell["cell_type"] != "code" or "injected-parameters" in cell["metadata"].get("tags", []):
            return
        self.cell, self.source = self.number(cell_index), cell["source"]
        line = f"  {self.name}  cell {self.cell:>2}/{self.total}  {clock(self.seconds):>5}  {head(self.source)}"
        print(f"\r\033[K{line}" if self.terminal else line, end="" if self.terminal else "\n", flush=True)

    def number(self, index: int) -> int:
        """Number of a cell in the notebook as committed, from 1."""
        injected_before = self.shift_after is not None and index >= self.shift_after
        return index + 1 - injected_before

    def close(self) -> None:
        """End the line that is rewritten in place."""
        if self.terminal:
            print("\r\033[K", end="", flush=True)


@contextmanager
def _logging(path: Path) -> Iterator[None]:
    """Send papermill's account of a run, the notebook's own output included, to a file and nowhere else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("papermill")
    before = logger.handlers, logger.propagate, logger.level
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers, logger.propagate, level = before
        logger.setLevel(level)
        handler.close()


def _environment() -> None:
    """What the kernels inherit: this copy of the library, and folders that do not depend on where one stands."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(os.pathsep.join(paths).split(os.pathsep)))
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # A kernel of that name in the user's home may belong to another Python.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    for name in ("TRACEKD_DATA", "TRACEKD_RUNS", "TRACEKD_TEXTS"):
        value = os.environ.get(name)
        if value and Path(value).exists():
            os.environ[name] = str(Path(value).resolve())


def _failure(progress: Progress, log: Path, target: Path, what: str) -> NotebookFailed:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    # A notebook's progress bars rewrite a line; only its last state is worth showing.
    said = [line.rsplit("\r", 1)[-1] for line in lines if line.strip()]
    tail = [line for line in said if not MARKER.search(line)][-TAIL:]
    return NotebookFailed(
        f"{progress.name} failed in cell {progress.cell} of {progress.total} after {clock(progress.seconds)}: {what}\n"
        f"  the cell begins: {head(progress.source)}\n"
        f"  last lines of {log}:\n" + "\n".join(f"    {line}" for line in tail) + f"\n  executed so far: {target}"
    )


def execute(source: Path, target: Path, log: Path, given: dict[str, Any]) -> float:
    """Run a notebook in its own folder and keep the executed copy as ``target`` with an HTML file beside it.

    Args:
        source: the notebook, which is not changed.
        target: where the executed copy goes; on failure it holds what was done, with the error.
        log: file for the notebook's printed output, with times.
        given: values for its parameters cell; their names must have been checked.

    Returns:
        The seconds it took.

    Raises:
        NotebookFailed: a cell raised an error, or the kernel died.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbconvert.filters import strip_ansi

    from tracekd import disk, notebooks

    _environment()
    cells = notebooks.cells(source)
    tagged = [i for i, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", [])]
    progress = Progress(source.stem, len(cells), tagged[0] + 1 if given else None)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _logging(log):
            done = papermill.execute_notebook(
                source.resolve(), target.resolve(), given, cwd=source.resolve().parent, progress_bar=False,
                log_output=True, autosave_cell_every=60, on_cell_start=progress.on_cell_start,
                # Warnings of the kernel's own machinery belong to no notebook.
                extra_arguments=["--IPKernelApp.log_level=40"],
            )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        progress.close()
        if error.ename == disk.DiskFull.__name__:  # its message says everything; the end of the log would bury it
            raise NotebookFailed(f"{progress.name} stopped in cell {progress.cell}: {error.evalue}") from error
        what = f"{error.ename}: {error.evalue}"
        with log.open("a", encoding="utf-8") as file:
            file.write(strip_ansi("\n".join(error.traceback)) + "\n")
        raise _failure(progress, log, target, what) from error
    except (DeadKernelError, CellTimeoutError) as error:
        progress.close()
        what = f"the kernel died, often for want of memory ({type(error).__name__})"
        raise _failure(progress, log, target, what) from error
    progress.close()
    _html(done, target.with_suffix(".html"))
    return progress.seconds


def _html(notebook: Any, path: Path) -> None:
    from nbconvert import HTMLExporter

    text, _ = HTMLExporter().from_notebook_node(notebook)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
