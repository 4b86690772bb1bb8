"""Files that are whole or not there: JSON lines and tables; hashes; locks; a full disk as one clear error."""

import codecs
import errno
import gzip
import hashlib
import json
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# safetensors gives the system's number in its text; torch.save only says that its archive came out wrong.
SAID = re.compile(
    rf"os error ({'|'.join(map(str, NO_ROOM))})\b|unexpected pos|PytorchStreamWriter failed|iostream error"
)


class DiskFull(OSError):
    """There is no room to write; the message says where, and what to do."""


def disk_full(error: BaseException, path: Path) -> DiskFull | None:
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
        if (full := disk_full(error, path)) and full is not error:
            raise full from error
        raise


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path that takes the name ``path`` on a clean exit, so that nobody reads half a file; else it goes."""
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)  # mkstemp makes private files
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def sha256(source: str | Path | bytes | Mapping | list) -> str:
    """Hex digest of a file or folder (a ``Path``), of bytes, of a string, or of JSON-like data with sorted keys."""
    if isinstance(source, Path) and source.is_dir():
        source = [[path.name, sha256(path)] for path in sorted(source.iterdir()) if path.is_file()]
    if isinstance(source, Path):
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not isinstance(source, bytes):
        text = source if isinstance(source, str) else json.dumps(source, sort_keys=True, ensure_ascii=False)
        source = text.encode()
    return hashlib.sha256(source).hexdigest()


def fingerprint(source: str) -> str:
    """A data source in one string: the word itself, or a hash of the names, sizes and times of its files."""
    path = Path(source)
    if not path.exists():
        return source
    inside = (Path(folder, name) for folder, _, names in os.walk(path, followlinks=True) for name in names)
    files = sorted(file for file in inside if file.is_file()) if path.is_dir() else [path]
    about = [(file, file.stat()) for file in files if not file.name.startswith(".")]
    return sha256([[str(file.relative_to(path)), stat.st_size, stat.st_mtime_ns] for file, stat in about])


CODE = (".py", ".toml", ".csv", ".html", ".jsonl")  # files of the package that may change what it makes
# Data that a run writes into figures/data begin with the notebook's number; recorded data do not.
WRITTEN_BY_RUNS = re.compile(r"\d\d_.*\.csv(\.gz)?")


def hash_of_files(folder: Path, suffixes: tuple[str, ...] = ()) -> str:
    """One hash of the names and contents of all files below ``folder`` with one of ``suffixes`` (default: any)."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not WRITTEN_BY_RUNS.fullmatch(path.name))
    return sha256([[str(p.relative_to(folder)), sha256(p)] for p in files if not suffixes or p.suffix in suffixes])


_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NO_TEXT = (b"PK\x03\x04", b"%PDF", b"PAR1", b"\xd0\xcf\x11\xe0")  # xlsx and zip, PDF, Parquet, old Office
_ESCAPED = re.compile("[\udc80-\udcff]")  # a byte that is no UTF-8, as ``surrogateescape`` reads it


def _lines(path: str | Path) -> Iterator[str]:
    path, number = Path(path), 0
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            start = file.read(4)
        if start.startswith(_NO_TEXT):
            raise ValueError(f"{path} begins with {start!r}, so it is no text file: export JSON lines or CSV in UTF-8")
        encoding = "utf-16" if start.startswith(_MARKS) else "utf-8-sig"
        with opened(path, "rt", encoding=encoding, errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if found := not line.isascii() and _ESCAPED.search(line):
                    byte = ord(found[0]) - 0xDC00
                    raise ValueError(f"{path}, line {number}: byte {byte:#04x} is not UTF-8: save the file as UTF-8")
                yield line
    except (UnicodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}, after line {number}: {error}: the rest of the file cannot be read") from error


def read_text(path: str | Path) -> str:
    """The text of a file (UTF-8, or UTF-16 with its mark; plain or ``.gz``); ValueError where it cannot be decoded."""
    return "".join(_lines(path))


def read_jsonl(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file: see ``numbered_jsonl``."""
    return (row for _, row in numbered_jsonl(path))


def numbered_jsonl(path: str | Path, lines: Iterable[str] = ()) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of a JSON-lines file, plain or ``.gz``, or of its ``lines``; ValueError with file and line."""
    for number, line in enumerate(lines or _lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if "\\u" in line:  # the one way in which half a character gets in, which no file could be written with
                json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise ValueError(f"{path}, line {number}: {half!r} is half of a character (a lone surrogate)") from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}, line {number}: not JSON ({error}): {line[:80]!r}") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {number}: expected a JSON object, found {type(row).__name__}")
        yield number, row


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write ``rows`` as JSON lines in one piece; return how many there were."""
    count = 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def append_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append ``rows`` and push them to the disk; what a kill has left of a line before them is cut off."""
    with writing(Path(path)), Path(path).open("a+b") as file:
        if end := file.tell():
            file.seek(end - 1)
            if file.read() != b"\n":
                file.truncate(Path(path).read_bytes().rfind(b"\n") + 1)
        file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
        file.flush()
        os.fsync(file.fileno())


def recover_jsonl(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a file that a kill may have torn, or to which another process appends: its whole lines."""
    data = Path(path).read_bytes() if Path(path).exists() else b""
    return [row for _, row in numbered_jsonl(path, data[: data.rfind(b"\n") + 1].decode().split("\n"))]


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON in one piece."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(path: str | Path, frame) -> None:
    """Write a ``pandas.DataFrame`` as CSV without its index, in one piece; floats with six significant digits."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


class Busy(RuntimeError):
    """Another process is at work in the same place."""


def waiting(path: Path, timeout: float = -1) -> Any:
    """The lock of ``path`` (a file beside it, ``.NAME.lock``, held with ``with``); it ends with the process."""
    from filelock import FileLock  # `run --check` works before it is installed

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.parent / f".{path.name}.lock", timeout=timeout)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of ``path`` without waiting for it; ``Busy`` where another process holds it."""
    from filelock import Timeout

    try:
        with waiting(path, timeout=0):
            yield
    except Timeout as error:
        raise Busy(
            f"another process is writing {path}: wait for it and run again, which goes on where it stopped; "
            "or work in another folder (TRACEKD_RUNS); shards of one grid must have different numbers"
        ) from error
