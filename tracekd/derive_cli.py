"""``python -m tracekd derive FILE``: derive every problem of a file and count the agreement with its gold."""

from __future__ import annotations

import csv
import json
import re
import time
from dataclasses import replace
from pathlib import Path

from tracekd.command_line import Parser
from tracekd.derive import derive
from tracekd.derive_agreement import KINDS, compare_all
from tracekd.problems import CATEGORIES, Problem, read_problems
from tracekd.records import open_text, read_jsonl
from tracekd.sources import COTEMPQA_SIZES, babi_problem, babi_stories, cotempqa_problem, marco_problems

FORMS = "CoTempQA JSON lines, bAbI CSV or task text, MS MARCO JSON lines, or problems in our own form"


def read_any(path: str | Path, dataset: str | None = None) -> list[Problem]:
    """Read problems in any of the sets' own file forms, plain or ``.gz``; the form is told from the content.

    CoTempQA's files name their category only by file name (``equal.json``, ``during_test.jsonl``): under another name
    the gold label is unknown and empty.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the content has none of the forms, or not that of the named set.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: give one with problems ({FORMS})")
    with open_text(path) as file:
        first = next((line for line in file if line.strip()), "")
    kind = _form(first)
    if kind is None or (dataset and kind not in ("own", dataset)):
        found = "none of the known forms" if kind is None else f"the form of {kind}"
        raise ValueError(f"{path} has {found}{f', not that of {dataset}' if dataset else ''}: expected {FORMS}")
    return _READERS[kind](path)


def _form(first: str) -> str | None:
    if first.lstrip().startswith("{"):
        keys = set(json.loads(first))
        if {"facts", "triple_element"} <= keys:
            return "cotempqa"
        if {"query", "passages"} <= keys:
            return "marco"
        return "own" if {"id", "context", "question"} <= keys else None
    if re.match(r"1 \S", first):
        return "babi-text"
    return "babi" if {"passages", "query_type", "answer_passage"} <= set(next(csv.reader([first]), [])) else None


def _cotempqa(path: Path) -> list[Problem]:
    name = path.name.split(".")[0].removesuffix("_test")
    rows = list(read_jsonl(path))
    label = name if name in CATEGORIES["cotempqa"] else ""
    # The authors' test files number their problems through all four files.
    first = sum(n for c, n in COTEMPQA_SIZES.items() if c < label) if "_test" in path.name and label else 0
    return [
        cotempqa_problem(row, row.get("category") or label, row["index"] - first if first else i, "test")
        for i, row in enumerate(rows)
    ]


def _babi(path: Path) -> list[Problem]:
    with open_text(path) as file:
        return [babi_problem(row, i, "test") for i, row in enumerate(csv.DictReader(file))]


def _babi_text(path: Path) -> list[Problem]:
    with open_text(path) as file:
        return babi_stories({path.name.removesuffix(".gz"): file.read()})


def _marco(path: Path) -> list[Problem]:
    return marco_problems(read_jsonl(path))


_READERS = {"cotempqa": _cotempqa, "babi": _babi, "babi-text": _babi_text, "marco": _marco, "own": read_problems}


def report(problems: list[Problem], full: bool = False) -> dict[str, object]:
    """Derive all problems and count.

    Args:
        problems: with their gold.
        full: add ``disagreements``: id, what disagrees, and why, of every one.

    Returns:
        Counts ``n``, ``answers_agree``, ``category_agree`` (None where the file gives no label), ``evidence_agree``,
        ``underivable``; ``shares`` of the three agreements (0 to 1); ``remainder``, counts by kind;
        ``problems_per_second``, of the derivation alone.
    """
    if not problems:
        raise ValueError("no problems in the file: expected at least one")
    start = time.perf_counter()
    for problem in problems:
        derive(problem)
    seconds = time.perf_counter() - start
    rows = compare_all(problems)
    labelled = rows.category_agree.notna().all()
    counts = {
        "n": len(rows),
        "answers_agree": int(rows.answers_agree.sum()),
        "category_agree": int(rows.category_agree.sum()) if labelled else None,
        "evidence_agree": int(rows.evidence_agree.sum()),
        "underivable": int(rows.underivable.sum()),
    }
    kinds = rows[rows.kind != ""].kind.value_counts()
    result = {
        **counts,
        "shares": {k: None if v is None else round(v / len(rows), 4) for k, v in counts.items() if k.endswith("agree")},
        "remainder": {f"{KINDS[kind]}: {kind}": int(n) for kind, n in kinds.items()},
        "problems_per_second": round(len(rows) / seconds),
    }
    if full:
        result["disagreements"] = _listed(rows)
    return result


def _listed(rows) -> list[dict[str, object]]:
    listed = []
    for row in rows[rows.kind != ""].to_dict("records"):
        wrong = [name for name in ("answers", "category", "evidence") if row[f"{name}_agree"] is False]
        listed.append({"id": row["id"], "disagree": wrong, "reason": row["reason"], "kind": row["kind"]})
    return listed


def main(argv: list[str]) -> int:
    """Run the command; prints one JSON object."""
    parser = Parser("derive", __doc__, "python -m tracekd derive data/cotempqa/mix_test.jsonl --list")
    parser.add_argument("file", metavar="FILE", help=f"{FORMS}; plain or .gz")
    parser.add_argument("--dataset", choices=sorted(CATEGORIES), help="the set, where the content should not tell")
    parser.add_argument("--list", action="store_true", help="name every disagreement with its reason")
    given = parser.parse_args(argv)
    problems = read_any(given.file, given.dataset)
    if given.dataset and problems and problems[0].dataset not in CATEGORIES:
        problems = [replace(problem, dataset=given.dataset) for problem in problems]
    print(json.dumps(report(problems, given.list), indent=1, ensure_ascii=False))
    return 0
