"""The authors' released output files, as they lie: read, named, and joined to problem ids by content."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tracekd.forms import read_any
from tracekd.load_babi import babi_problem
from tracekd.load_cotempqa import cotempqa_problem
from tracekd.problems import CATEGORIES, Problem, read_folder

_NAME = re.compile(r"(?P<adapter>.+?)_default(?:_(?P<category>\w+))?\.jsonl(?:\.gz)?$")
_CONDITIONS = (
    ("-sft-adapter-reasoning-facts-perturbed", "incorrect"),
    ("-sft-adapter-reasoning-facts", "correct"),
    ("-sft-adapter", "vanilla"),
)


@dataclass(frozen=True)
class Adapter:
    """What a released file's name says.

    Attributes:
        name: the adapter as the published tables name it.
        student: the base model.
        condition: ``vanilla``, ``correct``, ``incorrect`` or ``prompted``.
        category: the one category of a prompted CoTempQA file, else None.
    """

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
    """The test problems at ``path``, in the authors' file order and with repeated ones kept.

    Args:
        dataset: ``cotempqa``, ``babi`` or ``marco``; None for whatever a file holds, such as a set of one's own.
        path: a folder with the set's files (or with a folder of the set's name), one such file, a file of problems in
            our own JSON-lines form, or a set of one's own.

    Raises:
        FileNotFoundError: there is nothing at ``path``.
        ValueError: no problem of the set is there.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"problems {path}: no such file or folder")
    if path.is_dir():
        if dataset is None:
            raise ValueError(f"problems {path} is a folder: name the data set too (cotempqa, babi or marco)")
        folder = path / dataset if (path / dataset).is_dir() else path
        found = list(_from_folder(dataset, folder))
    else:
        found = _from_file(dataset, path)
    if not found:
        what = f"no test problem{f' of {dataset}' if dataset else ''}"
        raise ValueError(f"problems {path}: {what} found; give the folder or file that holds it")
    return found


test_problems.__test__ = False  # the name is not pytest's


def _from_folder(dataset: str, folder: Path) -> Iterator[Problem]:
    if dataset == "cotempqa":
        rest = []
        for category in CATEGORIES[dataset]:
            if (file := folder / f"{category}_test.jsonl").exists():
                yield from _from_file(dataset, file)
            else:
                rest.append(category)
        if rest:
            yield from (p for p in read_folder(dataset, folder) if p.split == "test" and p.category in rest)
    elif dataset == "babi" and (folder / "test.csv").exists():
        yield from _from_file(dataset, folder / "test.csv")
    elif (folder / f"{dataset}.jsonl").exists():
        yield from _from_file(dataset, folder / f"{dataset}.jsonl")
    else:
        yield from (p for p in read_folder(dataset, folder) if p.split == "test")


def _from_file(dataset: str, path: Path) -> list[Problem]:
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
    """Gives released rows their problem's id: same question, same context; a repeated problem in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Index the test problems by content."""
        self._ids: dict[tuple, list[str]] = defaultdict(list)
        for problem in problems:
            self._ids[problem.question, problem.context].append(problem.id)
        self._used: dict[tuple, int] = defaultdict(int)

    def output(self, row: Mapping, adapter: Adapter, number: int) -> dict:
        """A released row as an output record with ``id``, ``text``, ``student``, ``condition``; source ``released``.

        A row whose content is no problem's keeps the id ``row N``, which no problem has, so it is counted as
        unknown. Raises ValueError where the row is not of the released form.
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
