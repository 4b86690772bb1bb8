"""CoTempQA's files: one reader and one numbering for whole files, training files and test files."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from tracekd.data.facts import answer_evidence, parse
from tracekd.data.problem import CATEGORIES, DataUnavailable, Problem, at, check_fields
from tracekd.data.splits import paper_split
from tracekd.io.records import numbered_jsonl

log = logging.getLogger(__name__)
# Problems in the Hub's files. `index` counts through the four files in this order in the authors' test files; in
# training files it is the position in the Hub's file of the category.
SIZES = {"during": 3096, "equal": 436, "mix": 563, "overlap": 653}
EXPECTED = "equal.json, overlap.json, during.json and mix.json, or *_train.jsonl and *_test.jsonl of the same names"
_NAME = re.compile(r"(equal|overlap|during|mix)(?:_(train|test))?\.jsonl?(?:\.gz)?$")


def read_folder(folder: Path) -> list[Problem]:
    """Read each category: its whole file with the paper's split, else its training and its test file."""
    problems = []
    for category in CATEGORIES["cotempqa"]:
        whole, *parts = (_first(folder, category + part) for part in ("", "_train", "_test"))
        if whole is None and sum(path is not None for path in parts) == 1:
            log.warning("cotempqa/%s: one of its two files is in the folder, so one split is empty", category)
        paths = [whole] if whole else filter(None, parts)
        problems += [problem for path in paths for problem in read_file(path)]
    if not problems:
        raise DataUnavailable(f"no problems in {folder}: expected {EXPECTED}")
    return problems


def _first(folder: Path, stem: str) -> Path | None:
    paths = (folder / f"{stem}{ending}" for ending in (".json", ".jsonl", ".json.gz", ".jsonl.gz"))
    return next(filter(Path.is_file, paths), None)


def read_file(path: Path) -> list[Problem]:
    """Read one of CoTempQA's files; its name says category and part, a whole file gets the paper's split.

    Ids are ``cotempqa/CATEGORY/POSITION`` with the position in the Hub's file: the line's number in a whole file,
    else from ``index``. ``ValueError`` with file, line, field and value for anything else.
    """
    if (match := _NAME.match(path.name)) is None:
        raise ValueError(f"{path}: the name of a file of CoTempQA says its category: expected {EXPECTED}")
    category, part = match.groups()
    rows = list(numbered_jsonl(path))
    splits = [part] * len(rows) if part else paper_split([category] * len(rows))
    problems, lines = [], {}
    for place, ((line, row), split) in enumerate(zip(rows, splits, strict=True)):
        with at(f"{path}, line {line}"):
            number = _number(row, category, part) if part else place
            if lines.setdefault(number, line) != line:
                raise ValueError(f"index {row['index']!r} is in line {lines[number]} too: each comes once")
            check_fields(row, ("question", "triple_element"), ("facts", "answer"))
            problems.append(cotempqa_problem(row, category, number, split))
    if unread := [fact.unread for p in problems for fact in map(parse, p.context) if fact.unread]:
        log.warning("%s: %d times are not read, such as %r", path.name, len(unread), unread[0])
    if unanswered := sum(not p.evidence for p in problems):
        log.warning("%s: in %d of %d problems no fact holds a gold answer", path.name, unanswered, len(problems))
    return problems


def _number(row: dict, category: str, part: str) -> int:
    index = row.get("index")
    first = sum(size for name, size in SIZES.items() if name < category) if part == "test" else 0
    if type(index) is not int or not 0 <= index - first < SIZES[category]:
        last = first + SIZES[category] - 1
        raise ValueError(f"index is {index!r}, expected a whole number from {first} to {last}")
    return index - first


def cotempqa_problem(row: dict, category: str, number: int, split: str) -> Problem:
    """One row of CoTempQA's JSON lines as a Problem; its gold facts are those whose answer slot is a gold answer."""
    facts, answers, triple = tuple(row["facts"]), tuple(row["answer"]), row["triple_element"]
    evidence = answer_evidence(facts, answers, triple)
    name, meta = f"cotempqa/{category or 'unlabelled'}/{number:04d}", {"triple_element": triple}
    return Problem(name, "cotempqa", category, facts, row["question"], answers, evidence, split, meta)
