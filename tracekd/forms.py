"""Which form a file of problems has, told from its content, and the reader for it: for every command that takes one."""

from __future__ import annotations

import csv
import json
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path

from tracekd import load_babi, load_cotempqa, load_marco
from tracekd.problems import Problem, read_problems
from tracekd.records import open_text, read_text

FORMS = (
    "CoTempQA JSON lines; bAbI CSV, task text or archive; MS MARCO JSON or parquet; "
    "or your own set (notebooks/OWN_DATA.md)"
)
# What to do with a file of a known set where a set of one's own is wanted.
_LAYOUT = (
    "a run needs both splits: put {files} into a folder {dataset}/ and give the folder that holds it (--data FOLDER)"
)
_FILES = {"cotempqa": load_cotempqa.EXPECTED, "babi": load_babi.EXPECTED, "marco": "the JSON-lines or parquet files"}
_FOREIGN = {
    "squad": "SQuAD: convert it with the lines under 'From SQuAD' in notebooks/OWN_DATA.md",
    "hotpotqa": "HotpotQA: convert it with the lines under 'From HotpotQA' in notebooks/OWN_DATA.md",
    "table": "a table, and not that of bAbI (passages, question, query_type, answer_passage, answer): write one JSON "
    "object a line, as in notebooks/OWN_DATA.md",
    "list": "a JSON list: write one JSON object a line (jq -c '.[]' FILE > FILE.jsonl)",
    "spread": "one JSON value over several lines: write one JSON object a line (jq -c . FILE > FILE.jsonl)",
}


def read_any(path: str | Path, dataset: str | None = None, tasks: Iterable[str | int] | None = None) -> list[Problem]:
    """Read problems in any of the sets' own file forms, or a set of one's own; plain or ``.gz``.

    CoTempQA's files name their category only by file name (``equal.json``, ``during_test.jsonl``): under another name
    the gold label is unknown and empty. Files of the known sets are read whole; ``problems.load`` makes the splits.

    Args:
        path: the file.
        dataset: the set that the file must be of.
        tasks: bAbI's tasks, see ``load_babi.tasks_of``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the content has none of the forms, or not that of the named set, or a line is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: give one with problems ({FORMS})")
    form = form_of(path)
    if form in _FOREIGN:
        raise ValueError(f"{path} has the form of {_FOREIGN[form]}")
    kind = form.split("-")[0]
    if not form or (dataset and kind not in ("own", dataset)):
        found = f"the form of {kind}" if form else "none of the known forms"
        raise ValueError(f"{path} has {found}{f', not that of {dataset}' if dataset else ''}: expected {FORMS}")
    found = _read(path, form, tasks)
    if not found:
        raise ValueError(f"{path}: none of its problems can be used, see the lines before: expected at least one")
    return found


def _read(path: Path, form: str, tasks: Iterable[str | int] | None) -> list[Problem]:
    if form == "cotempqa":
        return load_cotempqa.read_file(path, None if load_cotempqa.category_of(path)[1] else "test")
    if form == "babi-csv":
        return load_babi.read_csv(path, "train" if path.name.startswith("train") else "test", tasks)
    if form == "babi-text":
        return load_babi.babi_stories({str(path): read_text(path)}, tasks)
    if form == "babi-archive":
        return load_babi.read_archive(path, tasks)
    if form == "marco":
        return load_marco.load_file(path)
    if form == "own-written":
        return read_problems(path)
    from tracekd.own_set import load_own

    return load_own(path)


def refuse_known(path: Path) -> None:
    """Refuse a file where a set of one's own is wanted and the content is another set's or another form.

    Raises:
        ValueError: what it is and what to do.
    """
    form = form_of(path)
    if form in _FOREIGN:
        raise ValueError(f"{path} has the form of {_FOREIGN[form]}")
    if (kind := form.split("-")[0]) in _FILES:
        raise ValueError(f"{path} is a file of {kind}: {_LAYOUT.format(files=_FILES[kind], dataset=kind)}")


def form_of(path: Path) -> str:
    """The name of a file's form; empty where it is none.

    Raises:
        ValueError: it is no text.
    """
    if path.suffix == ".parquet":
        return "marco"
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return "babi-archive" if tarfile.is_tarfile(path) else ""
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
        value = json.loads(first)
    except (ValueError, RecursionError):
        # A line that is no JSON may be a broken own set, or one value over several lines.
        try:
            value = json.loads(read_text(path))
        except (ValueError, RecursionError):
            return "own"
        form = _value_form(value)
        return form if form in (*_FOREIGN, "marco") else "spread"
    return _value_form(value) or ""


def _value_form(value: object) -> str:
    if isinstance(value, list):
        if value and isinstance(value[0], dict) and {"query", "passages"} <= set(value[0]):
            return "marco"
        inner = _value_form(value[0]) if value and isinstance(value[0], dict) else ""
        return inner if inner in ("squad", "hotpotqa") else "list"
    if not isinstance(value, dict):
        return ""
    keys = set(value)
    if {"query", "passages"} <= keys or {"features", "rows"} <= keys:
        return "marco"
    if {"facts", "triple_element"} <= keys or {"facts", "question", "answer"} <= keys:
        return "cotempqa"
    if {"supporting_facts", "context"} <= keys:
        return "hotpotqa"
    if ("data" in keys and "version" in keys) or isinstance(value.get("answers"), dict):
        return "squad"
    if {"dataset", "meta", "id"} <= keys:
        return "own-written"
    return "own" if ({"question", "context"} & keys and "id" in keys) or "evidence" in keys else ""
