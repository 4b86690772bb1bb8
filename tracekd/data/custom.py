"""A custom question set: JSON lines read into Problems and checked; ``notebooks/OWN_DATA.md`` describes the form."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from tracekd.data.problem import DATASETS, Problem, at, build, check_fields, expect
from tracekd.data.splits import drop_leaks, paper_split
from tracekd.io.records import numbered_jsonl
from tracekd.text import normalise, read_list

# What a reader of outputs takes for a tag, or for something else than the answer where an answer begins with it.
_TAG = re.compile(r"<\s*\\?/?\s*(?:think|answer)", re.IGNORECASE)
_NO_ANSWER = re.compile(
    r"\[|\(?1[.)] |(?:assistant|model)\s*(?::|\Z)|[\W_]*(?:the )?(?:(?:final|correct) )?answer\b[^\w]*(?:is)?\s*:",
    re.IGNORECASE,
)


def name_of(path: Path) -> str:
    """The set's name, from its file's: ``my_set.jsonl`` holds the set ``my-set``."""
    return Path(path.name.removesuffix(".gz")).stem.replace("_", "-")


def load_own(path: str | Path) -> list[Problem]:
    """Read and check a custom set; problems have ids ``set/category/id``.

    ``ValueError`` with file, line and value where the name is another set's, a line is wrong, or the set cannot be
    trained and tested on.
    """
    path = Path(path)
    dataset = name_of(path)
    if dataset.lower() in (*DATASETS, "generated", "hub", "auto", "released"):
        raise ValueError(f"{path}: the name {dataset!r} is taken: rename the file")
    with at("not of the form in notebooks/OWN_DATA.md"):
        problems = list(build(path, numbered_jsonl(path), partial(_problem, dataset)))
    if not problems:
        raise ValueError(f"{path} holds no problem: expected one JSON object per line")
    problems = drop_leaks(paper_split(problems, least=1))
    with at(str(path)):
        _check_categories(problems)
    return problems


def _problem(dataset: str, row: dict[str, Any]) -> Problem:
    """One line as a problem, its split empty where the line has none."""
    check_fields(row, ("id", "question", "category"), ("context", "answers"))
    category, context, answers, split = (row.get(name) for name in ("category", "context", "answers", "split"))
    evidence = row["evidence"] if isinstance(row.get("evidence"), list) else [row.get("evidence")]
    expect("|" not in category, "category", category, "a label without '|'")
    expect(split in (None, "train", "test"), "split", split, "'train', 'test', or none")
    for i in evidence:
        right = type(i) is int and 0 <= i < len(context)
        expect(right, "evidence", i, f"indices into context, 0 to {len(context) - 1}")
    check_scorable(context, answers)
    name, parts = f"{dataset}/{category}/{row['id']}", (tuple(context), row["question"], tuple(answers))
    return Problem(name, dataset, category, *parts, tuple(sorted(set(evidence))), split or "")


def check_scorable(context: list[str], answers: list[str]) -> None:
    """Raise a ``ValueError`` where a right answer, written out, would not be read as itself."""
    wrong = [text for text in (*context, *answers) if _TAG.search(text)]
    wrong += [text for text in answers if not normalise(text)]
    if len(answers) == 1:
        (answer,) = answers
        read = {normalise(item) for item in read_list(answer)}
        wrong += [answer] if _NO_ANSWER.match(answer) or "\n" in answer or read != {normalise(answer)} else []
    if wrong:
        raise ValueError(
            f"{wrong[0][:80]!r} would be scored wrong where it is right: answers need letters or digits, no tags, and "
            "a single one must not look like a list (brackets, quoted texts with commas): write it in words"
        )


def _check_categories(problems: list[Problem]) -> None:
    """Refuse labels that scoring would confuse or could not read back, and a set without two that can be learned."""
    counts, seen = Counter((p.category, p.split) for p in problems), {}
    for label in dict.fromkeys(p.category for p in problems):
        plain = normalise(label)
        if not plain or re.search(r"\n|\w{3}\.\s", label) or plain in seen:
            other = f"equal to {seen[plain]!r}" if plain in seen else "empty, or more than one line or sentence,"
            raise ValueError(f"category {label!r} is {other} as labels are compared: give other categories")
        seen[plain] = label
    if sum(bool(counts[label, "train"] and counts[label, "test"]) for label in seen.values()) < 2:
        found = "; ".join(f"{c!r} {counts[c, 'train']} train and {counts[c, 'test']} test" for c in seen.values())
        raise ValueError(
            f"at least two categories need both a training and a test problem, found {found}: add problems (two a "
            "category are enough), more categories, or mend the 'split' fields"
        )
