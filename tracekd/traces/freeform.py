"""Free-form traces: a teacher's deliberation, its summary, a post-hoc explanation, and another problem's trace.

Texts come from a teacher (``tracekd.teacher.client``), from files (``tracekd.teacher.run_texts``), or from rules
(``tracekd.traces.templated``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracekd.data.problem import Problem
from tracekd.io.records import sha256, write_jsonl
from tracekd.traces import templated
from tracekd.traces.templates import Trace, swap

if TYPE_CHECKING:
    import pandas as pd

# Tags that mark trace and answer in a target, as they are and HTML-escaped, and the control tokens of chat templates.
_TAGS = re.compile(r"(?:<|&lt;)\s*/?\s*(?:think|answer)\s*(?:>|&gt;)|<[|\uff5c][^<>\n]{1,40}[|\uff5c]>", re.IGNORECASE)
# Condition to the text that it takes; swapped takes another problem's deliberation.
CONDITIONS = {"r1": "trace", "r1_summary": "summary", "r1_explanation": "explanation", "swapped": "trace"}
# A condition of this suffix teaches the teacher's own final message in place of the gold answer, as the release does.
AS_RELEASED = "_as_released"


def takes_texts(condition: str) -> bool:
    """Whether a training condition is made of a teacher's texts: its traces, or its final messages."""
    return condition in CONDITIONS or condition.endswith(AS_RELEASED)


def clean(text: str) -> str:
    """``text`` without tags and control tokens: a target is cut at such tags, and a student would learn them."""
    while (bare := _TAGS.sub("", text)) != text:
        text = bare
    return text.strip()


def longhand(condition: str, teacher: str) -> str:
    """A training condition as tables and figures name it: ``r1 (templated)`` where rules wrote its traces."""
    return f"{condition} ({teacher})" if teacher else condition


def with_teacher(frame: pd.DataFrame, teachers: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """``frame``, which has ``dataset`` and ``condition``, with the column ``teacher`` by ``sft.teachers``."""
    pairs = zip(frame.dataset, frame.condition, strict=True)
    return frame.assign(teacher=[teachers.get(pair, "") for pair in pairs])


def spelled(frame: pd.DataFrame, teachers: Mapping[tuple[str, str], str] | None = None) -> pd.DataFrame:
    """``frame`` with its conditions in longhand and without the column ``teacher``, which it needs or gets first."""
    frame = frame if teachers is None else with_teacher(frame, teachers)
    named = [longhand(str(c), t) for c, t in zip(frame.condition, frame.teacher, strict=True)]
    return frame.assign(condition=named).drop(columns="teacher")


@dataclass(frozen=True)
class Texts:
    """What a teacher (a model's name, or ``templated`` for the rules) wrote on the problem ``id``, answered right.

    ``trace``, ``summary``, ``explanation`` and its final message ``answer`` are empty where there is none; ``problem``
    is the ``fingerprint`` of the problem as the teacher saw it, and is not checked where it is empty.
    """

    id: str
    teacher: str
    trace: str
    summary: str = ""
    explanation: str = ""
    problem: str = ""
    answer: str = ""


def fingerprint(problem: Problem) -> str:
    """A hash of context and question: generated problems of another seed, and real ones, have the same ids."""
    return sha256([list(problem.context), problem.question])[:16]


def from_rules(problems: Iterable[Problem], seed: int = 0) -> list[Texts]:
    """Templated texts for the problems that the rules answer right; the others have none."""
    pairs = ((p, templated.write(p, seed)) for p in problems)
    return [Texts(p.id, templated.TEACHER, *written, fingerprint(p)) for p, written in pairs if written]


def keep(path: str | Path, texts: Iterable[Texts]) -> int:
    """Write texts as JSON lines; return how many."""
    return write_jsonl(path, map(asdict, texts))


def build_all(
    problems: Sequence[Problem], condition: str, texts: Iterable[Texts], *, seed: int = 0
) -> dict[str, Trace]:
    """Free-form traces for those ``problems`` that have texts, by problem id; ``seed`` is of the swap among them.

    ``condition`` is one of ``CONDITIONS`` or ``vanilla``; with the suffix ``_as_released`` each trace carries the
    teacher's final message as the answer to teach.

    Raises:
        ValueError: unknown condition, a text that is empty or was written on another problem of that id, or a swap
            among fewer than two problems.
    """
    base, released = condition.removesuffix(AS_RELEASED), condition.endswith(AS_RELEASED)
    if base not in CONDITIONS and not (released and base == "vanilla"):
        raise ValueError(f"condition {condition!r} is not free-form: expected one of {', '.join(CONDITIONS)}")
    by_id = {text.id: text for text in texts}
    wanted = [p for p in problems if p.id in by_id]
    for p in wanted:
        if by_id[p.id].problem not in ("", fingerprint(p)):
            raise ValueError(f"the text on {p.id} is on another problem of this id: give the source and seed it is of")
        for name in filter(None, (CONDITIONS.get(base), "answer" if released else "")):
            if not getattr(by_id[p.id], name):
                raise ValueError(f"the text on {p.id} has no {name}: ask the teacher for it, or leave the problem out")
    others = swap(wanted, seed) if base == "swapped" else {}
    made = {}
    for p in wanted:
        source = by_id[others.get(p.id, p.id)]
        text = getattr(source, CONDITIONS[base]) if base in CONDITIONS else ""
        made[p.id] = Trace(base, text, teacher=source.teacher, answer=by_id[p.id].answer if released else None)
    return made
