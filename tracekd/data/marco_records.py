"""Records of MS MARCO QA, releases v1.1 and v2.1, in all their file forms: read and checked field by field.

The forms, plain or ``.gz``: JSON lines, parquet, the official download (one JSON object of columns keyed by row
number, passages as a list of objects) and pages of the datasets server.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tracekd.data.problem import CATEGORIES
from tracekd.io.records import numbered_jsonl, open_text, read_text

NO_ANSWER = "No Answer Present."


class Row(NamedTuple):
    """One checked record. ``answers`` is None where the labels are hidden, empty where nothing answers."""

    place: str
    query_id: str | None
    query_type: str
    query: str
    context: tuple[str, ...]
    selected: tuple[int, ...]
    answers: tuple[str, ...] | None


def read(path: Path) -> Iterator[tuple[str, Any]]:
    """The records of one file as they are, each with its place: file and line or row.

    Raises:
        ValueError: not JSON, not parquet, or not one of the known forms.
    """
    try:
        if path.suffix == ".parquet":
            yield from _parquet(path)
            return
        for place, value in _values(path):
            yield from _records(place, value)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not a whole file of its kind ({type(error).__name__}: {error})") from error


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        batches = pyarrow.parquet.ParquetFile(path).iter_batches(1000)
        rows = (row for batch in batches for row in batch.to_pylist())
        yield from ((f"{path}, row {number}", row) for number, row in enumerate(rows))
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path}: not a whole parquet file ({error})") from error


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    """The JSON values of a file: one per line where the first line is an object, else the whole file."""
    with open_text(path) as file:
        first = next((line for line in file if line.strip("\ufeff \t\r\n")), "").lstrip("\ufeff")
    try:
        by_line = not first or isinstance(json.loads(first), dict)
    except ValueError:
        by_line = False
    if by_line:
        yield from ((f"{path}, line {number}", row) for number, row in numbered_jsonl(path))
        return
    try:
        value = json.loads(read_text(path))
    except ValueError as error:  # also a number of thousands of digits
        raise ValueError(f"{path}: not JSON ({error})") from error
    yield str(path), value


def _records(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The records in one JSON value: itself, a list of them, a page of the datasets server, or columns."""
    if isinstance(value, list):
        yield from ((f"{place}, item {i}", item) for i, item in enumerate(value))
    elif isinstance(value, dict) and isinstance(value.get("rows"), list):
        for i, item in enumerate(value["rows"]):
            yield f"{place}, row {i}", item.get("row") if isinstance(item, dict) else item
    elif isinstance(value, dict) and isinstance(value.get("query"), dict):
        for key in value["query"]:
            lacking = [name for name, column in value.items() if not isinstance(column, dict) or key not in column]
            if lacking:
                raise _wrong(f"{place}, row {key}", lacking[0], None, "a value in every column, as in 'query'")
            yield f"{place}, row {key}", {name: column[key] for name, column in value.items()}
    else:
        yield place, value


def check_row(raw: Any, place: str) -> Row:
    """One record, checked field by field.

    Raises:
        ValueError: a field is missing or has another type; the message names place, field, value and expectation.
    """
    if not isinstance(raw, dict):
        raise _wrong(place, "record", raw, "an object with query, query_type, passages and answers")
    query = _text(place, "query", raw.get("query"))
    if not query.strip():
        raise _wrong(place, "query", query, "a text that is not empty")
    label, number = raw.get("query_type"), raw.get("query_id")
    if not isinstance(label, str) or label.strip().upper() not in CATEGORIES["marco"]:
        raise _wrong(place, "query_type", label, f"one of {', '.join(CATEGORIES['marco'])}, in capitals or not")
    if number is not None and (isinstance(number, bool) or not re.fullmatch(r"[\w-]{1,40}", str(number), re.ASCII)):
        raise _wrong(place, "query_id", number, "a whole number")
    number = None if number is None else str(number)
    context, flags = _passages(place, raw.get("passages"), hidden=raw.get("answers") is None)
    answers = _answers(place, raw.get("answers"))
    if all(flag < 0 for flag in flags):
        answers = None
    selected = tuple(i for i, flag in enumerate(flags) if flag > 0)
    return Row(place, number, label.strip().upper(), query, context, selected, answers)


def _passages(place: str, value: Any, hidden: bool) -> tuple[tuple[str, ...], list[int]]:
    """Passage texts and their ``is_selected`` (1, 0, or -1 where hidden), from either form."""
    if isinstance(value, list) and all(isinstance(passage, dict) for passage in value):
        value = {name: [p.get(name) for p in value] for name in ("passage_text", "is_selected")}
    if not isinstance(value, dict):
        raise _wrong(place, "passages", value, "lists passage_text and is_selected, or a list of objects with both")
    texts, flags = value.get("passage_text"), value.get("is_selected")
    if not isinstance(texts, list) or not texts:
        raise _wrong(place, "passages.passage_text", texts, "a list of one or more texts")
    context = tuple(_text(place, f"passages.passage_text[{i}]", text) for i, text in enumerate(texts))
    if hidden and (flags is None or flags == [None] * len(texts)):
        flags = [-1] * len(texts)
    if not isinstance(flags, list) or len(flags) != len(texts) or any(flag not in (-1, 0, 1) for flag in flags):
        raise _wrong(place, "passages.is_selected", flags, f"a list of {len(texts)} flags, each 0, 1 or -1 (hidden)")
    return context, [int(flag) for flag in flags]


def _answers(place: str, value: Any) -> tuple[str, ...] | None:
    """The different answers; nothing for v1.1's empty list and v2.1's "No Answer Present."; None where hidden."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise _wrong(place, "answers", value, "a list of texts, empty where nothing answers")
    texts = [_text(place, f"answers[{i}]", text).strip() for i, text in enumerate(value)]
    return tuple(dict.fromkeys(text for text in texts if text and text.rstrip(".") != NO_ANSWER.rstrip(".")))


def _text(place: str, field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(place, field, value, "a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _wrong(place, field, ascii(value), "a text without lone surrogates") from error
    return value


def _wrong(place: str, field: str, value: Any, expected: str) -> ValueError:
    found = "missing or null" if value is None else repr(value)[:80]
    return ValueError(f"{place}: field {field!r} is {found}, expected {expected}")
