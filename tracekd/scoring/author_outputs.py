"""Outputs files, ours or the authors' released ones: test problems beside them, and outputs joined to these."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tracekd.data.load_babi import babi_problem
from tracekd.data.load_cotempqa import cotempqa_problem
from tracekd.data.problem import CATEGORIES, Problem
from tracekd.data.problems import read_any, read_folder
from tracekd.io.records import read_jsonl

_NAME = re.compile(r"(.+?)_default(?:_(\w+))?\.jsonl(?:\.gz)?$")
_CONDITIONS = {
    "-sft-adapter-reasoning-facts-perturbed": "incorrect",
    "-sft-adapter-reasoning-facts": "correct",
    "-sft-adapter": "vanilla",
}


class Adapter(NamedTuple):
    """What a released file's name says: adapter, base model, condition, and a prompted CoTempQA file's one category."""

    name: str
    student: str
    condition: str
    category: str | None


def adapter_of(path: str | Path) -> Adapter | None:
    """Read adapter, student and condition from a released file's name; None for other names."""
    if not (match := _NAME.match(Path(path).name)):
        return None
    name, category = match.groups()
    for ending, condition in _CONDITIONS.items():
        if name.endswith(ending):
            return Adapter(name, name.removesuffix(ending), condition, category)
    return Adapter(name, name.split("_", 1)[-1], "prompted", category)


def test_problems(dataset: str | None, path: str | Path) -> list[Problem]:
    """The test problems at ``path``, in the authors' file order, repeated ones included; ValueError if there are none.

    ``path`` is a folder with the set's files (or a folder of the set's name in it), or one file of any known form.
    ``dataset`` None takes whatever a file holds, such as a custom set.
    """
    path = Path(path)
    if path.is_dir() and dataset is None:
        raise ValueError(f"problems {path} is a folder: name the data set too (cotempqa, babi or marco)")
    if path.is_dir():
        folder = path / dataset if (path / dataset).is_dir() else path
        # The release's own test files have the authors' order.
        names = [f"{c}_test.jsonl" for c in CATEGORIES[dataset]] if dataset == "cotempqa" else ["test.csv"]
        whole = dataset != "marco" and all((folder / name).exists() for name in names)
        problems = [p for n in names for p in read_any(folder / n)] if whole else read_folder(dataset, folder)
    else:
        problems = read_any(path)
    found = [p for p in problems if p.split == "test" and dataset in (None, p.dataset)]
    if not found:
        raise ValueError(f"problems {path}: no test problem of {dataset or 'any set'}; give the file that holds it")
    return found


test_problems.__test__ = False  # the name is not pytest's


def read(path: str | Path, problems: Mapping[str, Problem]) -> Iterator[dict]:
    """Yield a file's outputs as records with ``id`` and ``text``.

    Ours are yielded as they are; a problem of a custom set may be named by its id in the custom file, without set and
    category. A released row gets its problem's id by question and context, a repeated problem in file order, and
    ``problem``. One that asks none of ``problems`` has its own question as ``problem``, with an id ``.../row-N``.
    ValueError, with file and line: no JSON object, or a released row that lacks a field.
    """
    short = {p.id.removeprefix(f"{p.dataset}/{p.category}/"): p.id for p in problems.values()}
    asked: dict[tuple, list[Problem]] = defaultdict(list)
    for problem in problems.values():
        asked[problem.question, problem.context].append(problem)
    used: Counter = Counter()
    for number, row in enumerate(read_jsonl(path), 1):
        if "id" in row or not {"prediction", "question"} <= set(row):
            key = row.get("id")
            yield {**row, "id": short.get(key, key)} if isinstance(key, str) and key not in problems else row
            continue
        try:
            temporal = "facts" in row
            key = row["question"], tuple(row["facts"] if temporal else ast.literal_eval(row["passage"]))
            if not (copies := asked.get(key)):
                made = {**row, "answer": row["gold"], "passages": row.get("passage")}
                own = cotempqa_problem(made, row["category"], 0, "test") if temporal else babi_problem(made, 0, "test")
                copies = [replace(own, id=f"{own.dataset}/{own.category}/row-{number:04d}")]
        except (KeyError, TypeError, ValueError, SyntaxError) as error:
            raise ValueError(f"{path}, row {number}: {error!r}; expected the fields of a released file") from error
        # One output more than the problem has copies is a duplicate: it gets the last id again.
        problem = copies[min(used[key], len(copies) - 1)]
        used[key] += 1
        yield {"id": problem.id, "text": row["prediction"], "problem": problem}
