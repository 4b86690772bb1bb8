"""Readers of CoTempQA and bAbI in their own forms."""

from __future__ import annotations

import ast
import csv
import logging
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tracekd.facts import answer_evidence
from tracekd.problems import CATEGORIES, DataUnavailable, Problem, paper_split
from tracekd.records import open_text, read_jsonl

log = logging.getLogger(__name__)

# The authors number CoTempQA's problems through its four files in this order; `index` in their test files counts so.
COTEMPQA_SIZES = {"during": 3096, "equal": 436, "mix": 563, "overlap": 653}
BABI_TASKS = {
    1: "single-supporting-fact", 2: "two-supporting-facts", 4: "two-arg-relations", 7: "counting", 8: "lists-sets",
    12: "conjunction", 14: "time-reasoning", 15: "basic-deduction", 16: "basic-induction",
    17: "positional-reasoning", 18: "size-reasoning",
}  # fmt: skip


def cotempqa_problem(row: dict, category: str, number: int, split: str) -> Problem:
    """One row of CoTempQA's JSON lines as a Problem; its gold facts are those whose answer slot is a gold answer."""
    facts, answers, triple = tuple(row["facts"]), tuple(row["answer"]), row["triple_element"]
    evidence = answer_evidence(facts, answers, triple)
    name = f"cotempqa/{category}/{number:04d}"
    return Problem(
        name,
        "cotempqa",
        category,
        facts,
        row["question"],
        answers,
        evidence,
        split,
        {"triple_element": triple},
    )


def local_cotempqa(folder: Path) -> list[Problem]:
    """Read ``equal.json`` and its like where they are whole, else the test problems in ``*_test.jsonl``."""
    problems = []
    for category in CATEGORIES["cotempqa"]:
        whole = _first(folder, f"{category}.json", f"{category}.jsonl")
        if whole:
            rows = list(read_jsonl(whole))
            splits = paper_split([category] * len(rows))
            problems += [cotempqa_problem(r, category, i, s) for i, (r, s) in enumerate(zip(rows, splits, strict=True))]
        elif test := _first(folder, f"{category}_test.jsonl"):
            first = sum(n for c, n in COTEMPQA_SIZES.items() if c < category)
            problems += [cotempqa_problem(r, category, r["index"] - first, "test") for r in read_jsonl(test)]
            log.warning("cotempqa/%s: only its test problems are in the folder, none to train on", category)
    return among_taught(_found(problems, folder, "equal.json, overlap.json, during.json, mix.json or *_test.jsonl"))


def among_taught(problems: list[Problem]) -> list[Problem]:
    """The problems, told in ``meta`` which labels have training problems and how many, where some have none.

    Wrong labels are then drawn among these: a label that is never right would tell a wrong trace by itself.
    """
    counts = Counter(p.category for p in problems if p.split == "train")
    if not counts or set(counts) == {p.category for p in problems}:
        return problems
    told = {"labels": "|".join(sorted(counts)), "label_counts": "|".join(str(counts[c]) for c in sorted(counts))}
    return [replace(p, meta={**p.meta, **told}) for p in problems]


def local_babi(folder: Path) -> list[Problem]:
    """Read the authors' ``train.csv`` and ``test.csv``, or bAbI's own ``qaN_*_train.txt`` and ``_test.txt`` files."""
    problems = []
    for split in ("train", "test"):
        if path := _first(folder, f"{split}.csv", f"{split}.csv.gz"):
            with open_text(path) as file:
                problems += [babi_problem(row, i, split) for i, row in enumerate(csv.DictReader(file))]
    if not problems:
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("qa*_*.txt"))}
        problems = babi_stories(texts)
    return _found(problems, folder, "train.csv and test.csv, or qa1_single-supporting-fact_train.txt and its like")


def babi_problem(row: dict, number: int, split: str) -> Problem:
    """One row of the authors' CSV as a Problem; a sentence that stands twice counts as evidence at its first place."""
    context = tuple(ast.literal_eval(row["passages"]))
    facts = ast.literal_eval(row["answer_passage"])
    evidence = tuple(sorted({context.index(fact) for fact in facts}))
    answers = tuple(row["answer"].split(","))
    name = f"babi/{row['query_type']}/{split}-{number:04d}"
    return Problem(name, "babi", row["query_type"], context, row["question"], answers, evidence, split)


def babi_stories(texts: dict[str, str]) -> list[Problem]:
    """Read bAbI's own text files (name to content): the first question of each story, with its supporting facts."""
    problems = []
    for name, text in texts.items():
        match = re.match(r"qa(\d+)_.*_(train|test)\.txt$", name)
        if not match or int(match[1]) not in BABI_TASKS:
            continue
        category, split = BABI_TASKS[int(match[1])], match[2]
        for number, story in enumerate(re.split(r"\n(?=1 )", text.strip())):
            problems.append(_first_question(story, f"babi/{category}/{split}-{number:04d}", category, split))
    return problems


def _first_question(story: str, name: str, category: str, split: str) -> Problem:
    numbers, context = [], []
    for line in story.splitlines():
        number, text = line.split(" ", 1)
        if "\t" not in text:
            numbers.append(number)
            context.append(text.strip())
            continue
        question, answer, facts = (part.strip() for part in text.split("\t"))
        evidence = tuple(sorted({numbers.index(n) for n in facts.split()}))
        return Problem(name, "babi", category, tuple(context), question, tuple(answer.split(",")), evidence, split)
    raise ValueError(f"{name}: a story without a question: {story[:80]!r}")


def _first(folder: Path, *names: str) -> Path | None:
    return next((folder / n for n in names if (folder / n).is_file()), None)


def _found(problems: list[Problem], folder: Path, expected: str) -> list[Problem]:
    if not problems:
        raise DataUnavailable(f"no problems in {folder}: expected {expected}")
    return problems
