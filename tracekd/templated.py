"""Templated deliberations: a rule-written stand-in for a teacher's reasoning, for work without a teacher.

Not written by a model, and named ``templated`` wherever shown. Built from a derivation: it walks through every
candidate, checks each interval or move, doubts, re-checks and concludes, in the length and structure of a real R1
trace. Every claim in it is true of the context.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracekd import derive_cotempqa
from tracekd.corrupt import generator
from tracekd.derive import Derivation, derive
from tracekd.facts import Fact, parse
from tracekd.problems import Problem

TEACHER = "templated"

_OPEN = (
    "Okay, let me work through this step by step.",
    "Alright, so I need to figure this out from the context alone.",
    "Let me take this one step at a time.",
)
_DOUBT = ("Wait, let me double-check that.", "Hmm, am I sure about that?", "Wait, I should not rush this.")
_PERIOD = {True: "is dated {0}", False: "lasted from {0} to {1}"}


@dataclass(frozen=True)
class Written:
    """The three free-form texts on one problem: deliberation, its summary, and a post-hoc explanation."""

    trace: str
    summary: str
    explanation: str


def write(problem: Problem, seed: int = 0, derivation: Derivation | None = None) -> Written | None:
    """Write the three texts, or None where the derivation has no answer or another one than gold.

    A teacher's traces are kept only where its answer is right; the same holds here. MS MARCO's free-text answers are
    not derived, so it has no templated traces.
    """
    got = derive(problem) if derivation is None else derivation
    if got.underivable or set(got.answers) != set(problem.answers):
        return None
    rng = generator(seed, problem.id, TEACHER)
    if problem.dataset == "cotempqa":
        return _temporal(problem, got, rng)
    return _story(problem, got, rng) if problem.dataset == "babi" else None


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]


def _joined(names) -> str:
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _dated(fact: Fact) -> str:
    return _PERIOD[fact.point].format(*derive_cotempqa.stated(fact))


def _why(event: Fact, fact: Fact) -> str:
    """Compare one fact with the event in words that are true of their dates."""
    (first, last), (start, end) = event.span, fact.span
    name = derive_cotempqa.relate(event.span, fact.span)
    if name == "equal":
        return "These are exactly the event's dates, so both held at the same time: equal."
    if name == "during":
        inner = "falls within the event" if first <= start and end <= last else "holds the whole event"
        return f"This {inner}, so the two share time: during."
    if name == "overlap":
        side = (
            "begins before the event and ends within it"
            if start < first
            else "begins within the event and ends after it"
        )
        return f"This {side}, so the two share time: overlap."
    if end < first:
        return "That was over before the event began."
    if start > last:
        return "That began only after the event had ended."
    return "The two meet at one date and share nothing more, so this does not count."


@dataclass(frozen=True)
class _Case:
    """A CoTempQA derivation as the three texts need it; the numbers are indices into ``facts``."""

    facts: list[Fact]
    event: Fact
    compared: list[int]
    sharing: set[int]
    kept: list[int]
    names: list[str]

    def why(self, i: int) -> str:
        return _why(self.event, self.facts[i])

    def dated(self, i: int) -> str:
        return _dated(self.facts[i])


def _case(problem: Problem, got: Derivation) -> _Case:
    facts = [parse(fact) for fact in problem.context]
    event = facts[next(step.facts[0] for step in got.steps if step.kind == "event")]
    compared = [step.facts[1] for step in got.steps if step.kind == "compare"]
    sharing = {i for i in compared if derive_cotempqa.relate(event.span, facts[i].span)}
    kept = sorted(next(step.facts for step in got.steps if step.kind == "relation"))
    who = _names_subject(facts, compared)
    return _Case(facts, event, compared, sharing, kept, [f.subject if who else f.object for f in facts])


def _temporal(problem: Problem, got: Derivation, rng: np.random.Generator) -> Written:
    case, answer = _case(problem, got), _joined(got.answers)
    spans = "; ".join(f"{case.names[i]} {case.dated(i)}" for i in case.kept)
    summary = (
        f"The event in question {_dated(case.event)}. Of the {len(case.compared)} facts that could answer it, these "
        f"count: {spans}. The temporal relation is {got.category}, so the answer is {answer}."
    )
    counted = [f'The context also says "{case.facts[i].text}" {case.why(i)}' for i in case.kept]
    rejected = [f"{case.names[i]} {case.dated(i)}. {case.why(i)}" for i in case.compared if i not in case.sharing]
    explanation = [
        f'The answer is {answer}. The question asks what was true at the same time as "{case.event.text.rstrip(".")}".',
        *counted,
        *rejected,
        f"The temporal relation is {got.category}.",
    ]
    return Written("\n\n".join(_walk(problem, got, case, rng)), summary, " ".join(explanation))


def _walk(problem: Problem, got: Derivation, case: _Case, rng: np.random.Generator) -> list[str]:
    """The deliberation's paragraphs: event, every candidate, doubt and re-check, conclusion."""
    lines = [
        f'{_pick(rng, _OPEN)} The question is: "{problem.question}"',
        "First, I need the event in question. The context says that "
        f'"{case.event.text.rstrip(".")}". So the event {_dated(case.event)}. That is the period to look at.',
        f"Now I go through the facts that could answer it. There are {len(case.compared)} of them:",
    ]
    lines += [f"- {case.names[i]}: this {case.dated(i)}. {case.why(i)}" for i in case.compared]
    if others := len(case.facts) - len(case.compared) - 1:
        lines.append(f"The question does not ask about the other facts in the context, {others} in number.")
    check = case.kept[rng.integers(len(case.kept))]
    lines.append(
        f'{_pick(rng, _DOUBT)} For {case.names[check]} the context says: "{case.facts[check].text}" '
        f"It {case.dated(check)}, and the event {_dated(case.event)}. {case.why(check)}"
    )
    if rest := sorted(set(case.compared) - case.sharing):
        other = rest[rng.integers(len(rest))]
        lines.append(f"And {case.names[other]}? It {case.dated(other)}. {case.why(other)} So I leave it out.")
    if left := sorted(case.sharing - set(case.kept)):
        names = _joined(case.names[i] for i in left)
        lines.append(f"As for {names}: the answer wanted here keeps to one date, so I leave that out as well.")
    lines.append(f"So it is settled what shares time with the event, and the temporal relation is {got.category}.")
    lines.append(f"Therefore, the answer is {_joined(got.answers)}.")
    return lines


