"""bAbI's files: the authors' CSVs, and bAbI's own task files in their archive."""

from __future__ import annotations

import ast
import csv
import io
import logging
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tracekd.data.problem import CATEGORIES, DataUnavailable, Problem, check_fields
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
    problems = []
    for split in ("train", "test"):
        paths = [folder / f"{split}.csv{end}" for end in ("", ".gz")]
        problems += next((read_csv(path, split) for path in paths if path.is_file()), [])
    if not problems and (archives := sorted([*folder.glob("*.tar.gz"), *folder.glob("*.tgz")])):
        problems = read_archive(archives[0])
    if not problems:
        raise DataUnavailable(f"no problems in {folder}: expected {EXPECTED}")
    return problems


def read_file(path: Path) -> list[Problem]:
    """Read a CSV, whose problems are training problems if its name begins with "train", or the archive."""
    if path.name.endswith((".csv", ".csv.gz")):
        return read_csv(path, "train" if path.name.startswith("train") else "test")
    return read_archive(path)


def read_csv(path: Path, split: str) -> list[Problem]:
    """Read one of the authors' CSVs.

    Raises:
        ValueError: a column is missing or cannot be read; names file, line, column and value.
    """
    reader = csv.DictReader(io.StringIO(read_text(path)))
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise ValueError(f"{path}, line 1: column {', '.join(missing)} missing: expected {', '.join(COLUMNS)}")
    problems = []
    try:
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
    context, facts, task = tuple(row["passages"]), row["answer_passage"], row["query_type"]
    if unknown := [fact for fact in facts if fact not in context]:
        raise ValueError(f"answer_passage {unknown[0]!r} is no sentence of passages")
    evidence = tuple(sorted({context.index(fact) for fact in facts}))
    answers = tuple(row["answer"].split(","))
    return Problem(
        f"babi/{task}/{split}-{number:04d}", "babi", task, context, row["question"], answers, evidence, split
    )


def _literal(value: str | None) -> object:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def read_archive(path: Path) -> list[Problem]:
    """Read the English tasks of bAbI's own archive: the first question of each story, as in the paper.

    Further questions, and tasks that the paper does not use, are counted and logged.

    Raises:
        ValueError: no archive, none of bAbI's, or a line that is not of the form; names file, line and value.
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
        number, split = _TASK_FILE.fullmatch(name.name).groups()
        if int(number) not in TASKS:
            left += 1
            continue
        found, more = _stories(f"{path}:{name}", text, TASKS[int(number)], split)
        problems += found
        further += more
    if left or further:
        text = "babi: left out: %d files of tasks that the paper does not use, %d questions after a story's first"
        log.warning(text, left, further)
    return problems


def _stories(name: str, text: str, category: str, split: str) -> tuple[list[Problem], int]:
    """The problems of one file, and how many questions after the first of a story there are."""
    problems, further = [], 0
    context: dict[int, str] = {}
    asked, last = True, 0
    for where, number, said, answer, support in _parts(name, text):
        if number == 1:
            if not asked:
                raise ValueError(f"{where}: the story before has no question")
            context, asked, last = {}, False, 0
        if number != last + 1:
            raise ValueError(f"{where}: number {number} is out of order: a story counts its lines from 1")
        last = number
        if answer is None:
            context[number] = said
        elif asked:
            further += 1
        else:
            places = {sentence: place for place, sentence in enumerate(context)}
            if wrong := [one for one in map(int, support.split()) if one not in places]:
                raise ValueError(f"{where}: supporting fact {wrong[0]} is no sentence before it")
            evidence = tuple(sorted({places[int(one)] for one in support.split()}))
            ident, answers = f"babi/{category}/{split}-{len(problems):04d}", tuple(answer.strip().split(","))
            problems.append(Problem(ident, "babi", category, tuple(context.values()), said, answers, evidence, split))
            asked = True
    if not asked:
        raise ValueError(f"{name}: the last story has no question")
    return problems, further


def _parts(name: str, text: str) -> Iterator[tuple[str, int, str, str | None, str | None]]:
    """Place, number, text, answer and supporting facts of each line that is not blank; the last two of a question."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if (match := _LINE.fullmatch(line.strip())) is None:
            raise ValueError(f"{name}, line {number}: {line[:80]!r}: expected a numbered sentence, or a question")
        yield f"{name}, line {number}", int(match[1]), " ".join(match[2].split()), match[3], match[4]
