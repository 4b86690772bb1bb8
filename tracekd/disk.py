"""No room to write: one error for all the ways in which the system and the libraries say so."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REASONS = {
    errno.ENOSPC: "no space is left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file grows beyond the limit for files (see `ulimit -f`)",
}
# torch.save keeps the cause to itself: a position that is not where it should be, in its archive writer.
TORCH = re.compile(r"inline_container\.cc:\d+\] \. unexpected pos|PytorchStreamWriter failed|iostream error")


class DiskFull(OSError):
    """A file could not be written for want of room; the message says which, how much is free, and what to do."""

    def __init__(self, path: Path, why: str):
        """Measure the free space now, before temporary files are cleared away.

        Args:
            path: the file, or the folder that was written to.
            why: the reason in words.
        """
        self.path, self.why = Path(path), why
        folder = next(place for place in (self.path, *self.path.absolute().parents) if place.is_dir())
        usage = shutil.disk_usage(folder)
        below = "below " if self.path.is_dir() else ""
        super().__init__(
            f"cannot write {below}{path}: {why}; {_size(usage.free)} of {_size(usage.total)} were free on that disk. "
            "What was finished before stays. Make room, then run the same command again: it goes on from there."
        )


def _size(count: int) -> str:
    """Bytes in MiB, or in GiB from one on."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def said(text: str) -> str | None:
    """The reason that stands in the text of an error: a phrase of the system's, or Rust's ``os error 28``."""
    phrases = {errno.ENOSPC: "No space left", errno.EDQUOT: "quota exceeded", errno.EFBIG: "File too large"}
    for code, why in REASONS.items():
        if f"(os error {code})" in text or f"[Errno {code}]" in text or phrases[code] in text:
            return why
    return None


def reason(error: BaseException) -> str | None:
    """Why ``error``, or one that it was raised from, means that there was no room to write; None for any other.

    Known are ``OSError`` with its number, safetensors' own error, which has the number in its text, and the
    ``RuntimeError`` of ``torch.save``, which has none: there the words name what is likely.
    """
    seen: BaseException | None = error
    while seen is not None:
        if why := _own_reason(seen):
            return why
        seen = seen.__cause__ or seen.__context__
    return None


def _own_reason(error: BaseException) -> str | None:
    if isinstance(error, DiskFull):
        return error.why
    if isinstance(error, OSError):
        return REASONS.get(error.errno)
    if type(error).__name__ == "SafetensorError":
        return said(str(error))
    if isinstance(error, RuntimeError) and TORCH.search(str(error)):
        return "torch could not finish the file, as happens on a full disk or at the end of a quota"
    return None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Whatever is written inside belongs to ``path`` (a file, or a folder): want of room there becomes ``DiskFull``.

    The innermost of several such blocks names the path. Any other error passes through unchanged.
    """
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        if why := reason(error):
            raise DiskFull(path, why) from error
        raise


def explained(error: BaseException, *folders: Path) -> DiskFull | None:
    """``error`` as a ``DiskFull`` if want of room is behind it, else None.

    Where it does not say what was being written, the likeliest of ``folders`` is named: the one with least free space.
    """
    if isinstance(error, DiskFull) or not (why := reason(error)):
        return error if isinstance(error, DiskFull) else None
    # A failed copy names its source first and its target second.
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    there = [folder for folder in folders if folder.is_dir()] or [Path.cwd()]
    return DiskFull(Path(named) if named else min(there, key=lambda folder: shutil.disk_usage(folder).free), why)