def _names_subject(facts: list[Fact], compared: list[int]) -> bool:
    """Whether the answers are subjects: the candidates then share their object."""
    return len({facts[i].object for i in compared}) == 1 and len({facts[i].subject for i in compared}) > 1


def _story(problem: Problem, got: Derivation, rng: np.random.Generator) -> Written:
    notes: dict[int, list[str]] = {i: [] for i in range(len(problem.context))}
    for step in got.steps:
        if step.kind != "answer" and len(step.facts) == 1:
            notes[step.facts[0]].append(step.text)
    lines = [
        f'{_pick(rng, _OPEN)} The question is: "{problem.question}"',
        f"The context has {len(problem.context)} sentences. I read them in order and note what follows from each:",
    ]
    for i, sentence in enumerate(problem.context):
        note = " ".join(dict.fromkeys(notes[i])) or "I note this and go on."
        lines.append(f'- Sentence {i + 1} says: "{sentence}" {note}')
    needed = [problem.context[i] for i in got.evidence]
    quoted = _joined(f'"{sentence}"' for sentence in needed)
    final = next(
        (step.text for step in reversed(got.steps) if step.kind in ("answer", "compare", "example", "rule")), ""
    )
    answer = _joined(got.answers)
    lines.append(f"What decides the question is {quoted}.{' ' + final if final else ''}")
    again = got.evidence[rng.integers(len(got.evidence))]
    lines.append(
        f'{_pick(rng, _DOUBT)} I look again at sentence {again + 1}: "{problem.context[again]}" '
        "It says the same as I noted, and I have read the sentences after it, too."
    )
    lines.append(f"This is a question of the kind {got.category}. Therefore, the answer is {answer}.")
    summary = f"The sentences that matter are {quoted}.{' ' + final if final else ''}"
    because = f"because the context says {quoted}.{' ' + final if final else ''}"
    explanation = f'The answer to "{problem.question}" is {answer}, {because}'
    return Written("\n\n".join(lines), summary, explanation)
