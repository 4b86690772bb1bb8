"""A full disk: one clear error, in whatever way a library reports it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# safetensors gives the system's number in its text; torch.save only says that its archive came out wrong.
SAID = re.compile(
    rf"os error ({'|'.join(map(str, NO_ROOM))})\b|unexpected pos|PytorchStreamWriter failed|iostream error"
)


class DiskFull(OSError):
    """There is no room to write; the message says where, and what to do."""


def explained(error: BaseException, path: Path) -> DiskFull | None:
    """``error`` as a ``DiskFull`` at ``path``, if want of room is behind it or behind an error that it came from."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, DiskFull):
        if getattr(found, "errno", None) in NO_ROOM or SAID.search(str(found)):
            return DiskFull(
                f"cannot write {path}: no room on the disk, or a limit is reached ({found}). What was finished before "
                "stays. Make room, then run the same command again: it goes on from there."
            )
        found = found.__cause__ or found.__context__
    return found


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn want of room for ``path`` (a file or folder) into ``DiskFull``; other errors pass through unchanged."""
    try:
        yield
    except Exception as error:
        if (full := explained(error, path)) and full is not error:
            raise full from error
        raise
