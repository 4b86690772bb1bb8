"""`python -m tracekd COMMAND`: each command is a module with ``main(argv) -> int``, imported only when asked for.

Exit codes, decided here for every command: 0 done; 2 for bad input (options, files, data), with one message that says
what was expected; 1 for anything else that failed; 130 when stopped.
"""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import logging
import os
import sys
import zlib
from pathlib import Path

from tracekd.command_line import failed
from tracekd.profiles import nearest

COMMANDS = {
    "run": ("tracekd.runner", "run the notebooks of a profile (what ./run_all.sh does)"),
    "train": ("tracekd.grid_cli:main_train", "train the adapters of a profile, or a shard of them"),
    "generate": ("tracekd.grid_cli:main_generate", "let the students of a profile answer"),
    "intervene": ("tracekd.grid_cli:main_intervene", "let trained students answer after given traces"),
    "derive": ("tracekd.derive_cli", "derive category, evidence and answer from context and question alone"),
    "leakage": ("tracekd.leakage_table", "count what wrong traces reveal of the right answer"),
    "score": ("tracekd.score_cli", "score outputs: status, steps, answers"),
    "teacher": ("tracekd.teacher_cli", "ask a teacher for free-form traces"),
    "replication": ("tracekd.replication", "what of the replication is finished; keep its verdicts"),
    "tune": ("tracekd.recipe_search", "try recipes on a validation split of the training problems"),
    "bench": ("tracekd.bench", "measure training, generation and scoring beside their peers"),
    "export": ("tracekd.export", "write SFT sets as JSON lines for other trainers, and the adapters' model cards"),
    "student": ("tracekd.students", "fetch a student and say where it is"),
    "survey": ("tracekd.survey_cli", "build the rating survey and read its answers"),
    "address": ("tracekd.address", "carry the repository's address to badges and set-up cells"),
}


def commands() -> dict[str, tuple[str, str]]:
    """The commands whose modules are there."""
    return {name: entry for name, entry in COMMANDS.items() if importlib.util.find_spec(entry[0].partition(":")[0])}


def _full(error: Exception) -> Exception | None:
    """The error in plain words if there was no room to write, anywhere below this call; else None."""
    from tracekd import disk, embedded, runner

    scratch = Path(os.environ.get("TMPDIR") or "/tmp")
    return disk.explained(error, runner.runs_root(), embedded.cache_folder(), scratch, Path.cwd())


# Paths that are given wrong: bad input, like a wrong value.
_PATHS = FileNotFoundError | IsADirectoryError | NotADirectoryError | PermissionError | FileExistsError
# What a compressed file that broke off, and JSON nested without end, raise.
_DAMAGED = EOFError | gzip.BadGzipFile | zlib.error | RecursionError


def _exit_code(error: Exception) -> int | None:
    """2 for bad input, 1 for other errors that have a message for users, None for a fault of this program."""
    ours = type(error).__module__.startswith("tracekd")
    if isinstance(error, ValueError | _PATHS | _DAMAGED) or (
        ours and type(error).__name__ in ("DataUnavailable", "StudentUnavailable")
    ):
        return 2
    return 1 if ours else None


def main(argv: list[str] | None = None) -> int:
    """Dispatch to a command; an error is one message unless TRACEKD_DEBUG is set (exit codes: see the module)."""
    argv = sys.argv[1:] if argv is None else argv
    # A log that cannot be written, on a full disk, must not bury the message that says so.
    logging.raiseExceptions = bool(os.environ.get("TRACEKD_DEBUG"))
    known = commands()
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: python -m tracekd COMMAND [options]; COMMAND --help says more\n")
        print("\n".join(f"  {name:<8} {about}" for name, (_, about) in known.items()))
        return 0 if argv else 2
    if argv[0] not in known:
        hint = nearest(argv[0], list(known))
        if argv[0].startswith("-"):
            hint = "the command comes first, such as python -m tracekd run --profile smoke"
        print(f"tracekd: no command {argv[0]!r}: {hint}", file=sys.stderr)
        return 2
    try:
        module, _, function = known[argv[0]][0].partition(":")
        return getattr(importlib.import_module(module), function or "main")(argv[1:]) or 0
    except SystemExit as stop:  # argparse: 0 for --help, 2 for options that are wrong
        return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        error = _full(error) or error
        code = _exit_code(error)
        if code is None or os.environ.get("TRACEKD_DEBUG"):
            raise
        return failed(str(error) or repr(error), code)
    except KeyboardInterrupt:
        print("tracekd: stopped; what was finished stays", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
