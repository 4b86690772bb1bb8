"""Read a teacher's texts from files: our own form, DeepSeek-R1's texts on CoTempQA, and the release's R1 files.

The form of each row follows from its columns. Rows of our own form name their problem by id. The others are joined to
a problem by question and set of facts; a row that is on no problem at hand, but holds one whole, adds it to training.
"""

from __future__ import annotations

import ast
import csv
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tracekd.corrupt import same
from tracekd.freeform import Texts, clean, fingerprint
from tracekd.load_cotempqa import cotempqa_problem
from tracekd.problems import CATEGORIES, Problem
from tracekd.records import numbered_jsonl, open_text
from tracekd.score import split_output
from tracekd.traces import read as read_steps

R1 = "DeepSeek-R1"
# Column of an R1 file to the text that it holds. The release explains in an answer of its own (r1_exp_ans); its
# r1_exp_trace is what R1 thought before it wrote that.
COLUMNS = {
    "r1_trace": "trace", "r1_summary": "summary", "r1_trace_summary": "summary", "r1_explanation": "explanation",
    "r1_exp_ans": "explanation", "r1_prediction": "answer", "prediction": "answer",
}  # fmt: skip
FORMS = (
    "rows with id, teacher, trace (ours); with question, facts, r1_trace (R1 files); or with messages or prompt and "
    "completion (SFT files on R1's texts)"
)
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


def files(path: str | Path) -> list[Path]:
    """The files of texts at ``path``: itself, or what a folder holds.

    Raises:
        ValueError: the folder has no such file.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.name.removesuffix(".gz").endswith((".jsonl", ".json", ".csv")))
    if not found:
        raise ValueError(f"{path}: no .jsonl, .json or .csv file of texts in it: expected {FORMS}")
    return found


def read(path: str | Path, problems: Iterable[Problem]) -> Found:
    """Read a file or folder of texts and join them to ``problems``.

    Args:
        path: one file, or a folder whose files complete one another (one with summaries, one with explanations).
        problems: what the texts may be on, all splits. Rows on other data sets are passed over.

    Raises:
        ValueError: a row that cannot be read, an unknown form, or two different texts of one kind on one problem; the
            message names file, line and field.
    """
    join, found, rows = _Join(problems), Found(), {}
    for file in files(path):
        seen: dict[str, int] = {}
        for number, row in _rows(file):
            place = f"{file.name}, line {number}"
            text = _text(row, file, place, found)
            name = join.id_of(row, text, file, place, found)
            if name is None:
                continue
            if name in seen:
                raise ValueError(f"{place}: {name} has more than one text, first in line {seen[name]}: keep one")
            seen[name] = number
            text = replace(text, id=name, problem=text.problem or join.prints.get(name, ""))
            rows[name] = _merged(rows[name], text, place) if name in rows else text
    found.texts = list(rows.values())
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, row) of JSON lines or CSV."""
    try:
        yield from _lines(path)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path.name} cannot be read as UTF-8 text: {error}") from error


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.name.removesuffix(".gz").endswith(".csv"):
        yield from numbered_jsonl(path)
        return
    with open_text(path) as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                yield reader.line_num, {name: value for name, value in row.items() if name and value is not None}
        except csv.Error as error:
            raise ValueError(f"{path.name}, line {reader.line_num}: not CSV ({error})") from error


def _text(row: Mapping[str, Any], path: Path, place: str, found: Found) -> Texts:
    """One row's texts, clean, with their id where the row has it."""
    if {"id", "trace"} <= row.keys():
        if unknown := set(row) - set(_OWN):
            raise ValueError(f"{place}: unknown field {min(unknown)!r}; fields are {', '.join(_OWN)}")
        parts = dict(row)
    elif "r1_trace" in row:
        parts = {COLUMNS[name]: value for name, value in row.items() if name in COLUMNS}
    elif "messages" in row or {"prompt", "completion"} <= row.keys():
        parts = _target(row, path, place)
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
    return Texts(**{"trace": "", **parts})


def _cleaned(name: str, value: str, place: str, found: Found) -> str:
    """A text without the tags that mark trace and answer in a target; a whole trace may stand within think tags."""
    head, _, rest = value.partition("</think>")
    if name == "trace" and rest.strip():
        raise ValueError(f"{place}: {name} goes on after </think> with {rest.strip()[:40]!r}: give the trace alone")
    made = clean(head if name == "trace" else value)
    try:
        made.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{place}: {name} has half a character at {error.start} (a lone surrogate)") from error
    if made != value.strip():
        found.cleaned.append(f"{place}, {name}")
    return made


def _target(row: Mapping[str, Any], path: Path, place: str) -> dict[str, str]:
    """Texts of a row of an SFT file: its target's trace, told by the file's name, and the taught answer.

    Raises:
        ValueError: a swapped set (its traces are other problems'), or a trace of the two steps, which no teacher wrote.
    """
    name = path.name.lower()
    if "swap" in name:
        raise ValueError(
            f"{path.name}: traces of a swapped set belong to other problems; give the set that was swapped"
        )
    _, target = _turns(row, place)
    trace = split_output(target)[1]
    answer = re.sub(
        r"^.*<answer>|</answer>\s*$", "", target, flags=re.DOTALL
    ).strip()  # to the letter, unlike a verdict
    if read_steps(trace or "")[0]:
        raise ValueError(f"{place}: the trace states label and facts in the rules' words: no text of a teacher")
    kind = "summary" if "summ" in name else "explanation" if "expl" in name or "_exp" in name else "trace"
    return {kind: trace or "", "answer": answer or ""}


def _turns(row: Mapping[str, Any], place: str) -> tuple[str, str]:
    """Prompt and target of a row of an SFT file; each a text, or turns as ``messages`` are."""
    names = ["messages"] if "messages" in row else ["prompt", "completion"]
    turns: list[Any] = []
    for name, role in zip(names, ("user", "assistant"), strict=False):
        said = row[name]
        plain = isinstance(said, str) and name != "messages"
        turns += [{"role": role, "content": said}] if plain else _literal(said, name, place)
    by_role = {turn.get("role"): turn.get("content") for turn in turns if isinstance(turn, dict)}
    said = by_role.get("user"), by_role.get("assistant")
    if not all(isinstance(text, str) for text in said):
        raise ValueError(f"{place}: {' and '.join(names)} have no text of user and assistant: {turns!r:.60}")
    return said


def _literal(value: Any, name: str, place: str) -> list:
    """A list, or the text of one, as JSON or as Python writes it."""
    for parse in (json.loads, ast.literal_eval):
        if isinstance(value, list):
            return value
        try:
            value = parse(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    if isinstance(value, list):
        return value
    raise ValueError(f"{place}: {name} is {value!r:.60}, expected a list")


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

    def id_of(self, row: Mapping[str, Any], text: Texts, path: Path, place: str, found: Found) -> str | None:
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
    """Question and facts of a row, from its columns or from its prompt."""
    if "question" in row and "facts" in row:
        question, facts = row["question"], _literal(row["facts"], "facts", place)
    elif "r1_trace" in row:
        raise ValueError(
            f"{place}: {'facts' if 'question' in row else 'question'} is missing: the row cannot be joined"
        )
    else:
        lines = _turns(row, place)[0].strip().splitlines()
        question = lines[-1].removeprefix("Question:").strip().removesuffix("Only return the answer.").strip()
        facts = lines[1:-1]
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f"{place}: question is {question!r:.60}, expected a text")
    if not facts or not all(isinstance(fact, str) for fact in facts):
        raise ValueError(f"{place}: facts is {facts!r:.60}, expected a list of texts")
    return question, list(facts)
