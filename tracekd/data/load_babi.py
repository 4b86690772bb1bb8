"""bAbI's files: the authors' CSVs, and bAbI's own task files in their archive."""

from __future__ import annotations

import ast
import csv
import io
import logging
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tracekd.data.problem import CATEGORIES, DataUnavailable, Problem, at, check_fields
from tracekd.io.records import read_text

log = logging.getLogger(__name__)
# The paper's 11 of the archive's 20 tasks, by number.
TASKS = dict(zip((1, 2, 4, 7, 8, 12, 14, 15, 16, 17, 18), CATEGORIES["babi"], strict=True))
EXPECTED = "train.csv and test.csv, or tasks_1-20_v1-2.tar.gz"
COLUMNS = ("passages", "question", "query_type", "answer_passage", "answer")
_TASK_FILE = re.compile(r"qa(\d+)_[\w-]+_(train|test)\.txt")
# A numbered sentence; a question is followed by its answer and the numbers of its facts, each after a tab.
_LINE = re.compile(r"(\d{1,6})\s+([^\t]+)(?:\t([^\t]+)\t([\d ]+))?")


def read_folder(folder: Path) -> list[Problem]:
    """Read the authors' CSVs, else the archive in the folder; ``DataUnavailable`` where neither is there."""
    tables = [path for split in ("train", "test") for path in sorted(folder.glob(f"{split}.csv*"))[:1]]
    archives = sorted([*folder.glob("*.tar.gz"), *folder.glob("*.tgz")])[:1]
    problems = [problem for path in tables or archives for problem in read_file(path)]
    if not problems:
        raise DataUnavailable(f"no problems in {folder}: expected {EXPECTED}")
    return problems


def read_file(path: Path) -> list[Problem]:
    """Read a CSV, whose problems are training problems if its name begins with "train", or the archive."""
    if path.name.endswith((".csv", ".csv.gz")):
        return read_csv(path, "train" if path.name.startswith("train") else "test")
    return read_archive(path)


def read_csv(path: Path, split: str) -> list[Problem]:
    """Read one of the authors' CSVs; ``ValueError`` with file, line, column and value where it cannot be read."""
    reader = csv.DictReader(io.StringIO(read_text(path)))
    problems = []
    try:
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise ValueError(f"column {', '.join(missing)} missing: expected {', '.join(COLUMNS)}")
        for number, row in enumerate(reader):
            problems.append(babi_problem(row, number, split))
            if (task := problems[-1].category) not in CATEGORIES["babi"]:
                raise ValueError(f"query_type is {task!r}, expected one of {', '.join(CATEGORIES['babi'])}")
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
    return problems


def babi_problem(row: Mapping[str, str], number: int, split: str) -> Problem:
    """One row of the authors' CSV as a Problem; a repeated sentence counts as evidence at its first place."""
    lists = {name: _literal(row.get(name)) for name in ("passages", "answer_passage")}
    row = {name: row.get(name) for name in COLUMNS} | lists
    check_fields(row, ("question", "query_type", "answer"), tuple(lists))
    context, facts = tuple(row["passages"]), row["answer_passage"]
    if unknown := [fact for fact in facts if fact not in context]:
        raise ValueError(f"answer_passage {unknown[0]!r} is no sentence of passages")
    evidence = (context.index(fact) for fact in facts)
    return _problem(row["query_type"], split, number, context, row["question"], row["answer"], evidence)


def _problem(task: str, split: str, number: int, context, question: str, answer: str, evidence) -> Problem:
    name, answers = f"babi/{task}/{split}-{number:04d}", tuple(answer.split(","))
    return Problem(name, "babi", task, tuple(context), question, answers, tuple(sorted(set(evidence))), split)


def _literal(value: str | None) -> object:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def read_archive(path: Path) -> list[Problem]:
    """Read the English tasks of bAbI's own archive: the first question of each story, as in the paper.

    Further questions, and tasks that the paper does not use, are counted and logged. ``ValueError`` with file, line
    and value for a line that is not of the form.
    """
    try:
        with tarfile.open(path) as tar:
            members = {Path(m.name): m for m in tar if m.isfile() and _TASK_FILE.fullmatch(Path(m.name).name)}
            english = sorted(name for name in members if name.parent.name == "en") or sorted(members)
            texts = {name: tar.extractfile(members[name]).read().decode() for name in english}
    except (tarfile.TarError, OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as bAbI's archive ({error}): fetch it again") from error
    if not texts:
        raise ValueError(f"{path} holds no file such as en/qa1_single-supporting-fact_train.txt: expected {EXPECTED}")
    problems, further, left = [], 0, 0
    for name, text in texts.items():
        task, split = _TASK_FILE.fullmatch(name.name).groups()
        if int(task) not in TASKS:
            left += 1
            continue
        found, more = _stories(f"{path}:{name}", text, TASKS[int(task)], split)
        problems, further = problems + found, further + more
    if left or further:
        text = "babi: left out: %d files of tasks that the paper does not use, %d questions after a story's first"
        log.warning(text, left, further)
    return problems


def _stories(name: str, text: str, task: str, split: str) -> tuple[list[Problem], int]:
    """The problems of one file, and how many questions after the first of a story there are."""
    problems, further, asked, last = [], 0, True, 0
    context: dict[int, str] = {}
    # A line after the last one, so that the last story is closed too.
    for place, line in enumerate([*text.splitlines(), "1 end"], 1):
        if not line.strip():
            continue
        with at(f"{name}, line {place}"):
            if (match := _LINE.fullmatch(line.strip())) is None:
                raise ValueError(f"{line[:80]!r}: expected a numbered sentence, or a question")
            number, said, answer, support = int(match[1]), " ".join(match[2].split()), match[3], match[4]
            if number == 1:
                if not asked:
                    raise ValueError("the story before has no question")
                context, asked, last = {}, False, 0
            if number != (last := last + 1):
                raise ValueError(f"number {number} is out of order: a story counts its lines from 1")
            if answer is None:
                context[number] = said
                continue
            if asked:
                further += 1
                continue
            places, asked = {sentence: index for index, sentence in enumerate(context)}, True
            if wrong := [one for one in map(int, support.split()) if one not in places]:
                raise ValueError(f"supporting fact {wrong[0]} is no sentence before it")
            evidence = (places[int(one)] for one in support.split())
            parts = (context.values(), said, answer.strip(), evidence)
            problems.append(_problem(task, split, len(problems), *parts))
    return problems, further
