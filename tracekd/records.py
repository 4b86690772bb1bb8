"""Files that are whole or not there: JSON lines, tables, checksums."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracekd.disk import writing


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on a clean exit it takes the name, on an error it is removed.

    A reader sees the old file or the new one, never half of one. Missing folders are made.

    Raises:
        disk.DiskFull: no room; the message names ``path``.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            # Once more, so that the free space is measured before the temporary file is removed.
            with writing(path):
                yield temporary
                # mkstemp makes private files; what we leave behind is as readable as any other file.
                temporary.chmod(0o644)
                temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def sha256(source: str | Path | bytes | Mapping | list) -> str:
    """Hex digest of a file (given as ``Path``), of bytes, of a string, or of JSON-like data with sorted keys."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not isinstance(source, bytes):
        text = source if isinstance(source, str) else json.dumps(source, sort_keys=True, ensure_ascii=False)
        source = text.encode()
    return hashlib.sha256(source).hexdigest()


def open_text(path: str | Path):
    """Open a plain or ``.gz`` text file for reading, as UTF-8."""
    path = Path(path)
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def read_jsonl(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file, plain or ``.gz``; empty lines are passed over.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: a line is not a JSON object, or the file is damaged; the message names file and line.
    """
    number = 0
    try:
        with open_text(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _object(line, f"{path}, line {number}")
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}, after line {number}: damaged, or not text in UTF-8 ({error}): copy it again"
        ) from None


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: not JSON ({error}): {line[:80]!r}") from None
    if not isinstance(row, dict):
        raise ValueError(f"{place}: expected a JSON object, found {type(row).__name__}")
    return row


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write ``rows`` as JSON lines in one piece; return how many there were."""
    count = 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def append_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append ``rows`` and push them to the disk, so that a kill loses at most what was not yet appended.

    Raises:
        disk.DiskFull: no room; part of a line may be left, which ``recover_jsonl`` cuts off.
    """
    with writing(Path(path)), Path(path).open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        file.flush()
        os.fsync(file.fileno())


def recover_jsonl(path: str | Path) -> list[dict[str, Any]]:
    """Read the whole lines of a file that ``append_jsonl`` may have been killed in, and cut a torn last line off.

    Raises:
        ValueError: a line other than the last does not parse: that is no kill but a damaged file.
    """
    path = Path(path)
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        with replacing(path) as temporary:
            temporary.write_bytes(whole)
    return list(read_jsonl(path))


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON in one piece."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(path: str | Path, frame) -> None:
    """Write a ``pandas.DataFrame`` as CSV without its index, in one piece; floats with six significant digits."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
