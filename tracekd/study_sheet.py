"""Read a table as survey tools and spreadsheets write it: any common encoding and separator, or .xlsx; nothing guessed.

Told from the content, not from the file's name: UTF-8 (with or without a byte-order mark), UTF-16, else cp1252;
comma, semicolon, tab or bar, whichever cuts the header into most columns; an .xlsx workbook by its first bytes.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import pandas as pd

SEPARATORS = ",;\t|"
SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".json")


def decoded(path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 or cp1252.

    Raises:
        ValueError: the bytes are text in none of the three.
    """
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in data[:200]:
        encodings = ["utf-16-be" if data[:1] == b"\0" else "utf-16-le"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as found:
            error = found
            continue
        if "\0" not in text:
            return text
        raise ValueError(f"{path.name}: holds zero bytes, so it is no text: save it as CSV in UTF-8")
    line = data[: error.start].count(b"\n") + 1
    raise ValueError(
        f"{path.name}, line {line}: byte {data[error.start]:#04x} is neither UTF-8, UTF-16 nor cp1252: save the file "
        "as CSV in UTF-8"
    )


def table(path: Path) -> pd.DataFrame:
    """The cells of a table as stripped text, below its header, with ``file`` and ``line`` (from 1 for the header).

    Empty lines are passed over. ``line`` is where a record begins, which may go over several lines.

    Raises:
        ValueError: not text and not .xlsx, an empty file, a column named twice, or a row of another length.
    """
    start = path.read_bytes()[:8]
    if start.startswith(b"PK\x03\x04"):
        records = _workbook(path)
    elif start.startswith((b"\xd0\xcf\x11\xe0", b"$FL2", b"\x1f\x8b")):
        raise ValueError(f"{path.name}: .xls, .sav and .gz files are not read: save it as .xlsx or as CSV in UTF-8")
    else:
        records = _delimited(path)
    if not records:
        raise ValueError(f"{path.name}: the file is empty; a header line with the names of the columns is expected")
    (top, header), *body = records
    while header and not header[-1]:
        header.pop()
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise ValueError(f"{path.name}, line {top}: column {twice[0]!r} stands twice: rename one of the two")
    names = [name or f"column {i}" for i, name in enumerate(header, start=1)]
    rows = []
    for line, cells in body:
        if len(cells) < len(names) or any(cells[len(names) :]):
            raise ValueError(
                f"{path.name}, line {line}: {len(cells)} cells, the header has {len(names)}: put values that hold a "
                "separator or a line break in quotation marks"
            )
        rows.append([path.name, line, *cells[: len(names)]])
    clash = [name for name in names if name in ("file", "line")]
    names = [f"{name} (given)" if name in clash else name for name in names]
    return pd.DataFrame(rows, columns=["file", "line", *names])


def _delimited(path: Path) -> list[tuple[int, list[str]]]:
    text = decoded(path)
    said = re.match(r'"?sep=([,;\t|])"?[ \t]*\r?\n', text)  # a line for spreadsheets, before the header
    body = text[said.end() :] if said else text
    first = next((line for line in body.splitlines() if line.strip()), "")
    separator = (
        said[1] if said else max(SEPARATORS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
    )
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True)
    records, top = [], 1 + bool(said)
    line = top
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((line, [cell.strip() for cell in cells]))
            line = top + reader.line_num
    except csv.Error as error:
        raise ValueError(f"{path.name}, line {line}: {error}: mend the quotation marks of this line") from None
    return records


def _workbook(path: Path) -> list[tuple[int, list[str]]]:
    """The first sheet that is not empty."""
    try:
        import openpyxl
    except ImportError:
        raise ValueError(
            f"{path.name}: .xlsx needs the package openpyxl: pip install openpyxl, or save the sheet as CSV"
        ) from None
    try:
        book = openpyxl.load_workbook(io.BytesIO(path.read_bytes()), read_only=True, data_only=True)
        for sheet in book.worksheets:
            rows = [
                (line, [_cell(value) for value in row])
                for line, row in enumerate(sheet.iter_rows(values_only=True), start=1)
            ]
            if rows := [(line, cells) for line, cells in rows if any(cells)]:
                width = max(len(cells) for _, cells in rows)
                return [(line, cells + [""] * (width - len(cells))) for line, cells in rows]
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, AttributeError, TypeError) as error:
        raise ValueError(f"{path.name}: not a workbook that can be read ({error}): save the sheet as CSV") from None
    return []


def _cell(value) -> str:
    if value is None:
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
