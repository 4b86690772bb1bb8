"""The answer that a trace implies: what its facts say to the question, whatever the context says.

Gold traces quote the facts that hold the answer, not all that a derivation needs (CoTempQA's gold facts leave out the
event that the question names), and wrong facts speak of other people, so the derivation alone would be silent on
nearly every wrong trace. Four rules are tried in order, and ``Implied.by`` names the one that gave the answer:

1. ``derivation``: ``tracekd.derive`` with the trace's facts in place of the context.
2. ``source``: the facts are all the gold facts of a known problem, in their order: that problem's gold answers. For
   an untouched list of facts only: gold, a wrong label on right facts, another problem's trace.
3. ``slots`` (CoTempQA): the answer slots of the stated facts. A gold fact is by definition one whose slot is an answer
   (``tracekd.facts``), so a trace that says "I need these facts" names these slots.
4. ``renamed`` (bAbI): the derivation once one word of the question that the trace does not mention is exchanged for a
   word that it does mention ("Where is Mary?", "Daniel went to the garden." - "Where is Daniel?" - garden), where all
   exchanges that derive anything agree.

What none of them gives stays None and says why; so MS MARCO, whose answers are free text, has implied answers by
``source`` only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tracekd.derive import derive
from tracekd.facts import answer_slot
from tracekd.problems import Problem
from tracekd.text import normalise

MASK = "___"
RULES = ("derivation", "source", "slots", "renamed")


@dataclass(frozen=True)
class Implied:
    """What a trace implies.

    Attributes:
        answers: the implied answers, or None.
        by: one of ``RULES``; None without answers.
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
    if found:
        return _checked(found, "derivation")
    if source is not None:
        return _checked(source.answers, "source")
    if problem.dataset == "cotempqa" and (slots := _slots(problem, facts)):
        return _checked(slots, "slots")
    if problem.dataset == "babi" and (renamed := _renamed(problem, facts)):
        return _checked(renamed, "renamed")
    return Implied(None, reason=reason)


def _checked(answers: tuple[str, ...], by: str) -> Implied:
    """A masked answer is none."""
    if any(MASK in answer for answer in answers) or not key(answers):
        return Implied(None, reason="the implied answer is masked or empty")
    return Implied(tuple(answers), by)


def _derived(problem: Problem, facts: Sequence[str]) -> tuple[tuple[str, ...], str]:
    derivation = derive(replace(problem, context=tuple(facts))) if facts else None
    if derivation is None:
        return (), "the trace states no facts"
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
