"""A full disk: one error that says what could not be written, for all the ways in which libraries report it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REASONS = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file grows beyond the limit for files (see `ulimit -f`)",
}
# safetensors gives the system's number in its text; torch.save only says that its archive came out wrong.
NUMBER = re.compile(rf"(?:os error |\[Errno )({'|'.join(map(str, REASONS))})\b|(No space left)")
TORCH = re.compile(r"inline_container\.cc:\d+\] \. unexpected pos|PytorchStreamWriter failed|iostream error")


class DiskFull(OSError):
    """A file could not be written for want of room; the message says which and what to do."""

    def __init__(self, path: Path, why: str):
        """Name the file, or the folder that was written to, and the reason."""
        self.why = why
        below = "below " if Path(path).is_dir() else ""
        super().__init__(
            f"cannot write {below}{path}: {why}. What was finished before stays. Make room, then run the same command "
            "again: it goes on from there."
        )


def said(text: str) -> str | None:
    """The reason in the text of an error, else None."""
    found = NUMBER.search(text)
    return REASONS[int(found[1] or errno.ENOSPC)] if found else None


def reason(error: BaseException | None) -> str | None:
    """Why ``error``, or one that it was raised from, means that there was no room; None for any other error."""
    while error is not None:
        if isinstance(error, DiskFull):
            return error.why
        if isinstance(error, OSError) and error.errno in REASONS:
            return REASONS[error.errno]
        if type(error).__name__ == "SafetensorError" and (why := said(str(error))):
            return why
        if isinstance(error, RuntimeError) and TORCH.search(str(error)):
            return "torch could not finish the file, as happens on a full disk"
        error = error.__cause__ or error.__context__
    return None


def explained(error: BaseException, folder: Path) -> DiskFull | None:
    """``error`` as a ``DiskFull`` in ``folder``, or in the file that it names, if want of room is behind it."""
    if isinstance(error, DiskFull) or not (why := reason(error)):
        return error if isinstance(error, DiskFull) else None
    # A failed copy names its source first and its target second.
    return DiskFull(Path(getattr(error, "filename2", None) or getattr(error, "filename", None) or folder), why)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn want of room for ``path`` (a file or folder) into ``DiskFull``; other errors pass through unchanged."""
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        if why := reason(error):
            raise DiskFull(path, why) from error
        raise
