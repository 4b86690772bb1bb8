"""`python -m tracekd COMMAND`: the module of a command is imported only when it is asked for.

Exit codes: 0 done; 2 for bad input, with one message that says what was expected; 1 for other failures; 130 stopped.
"""

import gzip
import importlib
import logging
import os
import sys
import zlib
from pathlib import Path

from tracekd.config import nearest
from tracekd.io.records import disk_full

# Name: module and function, so that `run --check` works before torch is installed; and what it does.
COMMANDS = {
    "run": ("pipeline.runner:main", "run the notebooks of a profile (what ./run_all.sh does)"),
    "train": ("grid.run_grid:main_train", "train the adapters of a profile, or a shard of them"),
    "generate": ("grid.run_grid:main_generate", "let the students of a profile answer"),
    "intervene": ("grid.run_grid:main_intervene", "let trained students answer after forced traces"),
    "mechanism": ("grid.mechanism:main", "train small students from scratch on right, wrong and blind traces"),
    "derive": ("decompose.agreement:main", "derive category, evidence and answer from context and question alone"),
    "leakage": ("analysis.sft_tables:main", "count what wrong traces reveal of the right answer"),
    "score": ("scoring.outputs:main", "score outputs: status, steps, answers"),
    "teacher": ("teacher.client:main", "ask a teacher for free-form traces"),
    "replication": ("analysis.recorded:main", "show which parts of the grid are finished; record their verdicts"),
    "bench": ("bench.benches:main", "measure training and generation beside their peers"),
    "export": ("grid.run_grid:main_export", "write SFT sets as JSON lines for other trainers"),
    "student": ("students.registry:main", "fetch a student and say where it is"),
    "survey": ("study.survey:main", "build the rating survey"),
}
# Wrong paths are bad input, like a wrong value; so are compressed files that broke off, and JSON nested without end.
BAD_INPUT = (
    ValueError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, FileExistsError, EOFError,
    gzip.BadGzipFile, zlib.error, RecursionError,
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run a command; an error is one message unless TRACEKD_DEBUG is set (exit codes: see the module)."""
    argv, debug = sys.argv[1:] if argv is None else argv, bool(os.environ.get("TRACEKD_DEBUG"))
    # A log that cannot be written, on a full disk, must not bury the message that says so.
    logging.raiseExceptions = debug
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: python -m tracekd COMMAND [options]; COMMAND --help says more\n")
        print("\n".join(f"  {name:<11} {about}" for name, (_, about) in COMMANDS.items()))
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        print(f"tracekd: no command {argv[0]!r}: {nearest(argv[0], list(COMMANDS))}", file=sys.stderr)
        return 2
    module, function = COMMANDS[argv[0]][0].split(":")
    try:
        return getattr(importlib.import_module(f"tracekd.{module}"), function)(argv[1:]) or 0
    except SystemExit as stop:  # argparse: 0 for --help, 2 for options that are wrong
        return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("tracekd: stopped; what was finished stays", file=sys.stderr)
        return 130
    except Exception as error:
        error = disk_full(error, Path(os.environ.get("TRACEKD_RUNS") or "runs")) or error
        ours = type(error).__module__.startswith("tracekd")
        unavailable = ours and type(error).__name__ in ("DataUnavailable", "StudentUnavailable")
        bad = unavailable or isinstance(error, BAD_INPUT)
        if debug or not (ours or bad):  # neither bad input nor an error with a message for users: our own fault
            raise
        print(f"tracekd: {str(error) or repr(error)}\n(TRACEKD_DEBUG=1 shows where this comes from)", file=sys.stderr)
        return 2 if bad else 1


if __name__ == "__main__":
    sys.exit(main())
