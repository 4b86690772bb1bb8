"""Read a teacher's texts from JSON-lines files: our own form, and DeepSeek-R1's texts on CoTempQA.

Rows of our own form name their problem by id. R1's are joined by question and set of facts; a row that is on no problem
at hand, but holds one whole, adds it to training.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tracekd.data.load_cotempqa import cotempqa_problem
from tracekd.data.problem import CATEGORIES, Problem
from tracekd.io.records import numbered_jsonl
from tracekd.traces.corruption import same
from tracekd.traces.freeform import Texts, clean, fingerprint

R1 = "DeepSeek-R1"
# Column of an R1 file to the text that it holds. The release explains in an answer of its own (r1_exp_ans); its
# r1_exp_trace is what R1 thought before it wrote that.
COLUMNS = {
    "r1_trace": "trace", "r1_summary": "summary", "r1_trace_summary": "summary", "r1_explanation": "explanation",
    "r1_exp_ans": "explanation", "r1_prediction": "answer", "prediction": "answer",
}  # fmt: skip
FORMS = "rows with id, teacher, trace (ours), or with question, facts, r1_trace (R1 files)"
_OWN = tuple(f.name for f in fields(Texts))
_TEXTS = ("trace", "summary", "explanation", "answer")


@dataclass
class Found:
    """What ``read`` found.

    Attributes:
        texts: one ``Texts`` a problem, in the order of the files.
        added: training problems that the rows hold whole and the data source lacks.
        left_out: a line for each row that is on no problem, with its place.
        cleaned: places of texts that tags were taken out of.
    """

    texts: list[Texts] = field(default_factory=list)
    added: list[Problem] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    cleaned: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """What a reader must know, in one line."""
        parts = [f"{len(self.texts)} problems have texts by {' and '.join(sorted({t.teacher for t in self.texts}))}"]
        if self.added:
            parts.append(f"{len(self.added)} of them are not in the data source and are added to its training problems")
        if self.cleaned:
            parts.append(f"tags were taken out of {len(self.cleaned)} texts, first {self.cleaned[0]}")
        if self.left_out:
            parts.append(f"{len(self.left_out)} rows are left out, first {self.left_out[0]}")
        return "; ".join(parts)


def read(path: str | Path, problems: Iterable[Problem]) -> Found:
    """Read a file or folder of texts and join them to ``problems``.

    Args:
        path: one file, or a folder whose files complete one another (one with summaries, one with explanations).
        problems: what the texts may be on, all splits. Rows on other data sets are passed over.

    Raises:
        ValueError: a row that cannot be read, an unknown form, or two different texts of one kind on one problem; the
            message names file, line and field.
    """
    join, found, rows, path = _Join(problems), Found(), {}, Path(path)
    files = sorted(p for p in path.iterdir() if p.suffix in (".jsonl", ".gz")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path}: no .jsonl file of texts in it: expected {FORMS}")
    for file in files:
        seen: dict[str, int] = {}
        for number, row in numbered_jsonl(file):
            place = f"{file.name}, line {number}"
            text = _text(row, place, found)
            name = join.id_of(row, text, place, found)
            if name is None:
                continue
            if name in seen:
                raise ValueError(f"{place}: {name} has more than one text, first in line {seen[name]}: keep one")
            seen[name] = number
            text = replace(text, id=name, problem=text.problem or join.prints.get(name, ""))
            rows[name] = _merged(rows[name], text, place) if name in rows else text
    found.texts = list(rows.values())
    return found


def _text(row: Mapping[str, Any], place: str, found: Found) -> Texts:
    """One row's texts, clean, with their id where the row has it."""
    if {"id", "trace"} <= row.keys():
        if unknown := set(row) - set(_OWN):
            raise ValueError(f"{place}: unknown field {min(unknown)!r}; fields are {', '.join(_OWN)}")
        parts = dict(row)
    elif "r1_trace" in row:
        parts = {COLUMNS[name]: value for name, value in row.items() if name in COLUMNS}
    else:
        raise ValueError(f"{place}: columns {', '.join(map(str, row))}: expected {FORMS}")
    parts = {"id": "", "teacher": R1, **parts}
    for name, value in parts.items():
        if not isinstance(value, str):
            raise ValueError(f"{place}: {name} is {value!r:.60}, expected a text")
        if name in _TEXTS:
            parts[name] = _cleaned(name, value, place, found)
    if not any(parts.get(name) for name in _TEXTS):
        raise ValueError(f"{place}: trace is empty, and so is every other text: leave the row out")
    return Texts(**parts)


