"""A question set of one's own: JSON lines read into Problems, with clear errors and counted warnings.

``notebooks/OWN_DATA.md`` describes the form for readers. Rules are optional: a file ``NAME_rules.py`` beside
``NAME.jsonl`` with ``classify(problem)`` and ``retrieve(problem)`` gives the set derivations.
"""

from __future__ import annotations

import importlib.util
import logging
from collections import Counter
from pathlib import Path
from typing import Any

from tracekd.corrupt import same
from tracekd.derive import Rules, plug
from tracekd.forms import refuse_known
from tracekd.problems import DATASETS, Problem, datasets_of, drop_leaks, paper_split
from tracekd.records import numbered_jsonl

log = logging.getLogger(__name__)

NEEDED = ("id", "context", "question", "answers", "category", "evidence")
# Traces of text that was read in the wrong encoding once: UTF-8 as Latin-1, and the replacement character.
_BROKEN = ("Ã¤", "Ã¶", "Ã¼", "Ã©", "Ã¨", "Ã¡", "â€™", "â€œ", "â€“", "\ufffd")


def load_own(path: str | Path) -> list[Problem]:
    """Read a set of one's own and check that a run can use it; warnings are logged with their counts.

    Raises:
        ValueError: see ``read_own`` and ``usable``.
    """
    problems, warnings = read_own(path)
    problems = drop_leaks(problems)
    warnings.update(usable(path, problems))
    for text, count in warnings.items():
        log.warning("%s: %d of %d problems: %s", Path(path).name, count, len(problems), text)
    rules = Path(path).with_name(Path(path).stem + "_rules.py")
    plug(problems[0].dataset, read_rules(rules) if rules.is_file() else None)
    return problems


def read_own(path: str | Path) -> tuple[list[Problem], Counter[str]]:
    """Read and check every line.

    Returns:
        The problems, their ids ``set/category/id`` with the file's name as the set; and warnings with their counts: an
        answer that stands in none of its evidence, no evidence at all, and text that looks wrongly decoded.

    Raises:
        ValueError: the file has the name or the form of another set, not UTF-8, not JSON, a field missing or of the
            wrong type, evidence out of range, an id that comes twice, two labels that text comparison cannot tell
            apart, a problem whose own right output would not be scored right, or no line at all. Every message names
            the file, the line, the value and what was expected.
    """
    path = Path(path)
    dataset = datasets_of(str(path))[0]
    if dataset.lower() in (*DATASETS, "generated", "hub", "auto", "released"):
        raise ValueError(
            f"{path}: a set of your own cannot be called {dataset!r}, as that name is taken: rename the file"
        )
    refuse_known(path)
    rows = [(number, _checked(f"{path}, line {number}", row)) for number, row in numbered_jsonl(path)]
    if not rows:
        raise ValueError(f"{path} holds no problem: expected one JSON object a line with {', '.join(NEEDED)}")
    seen: dict[str, int] = {}
    for number, row in rows:
        if row["id"] in seen:
            raise ValueError(
                f"{path}, line {number}: id {row['id']!r} stands in line {seen[row['id']]} too: ids are unique"
            )
        seen[row["id"]] = number
    counts = Counter(row["category"] for _, row in rows)
    labels = {"labels": "|".join(counts), "label_counts": "|".join(map(str, counts.values()))}
    splits = paper_split([row["category"] for _, row in rows], least=1)
    problems = [_problem(dataset, row, split, labels) for (_, row), split in zip(rows, splits, strict=True)]
    _distinct(path, list(counts))
    warnings: Counter[str] = Counter()
    for (number, _), problem in zip(rows, problems, strict=True):
        _readable(f"{path}, line {number}", problem)
        warnings.update(_warnings(problem))
    return problems, warnings


def usable(path: str | Path, problems: list[Problem]) -> Counter[str]:
    """Check that every notebook can use the set: what training, wrong traces and evaluation need.

    Returns:
        What will be left out, with its counts: problems of categories that are in one split only.

    Raises:
        ValueError: fewer than two categories have both a training and a test problem, all answers are alike, or no
            problem has a fact beside its evidence.
    """
    counts = Counter((p.category, p.split) for p in problems)
    labels = dict.fromkeys(p.category for p in problems)
    whole = [label for label in labels if counts[label, "train"] and counts[label, "test"]]
    if len(whole) < 2:
        found = "; ".join(f"{c!r} {counts[c, 'train']} train and {counts[c, 'test']} test" for c in labels)
        raise ValueError(
            f"{path}: at least two categories need both a training and a test problem, found {found}: add problems "
            "(two a category are enough for a split), more categories, or mend the 'split' fields"
        )
    if len({frozenset(map(same, p.answers)) for p in problems}) < 2:
        raise ValueError(
            f"{path}: all {len(problems)} problems have the answer {problems[0].answers[0]!r}, so a student that "
            "always says so would be right: give problems with different answers"
        )
    bare = [p for p in problems if {same(f) for f in p.context} <= {same(f) for f in p.facts}]
    if len(bare) == len(problems):
        raise ValueError(
            f"{path}: no problem has a fact beside its evidence, so there is nothing wrong to retrieve: add facts to "
            "'context' that do not answer"
        )
    return (
        Counter(
            {
                "no fact beside the evidence: their wrong traces change a right fact": len(bare),
                "only in training, their category has no test problem": sum(
                    n for (c, split), n in counts.items() if split == "train" and not counts[c, "test"]
                ),
                "left out of the test, their category has no training problem": sum(
                    n for (c, split), n in counts.items() if split == "test" and not counts[c, "train"]
                ),
            }
        )
        + Counter()
    )


