"""bAbI's files: the authors' CSVs, and bAbI's own task files, unpacked or in their archive."""

from __future__ import annotations

import ast
import csv
import io
import logging
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tracekd.config import nearest
from tracekd.data.problem import CATEGORIES, DataUnavailable, Problem, check_fields
from tracekd.io.records import read_text

log = logging.getLogger(__name__)
# The archive's 20 tasks. The paper uses 11 of them (``CATEGORIES``); the others are read on request.
ALL_TASKS = {
    1: "single-supporting-fact", 2: "two-supporting-facts", 3: "three-supporting-facts", 4: "two-arg-relations",
    5: "three-arg-relations", 6: "yes-no-questions", 7: "counting", 8: "lists-sets", 9: "simple-negation",
    10: "indefinite-knowledge", 11: "basic-coreference", 12: "conjunction", 13: "compound-coreference",
    14: "time-reasoning", 15: "basic-deduction", 16: "basic-induction", 17: "positional-reasoning",
    18: "size-reasoning", 19: "path-finding", 20: "agents-motivations",
}  # fmt: skip
EXPECTED = "train.csv and test.csv, qa1_single-supporting-fact_train.txt and its like, or tasks_1-20_v1-2.tar.gz"
COLUMNS = ("passages", "question", "query_type", "answer_passage", "answer")
LISTS = ("passages", "answer_passage")
TASK_FILE = re.compile(r"qa(\d+)(?:_[\w-]+?)?_(train|valid|test)\.txt(?:\.gz)?$")


def tasks_of(names: Iterable[str | int] | None) -> tuple[str, ...]:
    """The tasks meant by names or numbers (``qa3``, ``3``, ``three-supporting-facts``, ``all``); None: the paper's."""
    if names is None:
        return CATEGORIES["babi"]
    chosen = []
    for name in (str(name).strip() for name in names):
        number = name.lower().removeprefix("qa")
        if name == "all":
            chosen += ALL_TASKS.values()
        elif number.isdigit() and int(number) in ALL_TASKS:
            chosen.append(ALL_TASKS[int(number)])
        elif name in ALL_TASKS.values():
            chosen.append(name)
        else:
            raise ValueError(f"bAbI task {name!r}: {nearest(name, tuple(ALL_TASKS.values()))}, or its number, 1 to 20")
    return tuple(dict.fromkeys(chosen))


def read_folder(folder: Path, tasks: Iterable[str | int] | None = None) -> list[Problem]:
    """Read the authors' CSVs, else bAbI's own files: in the folder, below it, or in an archive in it.

    Raises:
        DataUnavailable: none of the files is there.
    """
    problems = []
    for split in ("train", "test"):
        paths = [folder / f"{split}.csv{end}" for end in ("", ".gz")]
        problems += next((read_csv(path, split, tasks) for path in paths if path.is_file()), [])
    if not problems and (files := _english(p for p in folder.rglob("qa*.txt*") if TASK_FILE.match(p.name))):
        problems = babi_stories({str(path): read_text(path) for path in files}, tasks)
    elif not problems and (archives := sorted([*folder.glob("*.tar.gz"), *folder.glob("*.tgz")])):
        problems = read_archive(archives[0], tasks)
    if not problems:
        raise DataUnavailable(f"no problems in {folder}: expected {EXPECTED}")
    return problems


def _english(paths: Iterable[Path]) -> list[Path]:
    """The task files of one folder: the top one, ``en`` where there are several, or else the first by name."""
    folders: dict[Path, list[Path]] = {}
    for path in sorted(paths):
        folders.setdefault(path.parent, []).append(path)
    best = min(folders, key=lambda f: (f.name != "en" and len(folders) > 1, len(f.parts), str(f)), default=None)
    return folders.get(best, [])


def read_archive(path: Path, tasks: Iterable[str | int] | None = None) -> list[Problem]:
    """Read bAbI's own archive, packed; ``ValueError``: no archive, or none of bAbI's."""
    try:
        with tarfile.open(path) as tar:
            members = {Path(member.name): member for member in tar if member.isfile()}
            chosen = _english(name for name in members if TASK_FILE.match(name.name))
            texts = {f"{path}:{name}": tar.extractfile(members[name]).read().decode() for name in chosen}
    except (tarfile.TarError, OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as bAbI's archive ({error}): fetch it again") from error
    if not texts:
        raise ValueError(f"{path} holds no file such as en/qa1_single-supporting-fact_train.txt: expected {EXPECTED}")
    return babi_stories(texts, tasks)


def read_csv(path: Path, split: str, tasks: Iterable[str | int] | None = None) -> list[Problem]:
    """Read one of the authors' CSVs; commas, semicolons or tabs between the columns.

    Raises:
        ValueError: a column is missing or cannot be read; names file, line, column and value.
    """
    text = read_text(path)
    header = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=header.count))
    wanted, problems = tasks_of(tasks), []
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise ValueError(f"{path}, line 1: column {', '.join(missing)} missing: expected {', '.join(COLUMNS)}")
    try:
        for number, row in enumerate(reader):
            problems.append(babi_problem(row, number, split))
            if (task := problems[-1].category) not in ALL_TASKS.values():
                raise ValueError(f"query_type is {task!r}: {nearest(task, tuple(ALL_TASKS.values()))}")
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error
    return _chosen(problems, wanted)


