"""Free-form traces: a teacher's deliberation, its summary, a post-hoc explanation, and another problem's trace.

Texts come from a teacher (``tracekd.teacher.client``), from files (``tracekd.teacher.run_texts``), or from rules: a
stand-in, named ``templated`` wherever shown, that writes a derivation out. Each of its claims is true of the context.

Natural wrong traces are what a student trained on correct traces, of the same seed, got wrong by itself on training
problems new to it (``grid.natural_answers``); the other natural conditions are ``NATURAL``'s on the same problems.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.decompose.derive import Derivation, derive
from tracekd.io.records import read_jsonl, sha256
from tracekd.traces import templates
from tracekd.traces.corruption import generator
from tracekd.traces.templates import Trace, swap

TEMPLATED = "templated"  # the teacher of the texts that rules write
# Tags that mark trace and answer in a target, as they are and HTML-escaped, and the control tokens of chat templates.
_TAGS = re.compile(r"(?:<|&lt;)\s*/?\s*(?:think|answer)\s*(?:>|&gt;)|<[|\uff5c][^<>\n]{1,40}[|\uff5c]>", re.IGNORECASE)
# Condition to the text that it takes; swapped takes another problem's deliberation.
CONDITIONS = {"r1": "trace", "r1_summary": "summary", "r1_explanation": "explanation", "swapped": "trace"}
# A condition of this suffix teaches the teacher's own final message in place of the gold answer, as the release does.
AS_RELEASED = "_as_released"
# Natural condition to the rule that writes its traces; None: the student itself did.
NATURAL = {"natural": None, "natural_correct": "correct", "natural_incorrect": "incorrect"}


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
    return f"{condition} ({teacher})" if teacher else str(condition)


def with_teacher(frame: pd.DataFrame, teachers: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """``frame``, which has ``dataset`` and ``condition``, with the column ``teacher`` by ``sft.teachers``."""
    return frame.assign(teacher=[teachers.get(pair, "") for pair in zip(frame.dataset, frame.condition, strict=True)])


def spelled(frame: pd.DataFrame, teachers: Mapping[tuple[str, str], str] | None = None) -> pd.DataFrame:
    """``frame`` with its conditions in longhand and without the column ``teacher``, which it needs or gets first."""
    frame = frame if teachers is None else with_teacher(frame, teachers)
    return frame.assign(condition=[*map(longhand, frame.condition, frame.teacher)]).drop(columns="teacher")


@dataclass(frozen=True)
class Texts:
    """What a teacher (a model's name, or ``TEMPLATED``) wrote on the problem ``id``; ``answer`` is its final message.

    ``problem`` is the ``fingerprint`` of the problem as the teacher saw it, and is not checked where it is empty.
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
    """Templated texts for the CoTempQA problems that the rules answer right; ``seed`` is of the order of facts."""
    got = ((p, derive(p)) for p in problems if p.dataset == "cotempqa")
    return [_templated(p, found, seed) for p, found in got if set(found.answers) == set(p.answers)]


def _templated(problem: Problem, got: Derivation, seed: int) -> Texts:
    """The steps of a derivation in one plain wording, each with the fact that it is about."""
    said = {step: f'The context says: "{problem.context[step.facts[-1]]}" {step.text}' for step in got.steps}
    of = {kind: [step for step in got.steps if step.kind == kind] for kind in ("event", "compare", "habit", "relation")}
    compared = [of["compare"][i] for i in generator(seed, problem.id, TEMPLATED).permutation(len(of["compare"]))]
    (relation,), event = of["relation"], [said[step] for step in of["event"]]
    counted = [step for step in compared if step.facts[1] in relation.facts]
    end = f"{relation.text} Therefore, the answer is {' and '.join(got.answers)}."
    trace = [
        f'The question is: "{problem.question}" First I look for the event in question.', *event,
        f"Now I compare the facts that could answer it with this event. There are {len(compared)} of them.",
        *(said[step] for step in compared), *(step.text for step in of["habit"]),
        f"Let me check the facts that count, {len(counted)} in number.", *(said[step] for step in counted), end,
    ]  # fmt: skip
    facts = f"Facts compared: {len(compared)}; facts that count: {len(counted)}."
    summary = [*(step.text for step in of["event"]), facts, end]
    explanation = [f"The answer is {' and '.join(got.answers)}.", *event, *(said[step] for step in counted)]
    texts = "\n\n".join(trace), " ".join(summary), " ".join([*explanation, relation.text])
    return Texts(problem.id, TEMPLATED, *texts, fingerprint(problem))


def build_all(
    problems: Sequence[Problem], condition: str, texts: Iterable[Texts], *, seed: int = 0
) -> dict[str, Trace]:
    """Free-form traces for those ``problems`` that have texts, by problem id; ``seed`` is of the swap among them.

    With the suffix ``_as_released`` each trace carries the teacher's final message as the answer to teach. ValueError:
    unknown condition, an empty text, or a swap among fewer than two problems.
    """
    base, released = condition.removesuffix(AS_RELEASED), condition.endswith(AS_RELEASED)
    if base not in CONDITIONS and not (released and base == "vanilla"):
        raise ValueError(f"condition {condition!r} is not free-form: expected one of {', '.join(CONDITIONS)}")
    by_id, taken = {text.id: text for text in texts}, CONDITIONS.get(base, "")
    wanted, made = [p for p in problems if p.id in by_id], {}
    others = swap(wanted, seed) if base == "swapped" else {}
    for p in wanted:
        own, source = by_id[p.id], by_id[others.get(p.id, p.id)]
        for name in filter(None, (taken, "answer" if released else "")):
            if not getattr(own, name):
                raise ValueError(f"the text on {p.id} has no {name}: ask the teacher for it, or leave the problem out")
        text = getattr(source, taken) if taken else ""
        made[p.id] = Trace(base, text, teacher=source.teacher, answer=own.answer if released else None)
    return made


def natural_path(run, dataset: str, seed: int) -> Path:
    """Where a run keeps the wrong traces of one seed's student: ``id`` and ``trace``, one problem a line."""
    return run.path("natural", dataset, f"wrong-{seed}.jsonl")


def build_natural(run, dataset: str, problems: Sequence[Problem], condition: str, seed: int) -> dict[str, Trace]:
    """The traces of a natural condition for one seed's student, by problem id; FileNotFoundError before it answered."""
    path = natural_path(run, dataset, seed)
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: `python -m tracekd train --profile {run.profile.name} --data {run.source}` makes it"
        )
    own = {row["id"]: row["trace"] for row in read_jsonl(path)}
    known = {p.id: p for p in problems if p.split == "train"}
    if unknown := sorted(own.keys() - known):
        raise ValueError(f"{path}: {len(unknown)} ids of no training problem, first {unknown[0]!r}: delete the file")
    if rule := NATURAL[condition]:
        return {i: templates.build(known[i], rule, seed=run.seed) for i in own}
    return {i: Trace(condition, text, *templates.read(text, known[i].context), run.student) for i, text in own.items()}
