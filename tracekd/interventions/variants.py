"""The nine traces that are put before a problem's answer, and the answer that each of them implies.

What a trace implies is what its facts say to the question, whatever the context says. Wrong facts speak of other
people, so a derivation is silent on nearly all of them. Four rules are tried, and ``Implied.by`` names the one that
answered:

1. ``derivation``: ``tracekd.decompose.derive`` with the trace's facts in place of the context.
2. ``source``: the facts are the untouched gold facts of a known problem: that problem's gold answers.
3. ``slots`` (CoTempQA): the answer slots of the stated facts, since a gold fact is one whose slot is an answer.
4. ``renamed`` (bAbI): the derivation once one word of the question that the trace does not mention is exchanged for a
   word that it does mention ("Where is Mary?", "Daniel went to the garden." - "Where is Daniel?" - garden), where all
   exchanges that derive anything agree.

MS MARCO's answers are free text: its traces imply answers by ``source`` only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from tracekd.data.load_cotempqa import answer_slot
from tracekd.data.problem import Problem
from tracekd.decompose.derive import derive, none
from tracekd.text import fact_set
from tracekd.traces import corruption, templates

VARIANTS = (
    "own", "gold", "wrong_label", "wrong_facts", "both_wrong", "other", "empty", "shuffled", "masked",
)  # fmt: skip
MASK = "___"


@dataclass(frozen=True)
class Implied:
    """The answers that a trace implies, by which rule; or no answers, and the reason."""

    answers: tuple[str, ...] | None
    by: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Variant:
    """One trace to put before the answer of a problem; ``donor`` is the problem that ``other`` was taken from.

    ``text`` stands between ``<think>`` and ``</think>``; None where there is no such variant: ``left_out`` says why.
    """

    name: str
    text: str | None
    implied: Implied = Implied(None)
    donor: str | None = None
    left_out: str = ""


def variants(problem: Problem, own: str | None, *, others: Sequence[Problem], seed: int) -> list[Variant]:
    """The nine traces of one problem, always in the order of ``VARIANTS``; what does not exist says why.

    ``own`` is the student's own trace, ``gold`` right label and facts. ``wrong_label`` and ``wrong_facts`` have one
    wrong step (``corruption``'s matched style), ``both_wrong`` both of these: a 2 x 2. ``other`` is the gold trace of
    one of ``others`` with another answer; ``empty`` has no text. ``shuffled`` is gold with its facts (of one fact its
    sentences) in another order, ``masked`` with every gold answer string masked. Seed and id decide every draw.
    """

    label, wrong, shuffled, masked = (
        _drawn(corruption.wrong_label, problem, seed), _drawn(corruption.wrong_facts, problem, seed),
        _drawn(_shuffle, problem, seed), _drawn(_mask, problem),
    )  # fmt: skip
    category, gold = problem.category, problem.facts
    stated = {
        "gold": (category, gold), "wrong_label": (label, gold), "wrong_facts": (category, wrong),
        "both_wrong": (label, wrong), "shuffled": (category, shuffled), "masked": (category, masked),
    }  # fmt: skip
    made = {"other": _other(problem, others, seed), "empty": Variant("empty", "", implied(problem, None))}
    made["own"] = Variant("own", None, left_out="the output has no closed trace")
    if own:
        made["own"] = Variant("own", own, implied(problem, templates.read(own)[1]))
    for name, (said, facts) in stated.items():
        if failed := [part for part in (said, facts) if isinstance(part, ValueError)]:
            made[name] = Variant(name, None, left_out=str(failed[0]))
        else:
            source = problem if name in ("gold", "wrong_label") else None
            made[name] = Variant(name, templates.render(problem.dataset, said, facts), implied(problem, facts, source))
    return [made[name] for name in VARIANTS]


def _drawn(draw: Callable, *args):
    """What a function draws, or the error that says why it cannot."""
    try:
        return draw(*args)
    except ValueError as error:
        return error


def as_table(made: Sequence[Variant]) -> pd.DataFrame:
    """Columns ``trace``, ``label`` and ``facts`` as stated, ``implies`` (the implied answer), ``by`` (which rule)."""
    rows = []
    for one in made:
        label, facts = templates.read(one.text) if one.text else (None, None)
        said = {"trace": one.name, "label": label or "", "facts": " ".join(facts or ())}
        rows.append(said | {"implies": ", ".join(one.implied.answers or ()), "by": one.implied.by or ""})
    return pd.DataFrame(rows)


def _other(problem: Problem, others: Sequence[Problem], seed: int) -> Variant:
    pool = sorted((p for p in others if p.dataset == problem.dataset), key=lambda p: p.id)
    for i in corruption.generator(seed, problem.id, "other").permutation(len(pool)):
        if pool[i].id != problem.id and fact_set(pool[i].answers) != fact_set(problem.answers):
            text = templates.build(pool[i], "correct").text
            return Variant("other", text, implied(problem, pool[i].facts, pool[i]), pool[i].id)
    return Variant("other", None, left_out="no other problem of the set has another answer")


def _shuffle(problem: Problem, seed: int) -> tuple[str, ...]:
    """The gold facts in another order; of one fact its sentences."""
    one = len(problem.facts) == 1
    parts = tuple(re.split(r"(?<=[.!?])\s+", problem.facts[0])) if one else problem.facts
    if len(set(parts)) < 2:
        raise ValueError("one sentence alone cannot be shuffled" if one else "no two different facts to shuffle")
    rng = corruption.generator(seed, problem.id, "shuffle")
    drawn = parts
    while drawn == parts:
        drawn = tuple(parts[i] for i in rng.permutation(len(parts)))
    return (" ".join(drawn),) if one else drawn


def _mask(problem: Problem) -> tuple[str, ...]:
    """The gold facts with each gold answer string masked, letter case aside, whole words."""
    words = sorted(filter(None, problem.answers), key=len, reverse=True)  # an answer may stand within a longer one
    if not words:
        raise ValueError("the problem has no answer string")
    pattern = "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words)
    masked = tuple(re.sub(pattern, MASK, fact, flags=re.IGNORECASE) for fact in problem.facts)
    if masked == problem.facts:
        raise ValueError("no gold answer string stands in the gold facts")
    return masked


def implied(problem: Problem, facts: Sequence[str] | None, source: Problem | None = None) -> Implied:
    """The answer that facts imply to a problem's question; the problem's context and gold answer are not looked at.

    ``source`` is the problem whose gold facts these are, unchanged and in order, if they are.
    """
    facts = tuple(facts or ())
    got = derive(replace(problem, context=facts)) if facts else none(None, "the trace states no facts")
    found, by = got.answers, "derivation"
    if not found and source is not None:
        found, by = source.answers, "source"
    elif not found and problem.dataset == "cotempqa":
        found, by = _slots(problem, facts), "slots"
    elif not found and problem.dataset == "babi":
        found, by = _renamed(problem, facts), "renamed"
    if not found and source is None:
        return Implied(None, reason=got.underivable)
    if any(MASK in answer for answer in found) or not fact_set(found):
        return Implied(None, reason="the implied answer is masked or empty")
    return Implied(tuple(found), by)


def _slots(problem: Problem, facts: Sequence[str]) -> tuple[str, ...]:
    """The answer slots, each once, in the trace's order; none where a fact does not parse (a student wrote it)."""
    try:
        return tuple(dict.fromkeys(answer_slot(fact, problem.meta.get("triple_element")) for fact in facts))
    except ValueError:
        return ()


def _renamed(problem: Problem, facts: tuple[str, ...]) -> tuple[str, ...]:
    """What the question gives with one of its words exchanged for one of the trace's, if that is one answer alone."""
    named = dict.fromkeys(word for fact in facts for word in re.findall(r"\w+", fact))
    known = {word.lower() for word in named}
    found = {}
    for word in dict.fromkeys(re.findall(r"\w+", problem.question)):
        for other in named if word.lower() not in known else ():
            question = re.sub(rf"\b{word}\b", other, problem.question)
            answers = derive(replace(problem, question=question, context=facts)).answers
            found |= {fact_set(answers): answers} if answers else {}
    return next(iter(found.values())) if len(found) == 1 else ()
