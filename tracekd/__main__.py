"""`python -m tracekd COMMAND`: the module of a command is imported only when it is asked for.

Exit codes of every command: 0 done; 2 for bad input (options, files, data), with one message that says what was
expected; 1 for anything else that failed; 130 when stopped.
"""

from __future__ import annotations

import gzip
import logging
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from tracekd.command_line import failed
from tracekd.config import nearest
from tracekd.io import disk

COMMANDS = {
    "run": "run the notebooks of a profile (what ./run_all.sh does)",
    "train": "train the adapters of a profile, or a shard of them",
    "generate": "let the students of a profile answer",
    "intervene": "let trained students answer after forced traces",
    "mechanism": "train small students from scratch on right, wrong and blind traces",
    "derive": "derive category, evidence and answer from context and question alone",
    "leakage": "count what wrong traces reveal of the right answer",
    "score": "score outputs: status, steps, answers",
    "teacher": "ask a teacher for free-form traces",
    "replication": "show which parts of the replication are finished; record its verdicts",
    "tune": "try recipes on a validation split of the training problems",
    "bench": "measure training, generation and scoring beside their peers",
    "export": "write SFT sets as JSON lines for other trainers, and the adapters' model cards",
    "student": "fetch a student and say where it is",
    "survey": "build the rating survey and read its answers",
}


def main_of(command: str) -> Callable[[list[str]], int]:
    """The function of a command. Its module is imported here, so that `run --check` works before torch is installed."""
    match command:
        case "run":
            from tracekd.pipeline.runner import main
        case "train":
            from tracekd.grid.commands import main_train as main
        case "generate":
            from tracekd.grid.commands import main_generate as main
        case "intervene":
            from tracekd.grid.commands import main_intervene as main
        case "mechanism":
            from tracekd.grid.mechanism import main
        case "derive":
            from tracekd.decompose.derive_cli import main
        case "leakage":
            from tracekd.analysis.leakage import main
        case "score":
            from tracekd.scoring.score_cli import main
        case "teacher":
            from tracekd.teacher.client import main
        case "replication":
            from tracekd.analysis.replication import main
        case "tune":
            from tracekd.students.tune import main
        case "bench":
            from tracekd.bench.commands import main
        case "export":
            from tracekd.grid.export import main
        case "student":
            from tracekd.students.registry import main
        case "survey":
            from tracekd.study.survey_cli import main
    return main


# Paths that are given wrong are bad input, like a wrong value; so are compressed files that broke off, and JSON nested
# without end.
BAD_INPUT = (
    ValueError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, FileExistsError, EOFError,
    gzip.BadGzipFile, zlib.error, RecursionError,
)  # fmt: skip


def _exit_code(error: Exception) -> int | None:
    """2 for bad input, 1 for other errors that have a message for users, None for a fault of this program."""
    ours = type(error).__module__.startswith("tracekd")
    if isinstance(error, BAD_INPUT) or (ours and type(error).__name__ in ("DataUnavailable", "StudentUnavailable")):
        return 2
    return 1 if ours else None


def main(argv: list[str] | None = None) -> int:
    """Run a command; an error is one message unless TRACEKD_DEBUG is set (exit codes: see the module)."""
    argv = sys.argv[1:] if argv is None else argv
    # A log that cannot be written, on a full disk, must not bury the message that says so.
    logging.raiseExceptions = bool(os.environ.get("TRACEKD_DEBUG"))
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: python -m tracekd COMMAND [options]; COMMAND --help says more\n")
        print("\n".join(f"  {name:<11} {about}" for name, about in COMMANDS.items()))
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        first = "the command comes first, such as python -m tracekd run --profile smoke"
        hint = first if argv[0].startswith("-") else nearest(argv[0], list(COMMANDS))
        print(f"tracekd: no command {argv[0]!r}: {hint}", file=sys.stderr)
        return 2
    try:
        return main_of(argv[0])(argv[1:]) or 0
    except SystemExit as stop:  # argparse: 0 for --help, 2 for options that are wrong
        return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        error = disk.explained(error, Path(os.environ.get("TRACEKD_RUNS") or "runs")) or error
        code = _exit_code(error)
        if code is None or os.environ.get("TRACEKD_DEBUG"):
            raise
        return failed(str(error) or repr(error), code)
    except KeyboardInterrupt:
        print("tracekd: stopped; what was finished stays", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
