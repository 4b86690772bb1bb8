"""A custom question set: JSON lines read into Problems, with clear errors and counted warnings.

``notebooks/OWN_DATA.md`` describes the form. Rules are optional: ``NAME_rules.py`` beside ``NAME.jsonl`` with
``classify(problem)`` and ``retrieve(problem)`` gives the set derivations.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracekd.data.file_forms import refuse_known
from tracekd.data.problem import DATASETS, Problem, check_fields
from tracekd.data.splits import drop_leaks, paper_split
from tracekd.io.records import numbered_jsonl
from tracekd.lists import read_list
from tracekd.text import normalise

log = logging.getLogger(__name__)

# Traces of text that was read in the wrong encoding once: UTF-8 as Latin-1, and the replacement character.
_BROKEN = ("Ã¤", "Ã¶", "Ã¼", "Ã©", "Ã¨", "Ã¡", "â€™", "â€œ", "â€“", "\ufffd")
# What a reader of outputs takes for a tag, or for something else than the answer where an answer begins with it.
_TAG = re.compile(r"<\s*\\?/?\s*(?:think|answer)", re.IGNORECASE)
_NO_ANSWER = re.compile(
    r"\[|\(?1[.)] |(?:assistant|model)\s*(?::|\Z)|[\W_]*(?:the )?(?:(?:final|correct) )?answer\b[^\w]*(?:is)?\s*:",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rules:
    """Derivation rules of a custom set: problem to label (or None), and problem to indices of the facts needed."""

    classify: Callable[[Problem], str | None] | None = None
    retrieve: Callable[[Problem], tuple[int, ...]] | None = None


RULES: dict[str, Rules] = {}  # of the sets that were loaded, by name


def name_of(path: Path) -> str:
    """The set's name, from its file's: ``my_set.jsonl`` holds the set ``my-set``."""
    return Path(path.name.removesuffix(".gz")).stem.replace("_", "-")


def load_own(path: str | Path) -> list[Problem]:
    """Read a custom set, check that a run can use it, log its warnings and register its rules."""
    problems, warnings = read_own(path)
    problems = drop_leaks(problems)
    warnings.update(usable(path, problems))
    for text, count in warnings.items():
        log.warning("%s: %d of %d problems: %s", Path(path).name, count, len(problems), text)
    rules, name = Path(path).with_name(Path(path).stem + "_rules.py"), problems[0].dataset
    RULES.pop(name, None)
    if rules.is_file():
        RULES[name] = read_rules(rules)
    return problems


def read_own(path: str | Path) -> tuple[list[Problem], Counter[str]]:
    """Read and check every line.

    Returns:
        The problems, their ids ``set/category/id``, and warnings with their counts.

    Raises:
        ValueError: the file is another set's or is named as one, or a line is wrong; names file, line and value.
    """
    path = Path(path)
    dataset = name_of(path)
    if dataset.lower() in (*DATASETS, "generated", "hub", "auto", "released"):
        raise ValueError(f"{path}: the name {dataset!r} is taken: rename the file")
    refuse_known(path)
    rows, lines = [], {}
    for number, row in numbered_jsonl(path):
        try:
            rows.append(_checked(row))
            if row["id"] in lines:
                raise ValueError(f"id {row['id']!r} is in line {lines[row['id']]} too: ids are unique")
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        lines[row["id"]] = number
    if not rows:
        raise ValueError(f"{path} holds no problem: expected one JSON object per line")
    counts = Counter(row["category"] for row in rows)
    _distinct(path, list(counts))
    labels = {"labels": "|".join(counts), "label_counts": "|".join(map(str, counts.values()))}
    splits = paper_split([row["category"] for row in rows], least=1)
    problems = [_problem(dataset, row, split, labels) for row, split in zip(rows, splits, strict=True)]
    return problems, Counter(warning for problem in problems for warning in _warnings(problem))


def usable(path: str | Path, problems: list[Problem]) -> Counter[str]:
    """Check what training, wrong traces and evaluation need of a set.

    Returns:
        What will be left out or treated otherwise, with its counts.

    Raises:
        ValueError: fewer than two categories have both a training and a test problem, all answers are alike, or no
            problem has a fact beside its evidence.
    """
    counts = Counter((p.category, p.split) for p in problems)
    labels = dict.fromkeys(p.category for p in problems)
    if sum(bool(counts[label, "train"] and counts[label, "test"]) for label in labels) < 2:
        found = "; ".join(f"{c!r} {counts[c, 'train']} train and {counts[c, 'test']} test" for c in labels)
        raise ValueError(
            f"{path}: at least two categories need both a training and a test problem, found {found}: add problems "
            "(two a category are enough), more categories, or mend the 'split' fields"
        )
    if len({frozenset(map(normalise, p.answers)) for p in problems}) < 2:
        raise ValueError(f"{path}: all problems have the answer {problems[0].answers[0]!r}: give different answers")
    bare = [p for p in problems if {*map(normalise, p.context)} <= {*map(normalise, p.facts)}]
    if len(bare) == len(problems):
        raise ValueError(
            f"{path}: no problem has a fact beside its evidence: add facts to 'context' that do not answer"
        )
    only_train, only_test = (
        sum(counts[c, split] for c in labels if not counts[c, other])
        for split, other in (("train", "test"), ("test", "train"))
    )
    left = {
        "no fact beside the evidence: their wrong traces change a right fact": len(bare),
        "only in training, their category has no test problem": only_train,
        "left out of the test, their category has no training problem": only_test,
    }
    return Counter({text: count for text, count in left.items() if count})


def _distinct(path: Path, labels: list[str]) -> None:
    """Refuse labels that scoring would confuse with each other or could not read back."""
    seen: dict[str, str] = {}
    for label in labels:
        plain = normalise(label)
        if not plain or re.search(r"\n|\w{3}\.\s", label) or plain in seen:
            other = f"equal to {seen[plain]!r}" if plain in seen else "empty, or more than one line or sentence,"
            raise ValueError(f"{path}: category {label!r} is {other} as labels are compared: give other categories")
        seen[plain] = label


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


def _checked(row: dict[str, Any]) -> dict[str, Any]:
    check_fields(row, ("id", "question", "category"), ("context", "answers"))
    if "|" in row["category"]:
        raise ValueError(f"category is {row['category']!r}, expected a label without '|'")
    if row.get("split") not in (None, "train", "test"):
        raise ValueError(f"split is {row['split']!r}, expected 'train', 'test', or none")
    evidence = row.get("evidence")
    evidence = evidence if isinstance(evidence, list) else [evidence]
    if wrong := [i for i in evidence if type(i) is not int or not 0 <= i < len(row["context"])]:
        last = len(row["context"]) - 1
        raise ValueError(f"evidence {wrong[0]!r} is no index into context: expected 0 to {last}")
    check_scorable(row["context"], row["answers"])
    return {**row, "evidence": evidence}


def _problem(dataset: str, row: dict[str, Any], split: str, labels: dict[str, str]) -> Problem:
    name, label = f"{dataset}/{row['category']}/{row['id']}", row["category"]
    context, answers, evidence = (tuple(row[k]) for k in ("context", "answers", "evidence"))
    evidence = tuple(sorted(set(evidence)))
    split = row.get("split") or split
    return Problem(name, dataset, label, context, row["question"], answers, evidence, split, labels)


def _warnings(problem: Problem) -> set[str]:
    found = set()
    whole = " ".join(f" {normalise(fact)} " for fact in problem.facts)
    if not problem.evidence:
        found.add("no evidence: their right traces state an empty list")
    elif any(f" {normalise(answer)} " not in whole for answer in problem.answers):
        found.add("an answer is in none of its evidence facts")
    if any(mark in text for mark in _BROKEN for text in (*problem.context, problem.question, *problem.answers)):
        found.add("text looks as if read in the wrong encoding (such as 'Ã©' for 'é')")
    return found


def read_rules(path: str | Path) -> Rules:
    """Import ``classify`` and ``retrieve`` from a Python file; either may be missing, not both."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rules = Rules(getattr(module, "classify", None), getattr(module, "retrieve", None))
    if rules.classify is None and rules.retrieve is None:
        raise ValueError(f"{path} defines neither classify nor retrieve: expected at least one function of a problem")
    return rules