def babi_problem(row: Mapping[str, str], number: int, split: str) -> Problem:
    """One row of the authors' CSV as a Problem; a repeated sentence counts as evidence at its first place."""
    row = {name: _listed(row.get(name)) if name in LISTS else row.get(name) for name in COLUMNS}
    check_fields(row, [name for name in COLUMNS if name not in LISTS], LISTS)
    context, facts = tuple(row["passages"]), row["answer_passage"]
    if unknown := [fact for fact in facts if fact not in context]:
        raise ValueError(f"answer_passage {unknown[0]!r} is no sentence of passages")
    evidence = tuple(sorted({context.index(fact) for fact in facts}))
    answers = tuple(row["answer"].split(","))
    name = f"babi/{row['query_type']}/{split}-{number:04d}"
    return Problem(name, "babi", row["query_type"], context, row["question"], answers, evidence, split)


def _listed(value: str | None) -> object:
    try:
        found = ast.literal_eval(value)
        return list(found) if isinstance(found, tuple) else found
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def babi_stories(texts: Mapping[str, str], tasks: Iterable[str | int] | None = None) -> list[Problem]:
    """Read bAbI's own text files (name to content): the first question of each story, as in the paper.

    Further questions, and tasks left out, are counted and logged. ``valid`` files count as training problems.

    Raises:
        ValueError: a line is not of the form; names file, line and value.
    """
    problems, further = [], 0
    for name, text in texts.items():
        match = TASK_FILE.search(Path(name).name)
        if match is None or int(match[1]) not in ALL_TASKS:
            raise ValueError(f"{name} is no name of a bAbI task file: expected qa1_single-supporting-fact_train.txt")
        found, more = _stories(name, text, ALL_TASKS[int(match[1])], match[2])
        problems += found
        further += more
    if further:
        log.warning("babi: %d further questions of the stories are not read: the paper takes the first one", further)
    return _chosen(problems, tasks_of(tasks))


def _chosen(problems: list[Problem], wanted: tuple[str, ...]) -> list[Problem]:
    if left := sorted({p.category for p in problems} - set(wanted)):
        count = sum(p.category in left for p in problems)
        text = "babi: %d problems of %d tasks are left out (%s); ask for them by tasks (--tasks qa3,qa5 or --tasks all)"
        log.warning(text, count, len(left), ", ".join(left))
    return [p for p in problems if p.category in wanted]


def _stories(name: str, text: str, category: str, part: str) -> tuple[list[Problem], int]:
    """The problems of one file, and how many questions after the first of a story there are."""
    problems, further = [], 0
    context: dict[int, str] = {}
    asked, began = True, ""
    for where, number, said, rest in [*_parts(name, text), ("", 1, "", [])]:
        if number == 1:
            if not asked:
                raise ValueError(f"{began}: a story without a question")
            context, asked, began = {}, False, where
        elif not context or number <= max(context):
            raise ValueError(f"{where}: number {number} is out of order: a story counts its lines from 1")
        if not rest:
            context[number] = said
        elif asked:
            further += 1
        else:
            ident = f"babi/{category}/{part}-{len(problems):04d}"
            split = "test" if part == "test" else "train"
            answers, evidence = _gold(where, category, context, said, rest)
            problems.append(Problem(ident, "babi", category, tuple(context.values()), said, answers, evidence, split))
            asked = True
    if not problems:
        raise ValueError(f"{name}, line 1: no story: expected lines such as '1 Mary went to the garden.'")
    return problems, further


def _parts(name: str, text: str) -> Iterator[tuple[str, int, str, list[str]]]:
    """Place, number, text and tab-separated rest of each line that is not blank."""
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        first, *rest = line.strip().split("\t")
        if not first.strip():
            continue
        if (match := re.fullmatch(r"(\d{1,6})\s+(\S.*)", first.strip())) is None:
            raise ValueError(f"{name}, line {number}: {line[:80]!r}: expected a number and a sentence")
        yield f"{name}, line {number}", int(match[1]), " ".join(match[2].split()), [part.strip() for part in rest]


def _gold(where: str, category: str, context: dict[int, str], question: str, rest: list[str]):
    """Answers and evidence of a question from what follows it after tabs."""
    answer, support = rest[0], " ".join(rest[1:]).split()
    if not answer or not support:
        missing = "supporting facts" if answer else "answer"
        raise ValueError(f"{where}: {question!r} has no {missing}: expected question, answer and facts between tabs")
    places = {str(number): place for place, number in enumerate(context)}
    if wrong := [number for number in support if number not in places]:
        raise ValueError(f"{where}: supporting fact {wrong[0]!r} is no sentence before it ({', '.join(places)})")
    # A path ("s,w") is one answer: its order and repetitions count.
    answers = (answer,) if category == "path-finding" else tuple(answer.split(","))
    return answers, tuple(sorted({places[number] for number in support}))
