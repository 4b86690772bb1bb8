"""The one record of a question with its gold steps; its file form; splits, and draws that keep the shares."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from tracekd.io.records import numbered_jsonl

log = logging.getLogger(__name__)
T, P = TypeVar("T"), TypeVar("P")

DATASETS = ("cotempqa", "marco", "babi")

# The labels of the classification step, in the order in which tables show them.
CATEGORIES = {
    "cotempqa": ("equal", "overlap", "during", "mix"),
    "marco": ("DESCRIPTION", "NUMERIC", "ENTITY", "LOCATION", "PERSON"),
    "babi": (
        "single-supporting-fact", "two-supporting-facts", "two-arg-relations", "counting", "lists-sets", "conjunction",
        "time-reasoning", "basic-deduction", "basic-induction", "positional-reasoning", "size-reasoning",
    ),
}  # fmt: skip


class DataUnavailable(RuntimeError):
    """A data set cannot be had from the named source; the message says what to do."""


@dataclass(frozen=True)
class Problem:
    """One open-book question with its gold steps."""

    id: str  # the key of every join: ``dataset/category/number``, such as ``cotempqa/mix/0042``
    dataset: str  # ``cotempqa``, ``marco``, ``babi`` or the name of your own set
    category: str  # gold label of the classification step
    context: tuple[str, ...]  # the facts, sentences or passages, in their order
    question: str
    answers: tuple[str, ...]  # one or more gold answers, in any order
    evidence: tuple[int, ...]  # indices into ``context`` of the gold facts; empty where nothing answers (MS MARCO)
    split: str  # ``train`` or ``test``
    meta: Mapping[str, str] = field(default_factory=dict)  # what a set knows beside that

    @property
    def facts(self) -> tuple[str, ...]:
        """The gold facts themselves, in context order."""
        return tuple(self.context[i] for i in self.evidence)


def build(path: object, rows: Iterable[tuple[int, T]], make: Callable[[T], P], unique: bool = True) -> Iterator[P]:
    """What ``make`` makes of numbered rows; errors, and a number that comes twice (``unique``), get file and line."""
    lines: dict[str, int] = {}
    for line, row in rows:
        with at(f"{path}, line {line}"):
            problem = make(row)
            if unique:
                number = problem.id.removeprefix(f"{problem.dataset}/{problem.category}/")
                if lines.setdefault(number, line) != line:
                    raise ValueError(f"{number!r} is in line {lines[number]} too: each comes once")
        yield problem


@contextmanager
def at(place: str) -> Iterator[None]:
    """Name the place (file and line) in front of the message of a ``ValueError``."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def expect(right: object, name: str, value: object, expected: str) -> None:
    """Raise a ``ValueError`` that names a field, its value and what was expected, unless it is ``right``."""
    if not right:
        raise ValueError(f"{name} is {repr(value)[:80]}, expected {expected}")


def are_texts(value: object) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def check_fields(row: Mapping, texts: Sequence[str], lists: Sequence[str]) -> None:
    """Raise a ``ValueError`` unless the fields of a row hold texts, or lists of texts, that are not empty."""
    if missing := [name for name in (*texts, *lists) if name not in row]:
        raise ValueError(f"{', '.join(missing)} missing: expected {', '.join((*texts, *lists))}")
    for name in texts:
        expect(are_texts([row[name]]) and row[name].strip(), name, row[name], "a text that is not empty")
    for name in lists:
        right = are_texts(row[name]) and row[name] and all(map(str.strip, row[name]))
        expect(right, name, row[name], "a list of texts, at least one")


_FIELDS = dict.fromkeys(("id", "dataset", "category", "question", "split"), str) | {"meta": dict}
_LISTS = {"context": str, "answers": str, "evidence": int}


def as_row(problem: Problem) -> dict:
    """A problem as a JSON-ready dictionary."""
    return {**problem.__dict__, "meta": dict(problem.meta)}


def read_problems(path: str | Path) -> list[Problem]:
    """Read problems as ``as_row`` writes them; ``ValueError`` (file, line) for a missing, unknown or wrong field."""
    return list(build(path, numbered_jsonl(path), _stored, unique=False))


def _stored(row: dict) -> Problem:
    for name in sorted({*_FIELDS, *_LISTS, *row}):
        value, item = row.get(name), _LISTS.get(name)
        listed = item and isinstance(value, list) and all(type(one) is item for one in value)
        filled = listed and (value or name == "evidence")
        expect(filled or isinstance(value, _FIELDS.get(name, ())), name, value, "a field as runs store it")
    return check([Problem(**row | {name: tuple(row[name]) for name in _LISTS})])[0]  # so that an error has its line


