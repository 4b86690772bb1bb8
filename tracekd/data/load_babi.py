"""bAbI's files: the authors' CSVs, and bAbI's own task files in their archive."""

import csv
import io
import logging
import re
import tarfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tracekd.data.problem import CATEGORIES, Problem, at, build, check_fields, expect
from tracekd.io.records import read_text
from tracekd.text import literal

log = logging.getLogger(__name__)
# The paper's 11 of the archive's 20 tasks, by number.
TASKS = dict(zip((1, 2, 4, 7, 8, 12, 14, 15, 16, 17, 18), CATEGORIES["babi"], strict=True))
EXPECTED = "train.csv and test.csv, or tasks_1-20_v1-2.tar.gz"
_TASK_FILE = re.compile(r"qa(\d+)_[\w-]+_(train|test)\.txt")
# A numbered sentence; a question is followed by its answer and the numbers of its facts, each after a tab.
_LINE = re.compile(r"(\d{1,6})\s+([^\t]+)(?:\t([^\t]+)\t([\d ]+))?")


def read_folder(folder: Path) -> list[Problem]:
    """Read the authors' CSVs, else the archive in the folder."""
    tables = [path for split in ("train", "test") for path in sorted(folder.glob(f"{split}.csv*"))[:1]]
    archives = sorted([*folder.glob("*.tar.gz"), *folder.glob("*.tgz")])[:1]
    return [problem for path in tables or archives for problem in read_file(path)]


def read_file(path: Path) -> list[Problem]:
    """Read one of the authors' CSVs, with training problems if its name begins with "train", or the archive."""
    if not path.name.endswith((".csv", ".csv.gz")):
        return read_archive(path)
    places, split = count(), "train" if path.name.startswith("train") else "test"
    return list(build(path, _table(path), lambda row: babi_problem(row, next(places), split)))


def _table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(read_text(path)))
    try:
        yield from ((reader.line_num, row) for row in reader)
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error


def babi_problem(row: dict[str, str], number: int, split: str) -> Problem:
    """One row of the authors' CSV as a Problem; a repeated sentence counts as evidence at its first place."""
    lists = ("passages", "answer_passage")
    expect(None not in row, "a cell beyond the header", row.get(None), "as many cells as the header: quote commas")
    row = row | {name: literal(row[name]) or row[name] for name in lists if name in row}
    check_fields(row, ("question", "query_type", "answer"), lists)
    context, task = row["passages"], row["query_type"]
    unknown = [fact for fact in row["answer_passage"] if fact not in context]
    expect(not unknown, "answer_passage", *unknown[:1] or [""], "a sentence of passages")
    expect(task in CATEGORIES["babi"], "query_type", task, f"one of {', '.join(CATEGORIES['babi'])}")
    return _problem(
        task, split, number, context, row["question"], row["answer"], map(context.index, row["answer_passage"])
    )


def _problem(task: str, split: str, number: int, context, question: str, answer: str, evidence) -> Problem:
    name, answers = f"babi/{task}/{split}-{number:04d}", tuple(answer.split(","))
    return Problem(name, "babi", task, tuple(context), question, answers, tuple(sorted(set(evidence))), split)


def read_archive(path: Path) -> list[Problem]:
    """The first question of each story of bAbI's own English tasks, as in the paper; what is left out is logged."""
    try:
        with tarfile.open(path) as tar:
            members = {Path(m.name): m for m in tar if m.isfile() and _TASK_FILE.fullmatch(Path(m.name).name)}
            english = sorted(name for name in members if name.parent.name == "en") or sorted(members)
            texts = {name: tar.extractfile(members[name]).read().decode() for name in english}
    except (tarfile.TarError, OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as bAbI's archive ({error}): fetch it again") from error
    if not texts:
        raise ValueError(f"{path} holds no file such as en/qa1_single-supporting-fact_train.txt: expected {EXPECTED}")
    used = {name: text for name, text in texts.items() if int(_TASK_FILE.fullmatch(name.name)[1]) in TASKS}
    found = [_stories(f"{path}:{name}", text, *_TASK_FILE.fullmatch(name.name).groups()) for name, text in used.items()]
    if (left := len(texts) - len(used)) + (further := sum(more for _, more in found)):
        text = "babi: left out: %d files of tasks that the paper does not use, %d questions after a story's first"
        log.warning(text, left, further)
    return [problem for problems, _ in found for problem in problems]


def _stories(name: str, text: str, task: str, split: str) -> tuple[list[Problem], int]:
    """The problems of one file, and how many questions after the first of a story there are."""
    problems, further, asked, last = [], 0, False, 0
    context: dict[int, str] = {}
    for place, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        with at(f"{name}, line {place}"):
            expect(match := _LINE.fullmatch(line.strip()), "line", line, "a numbered sentence, or a question")
            number, said, answer = int(match[1]), " ".join(match[2].split()), match[3]
            expect(number in (1, last + 1), "number", number, f"{last + 1}: a story counts its lines from 1")
            if number == 1:
                context, asked = {}, False
            last = number
            if answer is None:
                context[number] = said
            elif asked:
                further += 1
            else:
                facts, asked = list(map(int, match[4].split())), True
                wrong = [fact for fact in facts if fact not in context]
                expect(not wrong, "supporting fact", *wrong[:1] or [0], "the number of a sentence before")
                about = TASKS[int(task)], split, len(problems), context.values(), said, answer.strip()
                problems.append(_problem(*about, map(list(context).index, facts)))
    return problems, further
