"""Run one notebook by papermill, with progress by cell, a log, an HTML copy, and a report where it fails."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracekd.config import ROOT
from tracekd.io.records import replacing
from tracekd.pipeline import notebooks

TAIL = 15  # lines of the log that a failure shows
MARKER = re.compile(r"(Executing|Ending) Cell \d+-+$")


class NotebookFailed(RuntimeError):
    """A notebook stopped; the message has its name, the cell, the error and the end of the log."""


def clock(seconds: float) -> str:
    """Seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def head(source: str) -> str:
    """The first 70 characters of the first line of a cell that is neither comment nor blank."""
    lines = [line.strip() for line in source.splitlines()]
    return next((line for line in lines if line and not line.startswith("#")), "")[:70]


class Progress(logging.Handler):
    """Print what a notebook is doing: a line for each cell, and every 15 seconds the progress bar inside that cell.

    It listens to papermill's log, where the kernel's stderr arrives, and there to lines that rewrite themselves.
    """

    EVERY = 15.0  # seconds between two lines of a cell

    def __init__(self, name: str, total: int, shift_after: int | None):
        """Start the clock; cells behind ``shift_after`` (an injected cell's index) count one less."""
        super().__init__(logging.WARNING)
        self.name, self.total, self.shift_after = name, total, shift_after
        self.started = time.monotonic()
        self.cell, self.source, self.bar = 0, "", ""
        self.ended = threading.Event()
        threading.Thread(target=self._tick, daemon=True).start()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.started

    def emit(self, record: logging.LogRecord) -> None:
        """Take the state of a progress bar; what else a kernel writes to stderr goes to the log file only."""
        _, rewrites, last = record.getMessage().rstrip().rpartition("\r")
        if rewrites and last.strip():
            self.bar = last.strip()

    def _tick(self) -> None:
        while not self.ended.wait(self.EVERY):
            if self.bar:
                self._show(self.bar)

    def _show(self, what: str) -> None:
        print(f"  {self.name}  cell {self.cell:>2}/{self.total}  {clock(self.seconds):>5}  {what}", flush=True)

    def on_cell_start(self, cell: dict[str, Any], cell_index: int, **_: Any) -> None:
        """Show which code cell starts, by its number in the committed notebook; nbclient calls this for every cell."""
        if cell["cell_type"] == "code" and "injected-parameters" not in cell["metadata"].get("tags", []):
            injected_before = self.shift_after is not None and cell_index >= self.shift_after
            self.cell, self.source, self.bar = cell_index + 1 - injected_before, cell["source"], ""
            self._show(head(self.source))

    def close(self) -> None:
        """Stop the clock."""
        self.ended.set()
        super().close()


@contextmanager
def _logging(path: Path, progress: Progress) -> Iterator[None]:
    """Send papermill's account of a run, the notebook's own output included, to a file and to ``progress`` alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("papermill")
    before = logger.handlers, logger.propagate, logger.level
    logger.handlers, logger.propagate = [handler, progress], False
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.handlers, logger.propagate, level = before
        logger.setLevel(level)
        handler.close()
        progress.close()


def _environment() -> None:
    """What the kernels inherit: this copy of the library, and folders that do not depend on where one stands."""
    from tracekd.grid.pool import settings

    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(os.pathsep.join(paths).split(os.pathsep)))
    for name, value in settings().items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # A kernel of that name in the user's home may belong to another Python.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    for name in ("TRACEKD_DATA", "TRACEKD_RUNS", "TRACEKD_TEXTS"):
        value = os.environ.get(name)
        if value and Path(value).exists():
            os.environ[name] = str(Path(value).resolve())


def _failure(progress: Progress, log: Path, target: Path, what: str) -> NotebookFailed:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    # Of a progress bar, which rewrites its line, the last state is enough.
    shown = [line.rsplit("\r", 1)[-1] for line in lines if line.strip() and not MARKER.search(line)]
    return NotebookFailed(
        f"{progress.name} failed in cell {progress.cell} of {progress.total} after {clock(progress.seconds)}: {what}\n"
        f"  the cell begins: {head(progress.source)}\n"
        f"  last lines of {log}:\n" + "\n".join(f"    {line}" for line in shown[-TAIL:]) + f"\n  so far: {target}"
    )


def execute(source: Path, target: Path, log: Path, given: dict[str, Any]) -> float:
    """Run a notebook in its own folder; return the seconds it took.

    The executed copy goes to ``target`` with an HTML file beside it, also what was done before a failure; printed
    output goes to ``log``. ``given`` are values for the parameters cell.

    Raises:
        NotebookFailed: a cell raised an error, or the kernel died.
        ValueError: the error is about a file of the data or the texts that were given.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbconvert import HTMLExporter
    from nbconvert.filters import strip_ansi

    _environment()
    cells = notebooks.cells(source)
    tagged = [i for i, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", [])]
    progress = Progress(source.stem, len(cells), tagged[0] + 1 if given else None)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _logging(log, progress):
            done = papermill.execute_notebook(
                source.resolve(), target.resolve(), given, cwd=source.resolve().parent, progress_bar=False,
                log_output=True, autosave_cell_every=60, on_cell_start=progress.on_cell_start,
                # Warnings of the kernel's own machinery belong to no notebook.
                extra_arguments=["--IPKernelApp.log_level=40"],
            )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        with log.open("a", encoding="utf-8") as file:
            file.write(strip_ansi("\n".join(error.traceback)) + "\n")
        # Data that cannot be read, or a full disk, are no fault of the notebook: the message alone says what to mend.
        where = f"{progress.name}, cell {progress.cell}: {error.evalue}\n  all of it: {log}"
        if error.ename == "DiskFull":
            raise NotebookFailed(where) from error
        if error.ename in ("ValueError", "DataUnavailable") and _names_path(error.evalue, given):
            raise ValueError(where) from error
        raise _failure(progress, log, target, f"{error.ename}: {error.evalue}") from error
    except (DeadKernelError, CellTimeoutError) as error:
        what = f"the kernel died, often for want of memory ({type(error).__name__})"
        raise _failure(progress, log, target, what) from error
    with replacing(target.with_suffix(".html")) as temporary:
        temporary.write_text(HTMLExporter().from_notebook_node(done)[0], encoding="utf-8")
    return progress.seconds


def _names_path(message: str, given: dict[str, Any]) -> bool:
    paths = (given.get("DATA"), os.environ.get("TRACEKD_TEXTS"))
    return any(path and Path(path).exists() and path in message for path in paths)
