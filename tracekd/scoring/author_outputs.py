"""The authors' released output files, as they lie: read, named, and joined to problem ids by content."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tracekd.data.load_babi import babi_problem
from tracekd.data.load_cotempqa import cotempqa_problem
from tracekd.data.problem import CATEGORIES, Problem
from tracekd.data.problems import read_any, read_folder

_NAME = re.compile(r"(?P<adapter>.+?)_default(?:_(?P<category>\w+))?\.jsonl(?:\.gz)?$")
_CONDITIONS = (
    ("-sft-adapter-reasoning-facts-perturbed", "incorrect"),
    ("-sft-adapter-reasoning-facts", "correct"),
    ("-sft-adapter", "vanilla"),
)


@dataclass(frozen=True)
class Adapter:
    """What a released file's name says: adapter, base model, condition, and a prompted CoTempQA file's one category."""

    name: str
    student: str
    condition: str
    category: str | None


def adapter_of(path: str | Path) -> Adapter:
    """Read adapter, student and condition from a released file's name.

    Raises:
        ValueError: the name is none of the release's forms.
    """
    match = _NAME.match(Path(path).name)
    if not match:
        raise ValueError(f"{Path(path).name!r} is no name of a released file: expected ADAPTER_default.jsonl.gz")
    name, category = match["adapter"], match["category"]
    for ending, condition in _CONDITIONS:
        if name.endswith(ending):
            return Adapter(name, name.removesuffix(ending), condition, category)
    return Adapter(name, name.split("_", 1)[-1], "prompted", category)


def test_problems(dataset: str | None, path: str | Path) -> list[Problem]:
    """The test problems at ``path``, in the authors' file order, repeated ones included.

    Args:
        dataset: ``cotempqa``, ``babi`` or ``marco``; None for whatever a file holds, such as a custom set.
        path: a folder with the set's files (or a folder of the set's name in it), or one file of any known form.

    Raises:
        FileNotFoundError: there is nothing at ``path``.
        ValueError: no problem of the set is there.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"problems {path}: no such file or folder")
    if not path.is_dir():
        found = _from_file(dataset, path)
    elif dataset is None:
        raise ValueError(f"problems {path} is a folder: name the data set too (cotempqa, babi or marco)")
    else:
        found = _from_folder(dataset, path / dataset if (path / dataset).is_dir() else path)
    if not found:
        what = f"no test problem{f' of {dataset}' if dataset else ''}"
        raise ValueError(f"problems {path}: {what} found; give the folder or file that holds it")
    return found


test_problems.__test__ = False  # the name is not pytest's


def _from_folder(dataset: str, folder: Path) -> list[Problem]:
    """From the release's own test files where they are there, which have the authors' order; else by our reader."""
    if dataset == "cotempqa":
        files = {c: folder / f"{c}_test.jsonl" for c in CATEGORIES[dataset]}
        found = [p for file in files.values() if file.exists() for p in _from_file(dataset, file)]
        rest = {c for c, file in files.items() if not file.exists()}
        ours = read_folder(dataset, folder) if rest else []
        return found + [p for p in ours if p.split == "test" and p.category in rest]
    for name in ("test.csv",) * (dataset == "babi") + (f"{dataset}.jsonl",):
        if (folder / name).exists():
            return _from_file(dataset, folder / name)
    return [p for p in read_folder(dataset, folder) if p.split == "test"]


def _from_file(dataset: str | None, path: Path) -> list[Problem]:
    return [p for p in read_any(path) if p.split == "test" and dataset in (None, p.dataset)]


def is_released(row: Mapping) -> bool:
    """Whether a record has the released files' form (``prediction`` and ``question``, no ``id``)."""
    return "prediction" in row and "question" in row and "id" not in row


def problem_of(row: Mapping, dataset: str, number: int) -> Problem:
    """A released row's own question as a Problem, for rows that ask none of the test problems; id ``.../row-N``."""
    if dataset == "cotempqa":
        fields = {**row, "facts": _list(row["facts"]), "answer": _list(row["gold"])}
        problem = cotempqa_problem(fields, row["category"], 0, "test")
    else:
        fields = {**row, "passages": repr(_list(row["passage"])), "answer": row["gold"]}
        problem = babi_problem(fields, 0, "test")
    return replace(problem, id=f"{dataset}/{problem.category}/row-{number:04d}")


def _list(value: str | list) -> list:
    return ast.literal_eval(value) if isinstance(value, str) else list(value)


class Joiner:
    """Gives released rows their problem's id by question and context; a repeated problem in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Index the test problems by content."""
        self._ids: dict[tuple, list[str]] = defaultdict(list)
        for problem in problems:
            self._ids[problem.question, problem.context].append(problem.id)
        self._used: dict[tuple, int] = defaultdict(int)

    def output(self, row: Mapping, adapter: Adapter, number: int) -> dict:
        """A released row as an output record with ``id``, ``text``, ``student``, ``condition``.

        A row that asks no test problem has the id ``row N``, so that it is counted as unknown.

        Raises:
            ValueError: the row has not the released form.
        """
        if not isinstance(row.get("prediction"), str) or not isinstance(row.get("question"), str):
            raise ValueError(f"row {number}: no 'prediction' and 'question' strings")
        context = row.get("facts", row.get("passage"))
        key = (row["question"], tuple(_list(context)))
        ids = self._ids.get(key, ())
        # One output more than the problem has copies is a duplicate: it gets the last id again.
        place = min(self._used[key], len(ids) - 1)
        self._used[key] += 1
        return {
            "id": ids[place] if ids else f"row {number}",
            "text": row["prediction"],
            "finished": True,
            "student": adapter.student,
            "condition": adapter.condition,
            "source": "released",
        }
