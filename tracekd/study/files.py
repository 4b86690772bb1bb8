"""Read rating files into the long format, every value as text.

Three kinds are told apart by their columns: the survey page's own export (CSV or JSON, one file per participant or a
folder of them), long tables, and wide ones as Qualtrics writes them: one row per response, columns
``[PROBLEM__]TRACE_TYPE__ITEM`` (``seconds`` or ``order`` in the item's place), and ``check_K`` for attention checks.

A table may be .xlsx or text in UTF-8, UTF-16 or cp1252, separated by comma, semicolon, tab or bar.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from pathlib import Path

import pandas as pd

from tracekd.study.ratings import COLUMNS, POINTS, SCALES, TRACE_TYPES, scale_of

SEPARATORS = ",;\t|"
SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".json")
REQUIRED = ("participant", "trace_type", "item", "rating")
WORDS = tomllib.loads(Path(__file__).with_name("study_words.toml").read_text(encoding="utf-8"))


def read(path: str | Path) -> pd.DataFrame:
    """Read a ratings file, or every table and JSON file of a folder, as it is.

    Returns:
        The columns of the long format, the file's other columns, ``file``, ``line``, ``column`` (of a wide table) and
        ``response`` (which of the file's responses an answer belongs to; "" where a long table does not say).

    Raises:
        ValueError: no such file, an empty folder, columns of no known kind, or no table (see ``table``).
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith((".", "~")))
        if not files:
            raise ValueError(f"no {', '.join(SUFFIXES)} file in {path.name}/: give the folder with the exported files")
        return pd.concat([read(file) for file in files], ignore_index=True).fillna("")
    if not path.is_file():
        raise ValueError(f"no ratings file {path}: give a table or JSON file, or a folder of them")
    if path.suffix.lower() == ".json":
        return _read_json(path)
    frame = table(path)
    if set(REQUIRED) <= {c.lower() for c in frame.columns}:
        long = frame.rename(columns={c: c.lower() for c in frame.columns if c.lower() in COLUMNS})
        if long.columns.has_duplicates:
            raise ValueError(f"{path.name}: a column of the long format occurs twice, in small and capital letters")
        return long
    if any(_wide_name(c) for c in frame.columns):
        return _melt(frame, path.name)
    raise ValueError(
        f"{path.name}: columns {', '.join(frame.columns[2:12])} fit no known kind; expected the long columns "
        f"{', '.join(REQUIRED)} or wide ones such as r1__predictable"
    )


def table(path: Path) -> pd.DataFrame:
    """The cells of a table as stripped text, without empty lines, with ``file`` and ``line`` (where a record begins).

    Raises:
        ValueError: not text and not .xlsx, an empty file, a column named twice, or a row of another length.
    """
    start = path.read_bytes()[:8]
    if start.startswith((b"\xd0\xcf\x11\xe0", b"$FL2", b"\x1f\x8b")):
        raise ValueError(f"{path.name}: .xls, .sav and .gz files are not read: save it as .xlsx or as CSV in UTF-8")
    records = _workbook(path) if start.startswith(b"PK\x03\x04") else _delimited(path)
    records = [(line, cells) for line, cells in records if any(cells)]
    if not records:
        raise ValueError(f"{path.name}: the file is empty; expected a header line with the names of the columns")
    (top, header), *body = records
    while not header[-1]:
        header.pop()
    if twice := [name for name in header if name and header.count(name) > 1]:
        raise ValueError(f"{path.name}, line {top}: column {twice[0]!r} occurs twice: rename one of the two")
    names = [name or f"column {i}" for i, name in enumerate(header, start=1)]
    for line, cells in body:
        if len(cells) < len(names) or any(cells[len(names) :]):
            raise ValueError(
                f"{path.name}, line {line}: {len(cells)} cells, the header has {len(names)}: put values that hold a "
                "separator or a line break in quotation marks"
            )
    rows = [[path.name, line, *cells[: len(names)]] for line, cells in body]
    names = [f"{name} (given)" if name in ("file", "line") else name for name in names]
    return pd.DataFrame(rows, columns=["file", "line", *names])


