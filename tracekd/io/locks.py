"""Locks: two processes never write to the same place at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


class Busy(RuntimeError):
    """Another process is at work in the same place."""


def waiting(path: Path, timeout: float = -1) -> FileLock:
    """The lock of ``path`` (a file beside it, ``.NAME.lock``, held with ``with``); it ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.parent / f".{path.name}.lock", timeout=timeout)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of ``path`` without waiting for it; ``Busy`` where another process holds it."""
    try:
        with waiting(path, timeout=0):
            yield
    except Timeout as error:
        raise Busy(
            f"another process is writing {path}: wait for it and run again, which goes on where it stopped; "
            "or work in another folder (TRACEKD_RUNS); shards of one grid must have different numbers"
        ) from error
