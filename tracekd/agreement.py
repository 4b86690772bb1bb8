"""Does the answer follow the trace that was written? Agreement of the two, and traces with answers masked.

A trace that quotes the fact with the answer names the answer, so part of any dependence between trace and answer
is there by construction. Two measurements tell how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tracekd.problems import Problem
from tracekd.text import normalise

# In the order in which tables show them.
AGREEMENTS = ("right both times", "copies from its trace", "ignores its trace", "not nameable", "not stated")


def agreement(problem: Problem, verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Set the answer given against the facts stated.

    Args:
        problem: with its gold steps.
        verdict: of ``score.verdict``.

    Returns:
        dict with ``answer_in_facts`` (every stated answer stands in the stated facts, as whole words),
        ``masked_retrieval_correct`` and ``masked_trace_correct`` (the stated facts equal the gold facts once gold
        and stated answers are masked in both), and ``agreement``, one of ``AGREEMENTS``: ``not stated`` (no facts
        or no answer), ``not nameable`` (the gold facts do not hold the gold answer, as in counting, so that nothing
        can be copied), ``right both times`` (trace and answer correct), else ``copies from its trace`` (the answer
        given stands in the facts stated) or ``ignores its trace``.
    """
    facts, answers = verdict["facts_stated"], verdict["answer_stated"]
    if facts is None or not answers:
        found = {"answer_in_facts": False, "agreement": "not stated"}
    else:
        copied = named(answers, facts)
        if not named(problem.answers, problem.facts):
            kind = "not nameable"
        elif verdict["trace_correct"] and verdict["answer_correct"]:
            kind = "right both times"
        else:
            kind = "copies from its trace" if copied else "ignores its trace"
        found = {"answer_in_facts": copied, "agreement": kind}
    retrieved = facts is not None and _masked(facts, problem.answers, answers) == _masked(
        problem.facts, problem.answers, answers
    )
    found["masked_retrieval_correct"] = retrieved
    found["masked_trace_correct"] = retrieved and bool(verdict["classification_correct"])
    return found


def named(answers: Iterable[str], facts: Iterable[str]) -> bool:
    """Whether every answer stands in the facts as whole words, after normalisation."""
    text = " | ".join(f" {normalise(fact)} " for fact in facts)
    return all(f" {normalise(answer)} " in text for answer in answers)


def _masked(facts: Iterable[str], *answers: Iterable[str]) -> frozenset[str]:
    """The normalised facts with the answers replaced, longest first, by a mark that no text holds."""
    names = {normalise(answer) for group in answers for answer in group} - {""}
    ordered = sorted(names, key=lambda name: (-len(name), name))
    found = set()
    for fact in facts:
        text = f" {normalise(fact)} "
        for name in ordered:
            # Twice, since two names in a row share the space between them.
            text = text.replace(f" {name} ", " * ").replace(f" {name} ", " * ")
        found.add(text.strip())
    return frozenset(found - {""})
