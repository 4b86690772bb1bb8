"""The answer that a trace implies: what its facts say to the question, whatever the context says.

Gold traces quote the facts that hold the answer, not all that a derivation needs, and wrong facts speak of other
people, so the derivation alone would be silent on nearly every wrong trace. Four rules are tried in order, and
``Implied.by`` names the one that gave the answer:

1. ``derivation``: ``tracekd.decompose.derive`` with the trace's facts in place of the context.
2. ``source``: the facts are the untouched gold facts of a known problem: that problem's gold answers.
3. ``slots`` (CoTempQA): the answer slots of the stated facts, since a gold fact is one whose slot is an answer.
4. ``renamed`` (bAbI): the derivation once one word of the question that the trace does not mention is exchanged for a
   word that it does mention ("Where is Mary?", "Daniel went to the garden." - "Where is Daniel?" - garden), where all
   exchanges that derive anything agree.

Where none of them gives an answer the trace implies none, with a reason. MS MARCO's answers are free text: its traces
imply answers by ``source`` only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tracekd.data.facts import answer_slot
from tracekd.data.problem import Problem
from tracekd.decompose.derive import derive
from tracekd.text import normalise

MASK = "___"


@dataclass(frozen=True)
class Implied:
    """What a trace implies.

    Attributes:
        answers: the implied answers, or None.
        by: the rule that gave them (see the module's text); None without answers.
        reason: why there are none; empty where there are some.
    """

    answers: tuple[str, ...] | None
    by: str | None = None
    reason: str = ""


def key(answers: Sequence[str]) -> frozenset[str]:
    """Answers as the set that is compared: normalised, without those that hold no letter or digit."""
    return frozenset(filter(None, map(normalise, answers)))


def implied(problem: Problem, facts: Sequence[str] | None, source: Problem | None = None) -> Implied:
    """The answer that facts imply to a problem's question; the problem's context and gold answer are not looked at.

    Args:
        problem: whose question is asked.
        facts: as the trace states them, in its order; None where it states none.
        source: the problem whose gold facts these are, unchanged and in order, if they are.
    """
    if source is None and not facts:
        return Implied(None, reason="the trace states no facts")
    found, reason = _derived(problem, facts or ())
    by = "derivation"
    if not found and source is not None:
        found, by = source.answers, "source"
    elif not found and problem.dataset == "cotempqa":
        found, by = _slots(problem, facts), "slots"
    elif not found and problem.dataset == "babi":
        found, by = _renamed(problem, facts), "renamed"
    if not found and source is None:
        return Implied(None, reason=reason)
    if any(MASK in answer for answer in found) or not key(found):
        return Implied(None, reason="the implied answer is masked or empty")
    return Implied(tuple(found), by)


def _derived(problem: Problem, facts: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Derived answers, and why there are none."""
    if not facts:
        return (), "the trace states no facts"
    derivation = derive(replace(problem, context=tuple(facts)))
    return derivation.answers, derivation.underivable


def _slots(problem: Problem, facts: Sequence[str]) -> tuple[str, ...]:
    """The answer slots, each once, in the trace's order; none where a fact does not parse (a student wrote it)."""
    triple = problem.meta.get("triple_element")
    try:
        return tuple(dict.fromkeys(answer_slot(fact, triple) for fact in facts)) if triple else ()
    except ValueError:
        return ()


def _renamed(problem: Problem, facts: Sequence[str]) -> tuple[str, ...]:
    """What the question gives with one of its words exchanged for one of the trace's, if that is one answer alone."""
    named = dict.fromkeys(word for fact in facts for word in re.findall(r"\w+", fact))
    known = {word.lower() for word in named}
    found = {}
    for word in dict.fromkeys(re.findall(r"\w+", problem.question)):
        for other in named if word.lower() not in known else ():
            question = re.sub(rf"\b{word}\b", other, problem.question)
            answers, _ = _derived(replace(problem, question=question), facts)
            found |= {key(answers): answers} if answers else {}
    return next(iter(found.values())) if len(found) == 1 else ()