def _cleaned(name: str, value: str, place: str, found: Found) -> str:
    """A text without the tags that mark trace and answer in a target; a whole trace may stand within think tags."""
    head, _, rest = value.partition("</think>")
    if name == "trace" and rest.strip():
        raise ValueError(f"{place}: {name} goes on after </think> with {rest.strip()[:40]!r}: give the trace alone")
    made = clean(head if name == "trace" else value)
    if made != value.strip():
        found.cleaned.append(f"{place}, {name}")
    return made


def _merged(first: Texts, second: Texts, place: str) -> Texts:
    """Two rows on one problem as one, each giving what the other lacks."""
    for name in _TEXTS:
        one, other = getattr(first, name), getattr(second, name)
        if one and other and one != other:
            raise ValueError(f"{place}: another file has a different {name} on {first.id}: give one of the two")
    return replace(first, **{name: getattr(first, name) or getattr(second, name) for name in _TEXTS})


class _Join:
    """Finds the problem that a row is on."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        problems = list(problems)
        self.datasets = {p.dataset for p in problems}
        self.prints = {p.id: fingerprint(p) for p in problems}
        self.known = {_key(p.question, p.context): p.id for p in problems}

    def id_of(self, row: Mapping[str, Any], text: Texts, place: str, found: Found) -> str | None:
        """The id of the row's problem; None where there is none, which is then counted unless of another data set."""
        if text.id:
            if text.id in self.prints:
                return text.id
            if text.id.partition("/")[0] in self.datasets:
                found.left_out.append(f"{place}: no problem {text.id} in this data source")
            return None
        question, facts = _asked(row, place)
        key = _key(question, facts)
        if key not in self.known:
            self._add(row, key, facts, place, found)
        if key not in self.known:
            found.left_out.append(f"{place}: no problem at hand has the question {question!r:.80} and these facts")
        return self.known.get(key)

    def _add(self, row: Mapping[str, Any], key, facts: Sequence[str], place: str, found: Found) -> None:
        """Add the problem that the row holds, if it holds it whole: gold answer, form of the triple and category."""
        answers = row.get("answer")
        whole = isinstance(answers, list) and answers and all(isinstance(a, str) for a in answers)
        if not whole or "cotempqa" not in self.datasets or not isinstance(row.get("triple_element"), str):
            return
        if (category := row.get("category")) not in CATEGORIES["cotempqa"]:
            raise ValueError(f"{place}: category is {category!r}, expected {', '.join(CATEGORIES['cotempqa'])}")
        made = cotempqa_problem({**row, "facts": facts}, category, 0, "train")
        # Its number in the set's own files is not known; this one is stable, and no number of theirs.
        made = replace(made, id=f"cotempqa/{category}/r1-{fingerprint(made)[:8]}")
        self.known[key], self.prints[made.id] = made.id, fingerprint(made)
        found.added.append(made)


def _key(question: str, facts: Iterable[str]) -> tuple[str, frozenset[str]]:
    return same(question), frozenset(map(same, facts))


def _asked(row: Mapping[str, Any], place: str) -> tuple[str, list[str]]:
    """Question and facts of an R1 row; the facts are a list, or the text of one as JSON or Python writes it."""
    question, facts = row.get("question"), row.get("facts")
    for parse in (json.loads, ast.literal_eval) if isinstance(facts, str) else ():
        try:
            facts = parse(facts)
            break
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f"{place}: question is {question!r:.60}, expected a text")
    if not isinstance(facts, list) or not facts or not all(isinstance(fact, str) for fact in facts):
        raise ValueError(f"{place}: facts is {facts!r:.60}, expected a list of texts")
    return question, facts
