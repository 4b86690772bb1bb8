"""Tell from its content which form a file of problems has."""

from __future__ import annotations

import csv
import json
import re
import tarfile
from pathlib import Path

from tracekd.data import load_babi, load_cotempqa
from tracekd.io.records import open_text, read_text

_FILES = {"cotempqa": load_cotempqa.EXPECTED, "babi": load_babi.EXPECTED, "marco": "the JSON-lines or parquet files"}
_FOREIGN = {
    "squad": "SQuAD: convert it with the lines under 'From SQuAD' in notebooks/OWN_DATA.md",
    "hotpotqa": "HotpotQA: convert it with the lines under 'From HotpotQA' in notebooks/OWN_DATA.md",
    "table": "a table, and not that of bAbI: write one JSON object a line, as in notebooks/OWN_DATA.md",
    "list": "a JSON list: write one JSON object a line (jq -c '.[]' FILE > FILE.jsonl)",
    "spread": "one JSON value over several lines: write one JSON object a line (jq -c . FILE > FILE.jsonl)",
}


def form_of(path: Path) -> str:
    """``cotempqa``, ``babi-csv``, ``babi-text``, ``babi-archive``, ``marco``, ``own``, ``own-written``, or "" for none.

    Raises:
        ValueError: it is no text, or has the form of another known set, with the way to convert it.
    """
    if path.suffix == ".parquet":
        return "marco"
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return "babi-archive" if tarfile.is_tarfile(path) else ""
    form = _text_form(path)
    if form in _FOREIGN:
        raise ValueError(f"{path} has the form of {_FOREIGN[form]}")
    return form


def refuse_known(path: Path) -> None:
    """Raise a ``ValueError`` where a custom set is wanted and the file belongs to a known set."""
    if (kind := form_of(path).split("-")[0]) in _FILES:
        raise ValueError(
            f"{path} is a file of {kind}: a run needs both splits: put {_FILES[kind]} into a folder {kind}/ and give "
            "the folder that holds it (--data FOLDER)"
        )


def _text_form(path: Path) -> str:
    with open_text(path) as file:
        try:
            first = next((line for line in file if line.strip("\ufeff \t\r\n")), "").lstrip("\ufeff")
        except (UnicodeError, EOFError, OSError):
            read_text(path)  # names the line
            raise
    if first.lstrip()[:1] in ("{", "["):
        return _json_form(path, first)
    if re.match(r"1\s+\S", first):
        return "babi-text"
    columns = [next(csv.reader([first], delimiter=d), []) for d in ",;\t"]
    if any({"passages", "query_type", "answer_passage"} <= set(names) for names in columns):
        return "babi-csv"
    return "table" if {".csv", ".tsv"} & set(path.suffixes) else ""


def _json_form(path: Path, first: str) -> str:
    try:
        return _value_form(json.loads(first))
    except (ValueError, RecursionError):
        # A line that is no JSON may be a broken custom set, or one value over several lines.
        try:
            form = _value_form(json.loads(read_text(path)))
        except (ValueError, RecursionError):
            return "own"
        return form if form in (*_FOREIGN, "marco") else "spread"


def _value_form(value: object) -> str:
    if isinstance(value, list):
        inner = _value_form(value[0]) if value and isinstance(value[0], dict) else ""
        return inner if inner in ("squad", "hotpotqa") or (inner == "marco" and "query" in value[0]) else "list"
    if not isinstance(value, dict):
        return ""
    keys = set(value)
    if {"query", "passages"} <= keys or {"features", "rows"} <= keys:
        return "marco"
    if {"facts", "triple_element"} <= keys or {"facts", "question", "answer"} <= keys:
        return "cotempqa"
    if {"supporting_facts", "context"} <= keys:
        return "hotpotqa"
    if {"data", "version"} <= keys or isinstance(value.get("answers"), dict):
        return "squad"
    if {"dataset", "meta", "id"} <= keys:
        return "own-written"
    return "own" if ({"question", "context"} & keys and "id" in keys) or "evidence" in keys else ""