def key(problem: Problem) -> tuple[frozenset[str], str]:
    """What makes two problems the same: the question, and the set of context sentences in any order."""
    return frozenset(problem.context), problem.question


def drop_leaks(problems: list[Problem]) -> list[Problem]:
    """Drop training problems that are in the test split too, and repeated training problems; log how many.

    The test split stays as it is. A training problem is a repeat where question and context agree, in order.
    """
    test = {key(p) for p in problems if p.split == "test"}
    clean = [p for p in problems if p.split == "test" or key(p) not in test]
    first = {(p.context, p.question): p for p in reversed(clean) if p.split == "train"}
    left = [p for p in clean if p.split == "test" or first[p.context, p.question] is p]
    if dropped := len(problems) - len(left):
        text = "%s: %d training problems left out: %d are test problems (in any order of sentences), %d duplicates"
        log.warning(text, problems[0].dataset, dropped, len(problems) - len(clean), len(clean) - len(left))
    return left


def near_duplicate_lines(train: Mapping[str, list[Problem]], test: Mapping[str, list[Problem]]) -> str:
    """How many test problems of each set have the question and gold facts of a training problem, a line each."""
    said = "- **{}**: {} of {} test problems ({:.1f}%) have the question and the gold facts of a training problem."
    lines = []
    for dataset, asked in test.items():
        known = {(p.facts, p.question) for p in train[dataset]}
        twins = sum((p.facts, p.question) in known for p in asked)
        lines.append(said.format(dataset, twins, len(asked), 100 * twins / max(len(asked), 1)))
    return "\n".join(lines)


def check(problems: list[Problem]) -> list[Problem]:
    """Return ``problems``; ``ValueError`` if an id repeats, evidence is out of range or a problem is in both splits."""
    if repeated := [i for i, n in Counter(p.id for p in problems).items() if n > 1]:
        raise ValueError(f"{len(repeated)} ids are given twice, first {repeated[0]!r}: every problem needs its own")
    for p in problems:
        with at(p.id):
            right = all(0 <= i < len(p.context) for i in p.evidence)
            expect(right, "evidence", p.evidence, f"indices into a context of {len(p.context)} facts")
            expect(p.split in ("train", "test"), "split", p.split, "'train' or 'test'")
    train, test = ({key(p) for p in problems if p.split == split} for split in ("train", "test"))
    if both := train & test:
        raise ValueError(f"{len(both)} problems are in both splits, such as the question {next(iter(both))[1]!r}")
    return problems


def count_labels(problems: list[Problem]) -> list[Problem]:
    """The problems with the training labels and their counts in ``meta``: one never right would be a giveaway."""
    counts = Counter(p.category for p in problems if p.split == "train") or Counter(p.category for p in problems)
    names, sizes = zip(*sorted(counts.items()), strict=True) if counts else ((), ())
    labels = {"labels": "|".join(names), "label_counts": "|".join(map(str, sizes))}
    return [replace(p, meta={**p.meta, **labels}) for p in problems]


def paper_split(problems: list[Problem], shares: Mapping[str, float] | None = None, least: int = 0) -> list[Problem]:
    """Problems with a split where they have none: by category ``DataFrame.sample(frac=0.2, random_state=42)``.

    In a category that has test problems already none is drawn: the others are training problems.
    ``shares`` are other shares of test problems by category, ``least`` their least number in a category of two or more.
    """
    split = pd.Series("train", range(len(problems)))
    for category, rows in split.groupby(pd.Series([p.category for p in problems], dtype=object), sort=False):
        if any(problems[i].split == "test" for i in rows.index):
            continue
        size = max(round((shares or {}).get(category, 0.2) * len(rows)), least if len(rows) > 1 else 0)
        split[rows.index[rows.reset_index(drop=True).sample(n=size, random_state=42).index]] = "test"
    return [replace(p, split=p.split or part) for p, part in zip(problems, split, strict=True)]


def select(problems: list[Problem], size: int | str, rng) -> list[Problem]:
    """Draw ``size`` problems (or ``all``) in random order, with category shares kept (systematic sampling)."""
    order = [problems[i] for i in rng.permutation(len(problems))]
    if size != "all" and int(size) < len(order):
        order.sort(key=lambda p: p.category)
        step, start = len(order) / int(size), rng.random()
        order = [order[min(int((i + start) * step), len(order) - 1)] for i in range(int(size))]
        order = [order[i] for i in rng.permutation(len(order))]
    return order
