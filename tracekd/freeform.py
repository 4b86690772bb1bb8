"""Free-form traces: a teacher's deliberation, its summary, a post-hoc explanation, and another problem's trace.

Texts come from a teacher (``tracekd.teacher``), from the authors' R1 files, or from rules (``tracekd.templated``).
They are kept as JSON lines, one problem a line: ``id``, ``teacher``, ``trace``, ``summary``, ``explanation``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracekd import templated
from tracekd.corrupt import generator, same
from tracekd.problems import Problem
from tracekd.records import read_jsonl, write_jsonl
from tracekd.traces import Trace

if TYPE_CHECKING:
    import pandas as pd

# Condition to the text that it takes; swapped takes another problem's deliberation.
CONDITIONS = {"r1": "trace", "r1_summary": "summary", "r1_explanation": "explanation", "swapped": "trace"}


def longhand(condition: str, teacher: str) -> str:
    """A training condition as tables and figures name it: ``r1 (templated)`` where rules wrote its traces."""
    return f"{condition} ({teacher})" if teacher else condition


def spelled(frame: pd.DataFrame, teachers: Mapping[tuple[str, str], str] | None = None) -> pd.DataFrame:
    """``frame`` with its conditions in longhand.

    Args:
        frame: with the columns ``dataset`` and ``condition``.
        teachers: who wrote the traces of (data set, condition), of ``sft.teachers``; None: the frame's column
            ``teacher`` says it.
    """
    pairs = zip(frame.dataset, frame.condition, strict=True)
    names = frame.teacher if teachers is None else [teachers.get(pair, "") for pair in pairs]
    named = [longhand(str(c), t) for c, t in zip(frame.condition, names, strict=True)]
    return frame.assign(condition=named)


@dataclass(frozen=True)
class Texts:
    """What a teacher wrote on one problem that it answered right.

    Attributes:
        id: the problem's id.
        teacher: who wrote it: a model's name, or ``templated`` for the rules.
        trace, summary, explanation: the texts; empty where there is none.
    """

    id: str
    teacher: str
    trace: str
    summary: str = ""
    explanation: str = ""


def from_rules(problems: Iterable[Problem], seed: int = 0) -> list[Texts]:
    """Templated texts for the problems that the rules answer right; the others have none."""
    pairs = ((p, templated.write(p, seed)) for p in problems)
    return [Texts(p.id, templated.TEACHER, w.trace, w.summary, w.explanation) for p, w in pairs if w]


def keep(path: str | Path, texts: Iterable[Texts]) -> int:
    """Write texts as JSON lines; return how many."""
    return write_jsonl(path, map(asdict, texts))


def read_texts(path: str | Path) -> list[Texts]:
    """Read texts that ``keep`` wrote.

    Raises:
        ValueError: a field is missing or unknown; the message names file and field.
    """
    try:
        return [Texts(**row) for row in read_jsonl(path)]
    except TypeError as error:
        raise ValueError(f"{path}: {error}; fields needed: id, teacher, trace, summary, explanation") from error


def read_r1(path: str | Path, problems: Iterable[Problem]) -> tuple[list[Texts], int]:
    """Read one of the authors' R1 files and join it to problems by question and context.

    The files hold ``r1_trace`` with ``r1_trace_summary``, or with ``r1_exp_trace``, the post-hoc explanation.

    Returns:
        The texts, and the number of rows whose problem is not among ``problems``.
    """
    known = {(same(p.question), frozenset(map(same, p.context))): p.id for p in problems}
    found, missing = [], 0
    for row in read_jsonl(path):
        if "r1_trace" not in row:
            raise ValueError(
                f"{path}: a row has no 'r1_trace', only {', '.join(row)}: not one of the authors' R1 files"
            )
        name = known.get((same(row["question"]), frozenset(map(same, row["facts"]))))
        if name is None:
            missing += 1
            continue
        texts = (row["r1_trace"], row.get("r1_trace_summary", ""), row.get("r1_exp_trace", ""))
        found.append(Texts(name, "deepseek-r1", *map(str.strip, texts)))
    return found, missing


def build_all(
    problems: Sequence[Problem], condition: str, texts: Iterable[Texts], *, seed: int = 0, same_category: bool = False
) -> dict[str, Trace]:
    """Free-form traces for the problems that have texts, by problem id.

    Args:
        problems: the problems to build for.
        condition: ``r1``, ``r1_summary``, ``r1_explanation`` or ``swapped``.
        texts: of a teacher; only those on ``problems`` are used, for ``swapped`` too.
        seed: of the swap.
        same_category: swap within a category only; else over the whole data set.

    Raises:
        ValueError: unknown condition, a text that is empty, or a swap among fewer than two problems.
    """
    if condition not in CONDITIONS:
        raise ValueError(f"condition {condition!r} is not free-form: expected one of {', '.join(CONDITIONS)}")
    by_id = {text.id: text for text in texts}
    wanted = [p for p in problems if p.id in by_id]
    if condition == "swapped":
        others = swap(wanted, seed, same_category)
        return {p.id: _taken(condition, by_id[others[p.id]]) for p in wanted}
    made = {p.id: _taken(condition, by_id[p.id]) for p in wanted}
    if empty := [name for name, trace in made.items() if not trace.text]:
        raise ValueError(
            f"{len(empty)} texts have no {CONDITIONS[condition]}, first {empty[0]}: ask the teacher for it"
        )
    return made


def _taken(condition: str, text: Texts) -> Trace:
    return Trace(condition, getattr(text, CONDITIONS[condition]), teacher=text.teacher)


def swap(problems: Sequence[Problem], seed: int = 0, same_category: bool = False) -> dict[str, str]:
    """Give every problem another one's id, never its own; each id is given once.

    The problems of a group are put in an order that the seed and their ids decide, whatever order they came in, and
    each takes the next one's. Groups are data sets, or categories within them.

    Raises:
        ValueError: a group has only one problem.
    """
    groups: dict[tuple[str, ...], list[Problem]] = {}
    for p in problems:
        groups.setdefault((p.dataset, p.category) if same_category else (p.dataset,), []).append(p)
    given = {}
    for key, group in groups.items():
        if len(group) < 2:
            raise ValueError(
                f"nothing to swap with: {'/'.join(key)} has only {group[0].id}; add problems or swap over all"
            )
        ring = sorted(group, key=lambda p: generator(seed, p.id, "swap").random())
        given.update({p.id: other.id for p, other in zip(ring, [*ring[1:], ring[0]], strict=True)})
    return given