def _text(path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 or cp1252."""
    data, at = path.read_bytes(), 0
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in data[:200]:
        encodings = ["utf-16-be" if data[:1] == b"\0" else "utf-16-le"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            at = error.start
            continue
        if "\0" not in text:
            return text
        at = data.index(b"\0")
    line = data[:at].count(b"\n") + 1
    raise ValueError(
        f"{path.name}, line {line}: byte {data[at]:#04x} is neither UTF-8, UTF-16 nor cp1252 "
        "text: save the file as CSV in UTF-8"
    )


def _delimited(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of each record, by the separator that cuts the header into most columns."""
    text = _text(path)
    said = re.match(r'"?sep=([,;\t|])"?[ \t]*\r?\n', text)  # a line for spreadsheets, before the header
    body, top = (text[said.end() :], 2) if said else (text, 1)
    first = next((line for line in body.splitlines() if line.strip()), "")
    best = max(SEPARATORS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=said[1] if said else best, strict=True)
    records, line = [], top
    try:
        for cells in reader:
            records.append((line, [cell.strip() for cell in cells]))
            line = top + reader.line_num
    except csv.Error as error:
        raise ValueError(f"{path.name}, line {line}: {error}: mend the quotation marks of this line") from None
    return records


def _workbook(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of each row of the first sheet that is not empty."""
    try:
        sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=str, na_filter=False, engine="openpyxl")
    except ImportError:
        raise ValueError(
            f"{path.name}: .xlsx needs the package openpyxl: pip install openpyxl, or save the sheet as CSV"
        ) from None
    except Exception as error:  # a damaged workbook fails in openpyxl, zipfile or an XML parser
        raise ValueError(f"{path.name}: not a workbook that can be read ({error}): save the sheet as CSV") from None
    filled = next((sheet for sheet in sheets.values() if sheet.ne("").any(axis=None)), pd.DataFrame())
    return [(line, [cell.strip() for cell in row]) for line, row in enumerate(filled.itertuples(index=False), start=1)]


def _read_json(path: Path) -> pd.DataFrame:
    try:
        content = json.loads(_text(path))
        exports = content if isinstance(content, list) else [content]
        rows = [{**row, "response": str(i)} for i, export in enumerate(exports) for row in export["ratings"]]
    except (json.JSONDecodeError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path.name}: no export of the survey page ({error!r}); expected a list 'ratings'") from None
    frame = pd.DataFrame(rows).astype(object)
    frame = frame.where(frame.notna(), "").astype(str).drop(columns=["file", "line"], errors="ignore")
    if missing := [name for name in REQUIRED if name not in frame.columns]:
        raise ValueError(f"{path.name}: no rating has a {missing[0]!r}; each has {', '.join(REQUIRED)}")
    frame.insert(0, "line", range(1, len(frame) + 1))
    frame.insert(0, "file", path.name)
    return frame


def trace_name(text: str) -> str:
    """A trace type's name as ``TRACE_TYPES`` spells it, where it is a spelling of one; else as given."""
    plain = re.sub(r"[\s-]+", "_", text.strip().lower())
    return WORDS["spellings"].get(plain, plain)


def _wide_name(column: str) -> tuple[str, str, str] | None:
    """``(problem, trace type, item)`` of a wide column, or None."""
    *problem, kind, item = ["", *column.split("__")] if "__" in column else ["", "", column]
    item = item.strip().lower()
    if re.fullmatch(r"check_\d+", item) or (
        trace_name(kind) in TRACE_TYPES and (item in scale_of() or item in ("seconds", "order"))
    ):
        return "__".join(p for p in problem if p), kind, item
    return None


def _headers(frame: pd.DataFrame) -> int:
    """How many rows below the names of the columns are headers too: Qualtrics' texts of the questions and its ids."""
    for i, row in enumerate(frame.iloc[:2].drop(columns=["file", "line"]).itertuples(index=False)):
        if any(re.match(r"\{\s*['\"]?ImportId", cell) for cell in row):
            return i + 1
    first = {str(cell).lower() for cell in frame.iloc[0]} if len(frame) else set()
    return int(bool(first & {"start date", "response type", "response id"}))


def _melt(frame: pd.DataFrame, file: str) -> pd.DataFrame:
    """Wide to long; what belongs to a whole trace (order, page seconds) goes to each of its answers."""
    frame = frame.iloc[_headers(frame) :]
    lower = {c.lower(): c for c in frame.columns}
    known = [lower[name] for name in WORDS["participant"] if name in lower]
    names = {c: name for c in frame.columns if (name := _wide_name(c))}
    rated = [c for c, (_, _, item) in names.items() if item not in ("seconds", "order")]
    if not known or not rated:
        lack = f"no participant column; expected one of {', '.join(WORDS['participant'])}"
        raise ValueError(f"{file}: {lack if rated else 'no column with ratings; expected such as r1__predictable'}")
    who = next((c for c in known if frame[c].ne("").mean() >= 0.5), known[0])
    more = frame[[c for c in frame.columns if c not in names and c != who and c not in COLUMNS]]
    blocks = []
    for column in rated:
        problem, kind, item = names[column]
        page = {names[c][2]: c for c in names if names[c][:2] == (problem, kind)}
        seconds, shared = page.get("seconds"), sum(names[c][:2] == (problem, kind) for c in rated)
        if seconds is None:
            seconds, shared = lower.get("duration (in seconds)"), len(rated)
        block = more.assign(participant=frame[who], problem=problem, trace_type=kind, item=item, column=column)
        block = block.assign(rating=frame[column], response=frame["line"].astype(str))
        block["order"] = frame[page["order"]] if "order" in page else ""
        if seconds is not None:  # of the page, or of all pages: shared equally among its answers
            given = frame[seconds].map(lambda text: text.replace(",", ".") if isinstance(text, str) else text)
            block["seconds"] = (pd.to_numeric(given, errors="coerce") / shared).astype(object).fillna(given)
        blocks.append(block)
    return pd.concat(blocks, ignore_index=True)


def read_scale(text: str) -> dict[str, tuple[float, float]]:
    """Lowest and highest number of the two scales, from ``1-7`` or ``interpretability=1-5,cognitive_load=0-20``.

    Raises:
        ValueError: another form, an unknown scale, or a lowest number that is not below the highest.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, numbers = part.rpartition("=")
        match = re.fullmatch(r"(-?\d+)\s*(?:-|to|\.\.)\s*(-?\d+)", numbers.strip())
        if not match or int(match[1]) >= int(match[2]) or (equals and name.strip() not in SCALES):
            raise ValueError(
                f"scale {part!r}: expected its lowest and highest number, such as 1-7, or one of "
                f"{', '.join(SCALES)} before them, such as cognitive_load=0-20"
            )
        found |= dict.fromkeys([name.strip()] if equals else SCALES, (float(match[1]), float(match[2])))
    return found


def read_labels(path: str | Path) -> dict[str, float | None]:
    """Lower-cased answer to its point, from a table with the columns ``label`` and ``point`` (empty: no answer).

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing, a label occurs twice, or a point is not a number from 1 to 5.
    """
    if not path:
        return {}
    if not Path(path).is_file():
        raise FileNotFoundError(f"labels {path}: no such file; expected a CSV file with the columns label and point")
    rows, found = table(Path(path)), {}
    if missing := [name for name in ("label", "point") if name not in rows.columns]:
        raise ValueError(f"{Path(path).name}: no column {missing[0]!r}; expected the columns label and point")
    for row in rows.itertuples():
        point = pd.to_numeric(row.point.replace(",", "."), errors="coerce")
        if row.label.lower() in found or (row.point and not POINTS[0] <= point <= POINTS[-1]):
            raise ValueError(
                f"{row.file}, line {row.line}: label {row.label!r}, point {row.point!r}: each label once, with a point "
                "from 1 to 5, or an empty one for no answer"
            )
        found[row.label.lower()] = float(point) if row.point else None
    return found
