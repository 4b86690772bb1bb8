"""Free-form traces: a teacher's deliberation, its summary, a post-hoc explanation, and another problem's trace.

Texts come from a teacher (``tracekd.teacher``), from the authors' R1 files, or from rules (``tracekd.templated``).
They are kept as JSON lines, one problem a line: ``id``, ``teacher``, ``trace``, ``summary``, ``explanation``,
``problem``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracekd import templated
from tracekd.corrupt import generator, same
from tracekd.problems import Problem
from tracekd.records import read_jsonl, sha256, write_jsonl
from tracekd.traces import Trace

if TYPE_CHECKING:
    import pandas as pd

# Condition to the text that it takes; swapped takes another problem's deliberation.
TAGS = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
CONDITIONS = {"r1": "trace", "r1_summary": "summary", "r1_explanation": "explanation", "swapped": "trace"}


def longhand(condition: str, teacher: str) -> str:
    """A training condition as tables and figures name it: ``r1 (templated)`` where rules wrote its traces."""
    return f"{condition} ({teacher})" if teacher else condition


def with_teacher(frame: pd.DataFrame, teachers: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """``frame``, which has ``dataset`` and ``condition``, with the column ``teacher``.

    Args:
        frame: any.
        teachers: who wrote the traces of (data set, condition), of ``sft.teachers``; "" for those not named.
    """
    pairs = zip(frame.dataset, frame.condition, strict=True)
    return frame.assign(teacher=[teachers.get(pair, "") for pair in pairs])


def spelled(frame: pd.DataFrame, teachers: Mapping[tuple[str, str], str] | None = None) -> pd.DataFrame:
    """``frame`` with its conditions in longhand and without the column ``teacher``, which it needs or gets first."""
    frame = frame if teachers is None else with_teacher(frame, teachers)
    named = [longhand(str(c), t) for c, t in zip(frame.condition, frame.teacher, strict=True)]
    return frame.assign(condition=named).drop(columns="teacher")


@dataclass(frozen=True)
class Texts:
    """What a teacher wrote on one problem that it answered right.

    Attributes:
        id: the problem's id.
        teacher: who wrote it: a model's name, or ``templated`` for the rules.
        trace, summary, explanation: the texts; empty where there is none.
        problem: ``fingerprint`` of the problem as the teacher saw it; "" is not checked.
    """

    id: str
    teacher: str
    trace: str
    summary: str = ""
    explanation: str = ""
    problem: str = ""


def fingerprint(problem: Problem) -> str:
    """A hash of context and question: generated problems of another seed, and real ones, have the same ids."""
    return sha256([list(problem.context), problem.question])[:16]


def from_rules(problems: Iterable[Problem], seed: int = 0) -> list[Texts]:
    """Templated texts for the problems that the rules answer right; the others have none."""
    pairs = ((p, templated.write(p, seed)) for p in problems)
    return [Texts(p.id, templated.TEACHER, w.trace, w.summary, w.explanation, fingerprint(p)) for p, w in pairs if w]


def keep(path: str | Path, texts: Iterable[Texts]) -> int:
    """Write texts as JSON lines; return how many."""
    return write_jsonl(path, map(asdict, texts))


def read_texts(path: str | Path) -> list[Texts]:
    """Read texts that ``keep`` wrote.

    Raises:
        ValueError: a field is missing or unknown, an id stands twice, or a text has one of the tags that mark trace and
            answer in a target; the message names file and field or id.
    """
    try:
        texts = [Texts(**row) for row in read_jsonl(path)]
    except TypeError as error:
        raise ValueError(f"{path}: {error}; fields needed: id, teacher, trace, summary, explanation") from error
    ids = Counter(text.id for text in texts)
    if len(ids) < len(texts):
        raise ValueError(f"{path}: {ids.most_common(1)[0][0]} has more than one text: keep one a problem")
    for text in texts:
        if tag := TAGS.search(f"{text.trace} {text.summary} {text.explanation}"):
            raise ValueError(f"{path}: {text.id} has {tag[0]} within a text: take it out, targets are cut at such tags")
    return texts


def read_r1(path: str | Path, problems: Iterable[Problem]) -> tuple[list[Texts], int]:
    """Read one of the authors' R1 files and join it to problems by question and context.

    The files hold ``r1_trace`` with ``r1_trace_summary``, or with ``r1_exp_trace``, the post-hoc explanation.

    Returns:
        The texts, and the number of rows whose problem is not among ``problems``.
    """
    problems = list(problems)
    known = {(same(p.question), frozenset(map(same, p.context))): p.id for p in problems}
    prints = {p.id: fingerprint(p) for p in problems}
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
        found.append(Texts(name, "deepseek-r1", *map(str.strip, texts), prints[name]))
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
        ValueError: unknown condition, a text that is empty or was written on another problem of that id, or a swap
            among fewer than two problems.
    """
    if condition not in CONDITIONS:
        raise ValueError(f"condition {condition!r} is not free-form: expected one of {', '.join(CONDITIONS)}")
    by_id = {text.id: text for text in texts}
    wanted = [p for p in problems if p.id in by_id]
    if other := [p.id for p in wanted if by_id[p.id].problem not in ("", fingerprint(p))]:
        raise ValueError(
            f"{len(other)} of {len(wanted)} texts were written on other problems of the same id, first {other[0]}: "
            "give the data source and seed that the teacher was asked with"
        )
    made = {p.id: _taken(condition, by_id[p.id]) for p in wanted}
    if empty := [name for name, trace in made.items() if not trace.text]:
        raise ValueError(
            f"{len(empty)} texts have no {CONDITIONS[condition]}, first {empty[0]}: ask the teacher for it"
        )
    if condition != "swapped":
        return made
    others = swap(wanted, seed, same_category)
    return {p.id: made[others[p.id]] for p in wanted}


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
