"""One reader for a file of problems in any known form, for every command that takes one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tracekd.data import custom, load_babi, load_cotempqa, load_marco
from tracekd.data.file_forms import form_of
from tracekd.data.problem import Problem, read_problems
from tracekd.io.records import read_text

FORMS = (
    "CoTempQA JSON lines; bAbI CSV, task text or archive; MS MARCO JSON or parquet; "
    "or your own set (notebooks/OWN_DATA.md)"
)


def read_any(path: str | Path, dataset: str | None = None, tasks: Iterable[str | int] | None = None) -> list[Problem]:
    """Read problems in any of the sets' own file forms, or a custom set; plain or ``.gz``.

    CoTempQA's files name their category by file name (``equal.json``, ``during_test.jsonl``): under another name the
    gold label is unknown and empty. ``problems.load`` makes the splits of whole files.

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
    kind = form.split("-")[0]
    if not form or (dataset and kind not in ("own", dataset)):
        found = f"the form of {kind}" if form else "none of the known forms"
        raise ValueError(f"{path} has {found}{f', not that of {dataset}' if dataset else ''}: expected {FORMS}")
    readers = {
        "cotempqa": lambda: load_cotempqa.read_file(path, None if load_cotempqa.category_of(path)[1] else "test"),
        "babi-csv": lambda: load_babi.read_csv(path, "train" if path.name.startswith("train") else "test", tasks),
        "babi-text": lambda: load_babi.babi_stories({str(path): read_text(path)}, tasks),
        "babi-archive": lambda: load_babi.read_archive(path, tasks),
        "marco": lambda: load_marco.load_file(path),
        "own-written": lambda: read_problems(path),
        "own": lambda: custom.load_own(path),
    }
    if not (problems := readers[form]()):
        raise ValueError(f"{path}: none of its problems can be used, see the lines before: expected at least one")
    return problems
