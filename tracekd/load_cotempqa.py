"""CoTempQA's files: one reader and one numbering for whole files, training files and test files."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path

from tracekd.dates import UNREAD_HELP
from tracekd.facts import TRIPLES, answer_evidence, parse
from tracekd.problems import CATEGORIES, DataUnavailable, Problem, paper_split
from tracekd.records import numbered_jsonl

log = logging.getLogger(__name__)
# Problems in the Hub's files. The authors number them through the four files in this order: `index` in their test files
# counts so. In training files, as in whole ones, `index` is the position in the Hub's file of the category.
SIZES = {"during": 3096, "equal": 436, "mix": 563, "overlap": 653}
EXPECTED = "equal.json, overlap.json, during.json and mix.json, or *_train.jsonl and *_test.jsonl of the same names"
_NAME = re.compile(r"(equal|overlap|during|mix)(?:_(train|test))?\.jsonl?(?:\.gz)?$")
_TYPES = {"question": str, "facts": list, "answer": list}


def category_of(path: Path) -> tuple[str, str]:
    """Category and part (``train``, ``test``, or "" for a whole file) by a file's name; "" for other names."""
    match = _NAME.match(path.name)
    return (match[1], match[2] or "") if match else ("", "")


def read_folder(folder: Path) -> list[Problem]:
    """Read each category: from its whole file with the paper's split, else from its training and its test file.

    Raises:
        DataUnavailable: none of the files is there.
        ValueError: see ``read_file``.
    """
    problems = []
    for category in CATEGORIES["cotempqa"]:
        if whole := _first(folder, category):
            problems += read_file(whole)
            continue
        parts = [path for part in ("train", "test") if (path := _first(folder, f"{category}_{part}"))]
        problems += [problem for path in parts for problem in read_file(path)]
        if len(parts) == 1:
            log.warning("cotempqa/%s: only %s is in the folder, so one split is empty", category, parts[0].name)
    if not problems:
        raise DataUnavailable(f"no problems in {folder}: expected {EXPECTED}")
    return problems


def _first(folder: Path, stem: str) -> Path | None:
    names = (f"{stem}{ending}" for ending in (".json", ".jsonl", ".json.gz", ".jsonl.gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_file(path: str | Path, split: str | None = None) -> list[Problem]:
    """Read one of CoTempQA's files; its name says category and part (see ``category_of``).

    Ids are ``cotempqa/CATEGORY/POSITION`` with the position in the Hub's file: the line's number in a whole file,
    else from ``index``. A file of another name gives problems without a label ("unlabelled" in the id).

    Args:
        path: plain or ``.gz``, one JSON object a line.
        split: for all problems; by default the file's part, and for a whole file the paper's split.

    Raises:
        ValueError: a field is missing, of the wrong type or without meaning, or an index comes twice; names file,
            line, field and value.
    """
    path = Path(path)
    category, part = category_of(path)
    rows = list(numbered_jsonl(path))
    splits = [split or part] * len(rows) if split or part else paper_split([category] * len(rows))
    problems, unread, unanswered, lines = [], [], 0, {}
    for place, ((line, row), own_split) in enumerate(zip(rows, splits, strict=True)):
        where = f"{path}, line {line}"
        number = _number(row, category, part, where) if part else place
        if number in lines:
            raise ValueError(f"{where}: index {row['index']!r} stands in line {lines[number]} too: each comes once")
        lines[number] = line
        problem = _problem(_checked(row, where), category or row.get("category", ""), number, own_split, where)
        unread += [fact.unread for fact in map(parse, problem.context) if fact.unread]
        unanswered += not problem.evidence
        problems.append(problem)
    if unread:
        log.warning("%s: %d times are not read, such as %r: %s", path.name, len(unread), unread[0], UNREAD_HELP)
    if unanswered:
        log.warning("%s: in %d of %d problems no fact holds a gold answer", path.name, unanswered, len(problems))
    return problems


def _number(row: dict, category: str, part: str, where: str) -> int:
    index = row.get("index")
    first = sum(size for name, size in SIZES.items() if name < category) if part == "test" else 0
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index - first < SIZES[category]:
        raise ValueError(
            f"{where}: index is {index!r}, expected a whole number from {first} to {first + SIZES[category] - 1}: "
            + ("test files count through all four files" if part == "test" else "the position in the Hub's file")
        )
    return index - first


def _checked(row: dict, where: str) -> dict:
    """The row with lists as lists, where a text is one list and nothing else.

    Raises:
        ValueError: a field is missing, or is not what it should be.
    """
    if missing := [name for name in (*_TYPES, "triple_element") if name not in row]:
        raise ValueError(f"{where}: {', '.join(missing)} missing: expected question, facts, answer and triple_element")
    row = {**row, "facts": _listed(row["facts"]), "answer": _listed(row["answer"])}
    for name, kind in _TYPES.items():
        value = row[name]
        texts = value if isinstance(value, list) else [value]
        if not isinstance(value, kind) or not texts or not all(isinstance(t, str) and t.strip() for t in texts):
            wanted = "a text that is not empty" if kind is str else "a list of texts, at least one"
            raise ValueError(f"{where}: {name} is {str(value)[:80]!r}, expected {wanted}")
    if row["triple_element"] not in TRIPLES:
        raise ValueError(f"{where}: triple_element is {row['triple_element']!r}, expected one of {', '.join(TRIPLES)}")
    if not isinstance(row.get("category", ""), str):
        raise ValueError(f"{where}: category is {row['category']!r}, expected a text")
    return row


def _listed(value: object) -> object:
    """A list that was written out as a text ("['A ...', 'B ...']") as that list; anything else as it is."""
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            return ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return value
    return value


def _problem(row: dict, category: str, number: int, split: str, where: str) -> Problem:
    try:
        return cotempqa_problem(row, category, number, split)
    except ValueError as error:
        raise ValueError(f"{where}: facts: {error}") from error


def cotempqa_problem(row: dict, category: str, number: int, split: str) -> Problem:
    """One row of CoTempQA's JSON lines as a Problem; its gold facts are those whose answer slot is a gold answer."""
    facts, answers, triple = tuple(row["facts"]), tuple(row["answer"]), row["triple_element"]
    evidence = answer_evidence(facts, answers, triple)
    name, meta = f"cotempqa/{category or 'unlabelled'}/{number:04d}", {"triple_element": triple}
    return Problem(name, "cotempqa", category, facts, row["question"], answers, evidence, split, meta)