def _distinct(path: Path, labels: list[str]) -> None:
    """Refuse labels that are equal, or nothing, in lower case and without punctuation, as scoring compares them."""
    seen: dict[str, str] = {}
    for label in labels:
        plain = same(label)
        if not plain or "\n" in label or plain in seen:
            other = f"equal to {seen[plain]!r}" if plain in seen else "nothing, or more than one line,"
            raise ValueError(
                f"{path}: category {label!r} is {other} in lower case without punctuation, as labels are compared: "
                "give categories that differ in letters or digits"
            )
        seen[plain] = label


def _readable(where: str, problem: Problem) -> None:
    """Refuse a problem whose right trace and right answer, written out, are not scored as right."""
    from tracekd import score, traces

    text = traces.target(problem, traces.build(problem, "correct"))
    found = score.verdict(problem, text)
    wrong = [n for n in ("classification", "retrieval", "answer") if not found[f"{n}_correct"]]
    if wrong:
        raise ValueError(
            f"{where}: the right output of this problem, {text[-80:]!r}, would be scored wrong in {', '.join(wrong)}: "
            "answers and facts need letters or digits, and a single answer must not look like a list (brackets, "
            "quoted texts with commas): write it in words"
        )


def _checked(where: str, row: dict[str, Any]) -> dict[str, Any]:
    if missing := [name for name in NEEDED if name not in row]:
        raise ValueError(f"{where}: {', '.join(missing)} missing: every problem needs {', '.join(NEEDED)}")
    for name in ("id", "question", "category"):
        if not isinstance(row[name], str) or not row[name].strip():
            raise ValueError(f"{where}: {name} is {row[name]!r}, expected a text that is not empty")
    for name in ("context", "answers"):
        if (
            not isinstance(row[name], list)
            or not row[name]
            or not all(isinstance(text, str) and text.strip() for text in row[name])
        ):
            raise ValueError(f"{where}: {name} is {str(row[name])[:60]!r}, expected a list of texts, at least one")
    if "|" in row["category"]:
        raise ValueError(f"{where}: category is {row['category']!r}, expected a label without '|'")
    if row.get("split") not in (None, "train", "test"):
        raise ValueError(f"{where}: split is {row['split']!r}, expected 'train', 'test', or none")
    for i in row["evidence"] if isinstance(row["evidence"], list) else [row["evidence"]]:
        if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < len(row["context"]):
            raise ValueError(
                f"{where}: evidence {i!r} is no index into a context of {len(row['context'])} facts, "
                f"expected whole numbers from 0 to {len(row['context']) - 1}"
            )
    return row


def _problem(dataset: str, row: dict[str, Any], split: str, labels: dict[str, str]) -> Problem:
    evidence = row["evidence"] if isinstance(row["evidence"], list) else [row["evidence"]]
    return Problem(
        f"{dataset}/{row['category']}/{row['id']}",
        dataset,
        row["category"],
        tuple(row["context"]),
        row["question"],
        tuple(row["answers"]),
        tuple(sorted(set(evidence))),
        row.get("split") or split,
        labels,
    )


def _warnings(problem: Problem) -> set[str]:
    found = set()
    whole = " ".join(f" {same(fact)} " for fact in problem.facts)
    if not problem.evidence:
        found.add("no evidence: their right traces state an empty list")
    elif any(f" {same(answer)} " not in whole for answer in problem.answers):
        found.add("an answer stands in none of its evidence facts")
    if any(mark in text for mark in _BROKEN for text in (*problem.context, problem.question, *problem.answers)):
        found.add("text looks as if read in the wrong encoding (such as 'Ã©' for 'é')")
    return found


def read_rules(path: str | Path) -> Rules:
    """Import ``classify`` and ``retrieve`` from a Python file; either may be missing, not both.

    Raises:
        ValueError: the file defines neither.
    """
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rules = Rules(getattr(module, "classify", None), getattr(module, "retrieve", None))
    if rules.classify is None and rules.retrieve is None:
        raise ValueError(f"{path} defines neither classify nor retrieve: expected at least one function of a problem")
    return rules
