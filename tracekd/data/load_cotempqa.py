"""CoTempQA's files: one reader and one numbering for whole files, training files and test files."""

from __future__ import annotations

import logging
import re
from itertools import count
from pathlib import Path

from tracekd.data.facts import answer_evidence, parse
from tracekd.data.problem import CATEGORIES, DataUnavailable, Problem, build, check_fields, expect
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
    files = {
        match.groups(): path for path in sorted(folder.glob("*"), reverse=True) if (match := _NAME.match(path.name))
    }
    problems = []
    for category in CATEGORIES["cotempqa"]:
        parts = [(category, None)] if (category, None) in files else [(category, "train"), (category, "test")]
        if len(found := [files[part] for part in parts if part in files]) < len(parts) and found:
            log.warning("cotempqa/%s: one of its two files is in the folder, so one split is empty", category)
        problems += [problem for path in found for problem in read_file(path)]
    if not problems:
        raise DataUnavailable(f"no problems in {folder}: expected {EXPECTED}")
    return problems


def read_file(path: Path) -> list[Problem]:
    """Read one of CoTempQA's files; its name says category and part, a whole file gets the paper's split.

    Ids are ``cotempqa/CATEGORY/POSITION`` with the position in the Hub's file: the line's number in a whole file,
    else from ``index``. ``ValueError`` with file, line, field and value for anything else.
    """
    if (match := _NAME.match(path.name)) is None:
        raise ValueError(f"{path}: the name of a file of CoTempQA says its category: expected {EXPECTED}")
    (category, part), places = match.groups(), count()

    def problem(row: dict) -> Problem:
        number = _number(row, category, part) if part else next(places)
        check_fields(row, ("question", "triple_element"), ("facts", "answer"))
        return cotempqa_problem(row, category, number, part or "")

    problems = paper_split(list(build(path, numbered_jsonl(path), problem)))
    if unread := [fact.unread for p in problems for fact in map(parse, p.context) if fact.unread]:
        log.warning("%s: %d times are not read, such as %r", path.name, len(unread), unread[0])
    if unanswered := sum(not p.evidence for p in problems):
        log.warning("%s: in %d of %d problems no fact holds a gold answer", path.name, unanswered, len(problems))
    return problems


def _number(row: dict, category: str, part: str) -> int:
    index = row.get("index")
    first = sum(size for name, size in SIZES.items() if name < category) if part == "test" else 0
    right = type(index) is int and 0 <= index - first < SIZES[category]
    expect(right, "index", index, f"a whole number from {first} to {first + SIZES[category] - 1}")
    return index - first


def cotempqa_problem(row: dict, category: str, number: int, split: str) -> Problem:
    """One row of CoTempQA's JSON lines as a Problem; its gold facts are those whose answer slot is a gold answer."""
    facts, answers, triple = tuple(row["facts"]), tuple(row["answer"]), row["triple_element"]
    evidence = answer_evidence(facts, answers, triple)
    name, meta = f"cotempqa/{category or 'unlabelled'}/{number:04d}", {"triple_element": triple}
    return Problem(name, "cotempqa", category, facts, row["question"], answers, evidence, split, meta)
