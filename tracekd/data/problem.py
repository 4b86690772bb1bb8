"""The one record of a question with its gold steps, and the file form in which a run stores it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tracekd.io.records import numbered_jsonl

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
    """One open-book question with its gold steps.

    Attributes:
        id: the key of every join: ``dataset/category/number``, such as ``cotempqa/mix/0042``.
        dataset: ``cotempqa``, ``marco``, ``babi`` or the name of a custom set.
        category: gold label of the classification step.
        context: the facts, sentences or passages, in their order.
        question: the question as asked.
        answers: one or more gold answers, in any order.
        evidence: indices into ``context`` of the gold facts; empty where nothing answers (MS MARCO).
        split: ``train`` or ``test``.
        meta: what a set knows beside that, such as CoTempQA's ``triple_element``.
    """

    id: str
    dataset: str
    category: str
    context: tuple[str, ...]
    question: str
    answers: tuple[str, ...]
    evidence: tuple[int, ...]
    split: str
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> tuple[str, ...]:
        """The gold facts themselves, in context order."""
        return tuple(self.context[i] for i in self.evidence)


def build(path: object, rows: Iterable[tuple[int, T]], make: Callable[[T], P], unique: bool = True) -> Iterator[P]:
    """What ``make`` makes of numbered rows: problems, or None; its ``ValueError`` gets file and line put in front.

    So has one for a number in the set that came before, unless these need not be ``unique``.
    """
    lines: dict[str, int] = {}
    for line, row in rows:
        with at(f"{path}, line {line}"):
            problem = make(row)
            if unique and lines.setdefault(number := problem.id.split("/", 2)[2], line) != line:
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


_KINDS = dict.fromkeys(("id", "dataset", "category", "question", "split"), str) | {"meta": dict}
_ITEMS = {"context": str, "answers": str, "evidence": int}


def as_row(problem: Problem) -> dict:
    """A problem as a JSON-ready dictionary."""
    return {**problem.__dict__, "meta": dict(problem.meta)}


def read_problems(path: str | Path) -> list[Problem]:
    """Read problems as ``as_row`` writes them; ``ValueError`` where a field is missing, unknown or of another type."""
    return list(build(path, numbered_jsonl(path), _stored, unique=False))


def _stored(row: dict) -> Problem:
    for name in sorted({*_KINDS, *_ITEMS, *row}):
        value, item = row.get(name), _ITEMS.get(name)
        listed = item and isinstance(value, list) and all(type(one) is item for one in value)
        expect(listed or isinstance(value, _KINDS.get(name, ())), name, value, "a field as runs store it")
    return Problem(**{**row, **{name: tuple(row[name]) for name in _ITEMS}})
