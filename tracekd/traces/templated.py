"""Templated deliberations: a rule-written stand-in for a teacher's reasoning on CoTempQA, for work without a teacher.

Not written by a model, and named ``templated`` wherever shown. Built from a derivation: it walks through every
candidate, compares dates, doubts, checks again and concludes, in the length and structure of a real R1 trace. Every
claim in it is true of the context.
"""

from __future__ import annotations

from typing import NamedTuple

from tracekd.data.facts import Fact, parse
from tracekd.data.problem import Problem
from tracekd.decompose import derive_cotempqa
from tracekd.decompose.derive import Derivation, derive
from tracekd.traces.corruption import generator

TEACHER = "templated"

_OPEN = (
    "Okay, let me work through this step by step.",
    "Alright, so I need to figure this out from the context alone.",
    "Let me take this one step at a time.",
)
_DOUBT = ("Wait, let me double-check that.", "Hmm, am I sure about that?", "Wait, I should not rush this.")


class Written(NamedTuple):
    """The three free-form texts on one problem: deliberation, its summary, and a post-hoc explanation."""

    trace: str
    summary: str
    explanation: str


def write(problem: Problem, seed: int = 0) -> Written | None:
    """Write the three texts on a CoTempQA problem; None for other sets, and where the rules do not derive gold."""
    if problem.dataset != "cotempqa":
        return None
    got = derive(problem)
    right = not got.underivable and set(got.answers) == set(problem.answers)
    return _written(problem, got, generator(seed, problem.id, TEACHER)) if right else None


def _pick(rng, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]


def _joined(names) -> str:
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _dated(fact: Fact) -> str:
    form = "is dated {0}" if fact.point else "lasted from {0} to {1}"
    return form.format(*fact.stated)


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
        before, after = "begins before the event and ends within it", "begins within the event and ends after it"
        return f"This {before if start < first else after}, so the two share time: overlap."
    if end < first:
        return "That was over before the event began."
    if start > last:
        return "That began only after the event had ended."
    return "The two meet at one date and share nothing more, so this does not count."


def _written(problem: Problem, got: Derivation, rng) -> Written:
    """The texts from a derivation; the numbers are indices into the problem's facts."""
    facts = [parse(fact) for fact in problem.context]
    event = facts[next(step.facts[0] for step in got.steps if step.kind == "event")]
    compared = [step.facts[1] for step in got.steps if step.kind == "compare"]
    counted = sorted(next(step.facts for step in got.steps if step.kind == "relation"))
    sharing = {i for i in compared if derive_cotempqa.relate(event.span, facts[i].span)}
    # The answers are subjects where the candidates share their object.
    subjects = len({facts[i].object for i in compared}) == 1 < len({facts[i].subject for i in compared})
    names = [fact.subject if subjects else fact.object for fact in facts]
    dated = {i: _dated(facts[i]) for i in compared}
    why = {i: _why(event, facts[i]) for i in compared}
    asked, answer = event.text.rstrip("."), _joined(got.answers)

    lines = [
        f'{_pick(rng, _OPEN)} The question is: "{problem.question}"',
        f'First, I need the event in question. The context says that "{asked}". So the event {_dated(event)}. '
        "That is the period to look at.",
        f"Now I go through the facts that could answer it. There are {len(compared)} of them:",
        *(f"- {names[i]}: this {dated[i]}. {why[i]}" for i in compared),
    ]
    if others := len(facts) - len(compared) - 1:
        lines.append(f"The question does not ask about the other facts in the context, {others} in number.")
    check = counted[rng.integers(len(counted))]
    lines.append(
        f'{_pick(rng, _DOUBT)} For {names[check]} the context says: "{facts[check].text}" '
        f"It {dated[check]}, and the event {_dated(event)}. {why[check]}"
    )
    if rest := sorted(set(compared) - sharing):
        other = rest[rng.integers(len(rest))]
        lines.append(f"And {names[other]}? It {dated[other]}. {why[other]} So I leave it out.")
    if left := sorted(sharing - set(counted)):
        named = _joined(names[i] for i in left)
        lines.append(f"As for {named}: the answer wanted here keeps to one date, so I leave that out as well.")
    lines.append(f"So it is settled what shares time with the event, and the temporal relation is {got.category}.")
    lines.append(f"Therefore, the answer is {answer}.")

    spans = "; ".join(f"{names[i]} {dated[i]}" for i in counted)
    summary = (
        f"The event in question {_dated(event)}. Of the {len(compared)} facts that could answer it, these count: "
        f"{spans}. The temporal relation is {got.category}, so the answer is {answer}."
    )
    explanation = [
        f'The answer is {answer}. The question asks what was true at the same time as "{asked}".',
        *(f'The context also says "{facts[i].text}" {why[i]}' for i in counted),
        *(f"{names[i]} {dated[i]}. {why[i]}" for i in compared if i not in sharing),
        f"The temporal relation is {got.category}.",
    ]
    return Written("\n\n".join(lines), summary, " ".join(explanation))
