"""Does the answer follow the trace that was written? Agreement of the two, and traces with answers masked.

A trace that quotes the fact with the answer names the answer. Part of any dependence between trace and answer is
therefore there by construction; two measurements show how much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tracekd.data.problem import Problem
from tracekd.text import normalise

# In the order in which tables show them.
AGREEMENTS = ("right both times", "copies from its trace", "ignores its trace", "not nameable", "not stated")


def agreement(problem: Problem, verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Compare the answer given with the facts stated.

    Args:
        problem: with its gold steps.
        verdict: of ``aligned.verdict``.

    Returns:
        ``answer_in_facts``, ``masked_retrieval_correct`` and ``masked_trace_correct`` (see ``schema.VERDICT``), and
        ``answer_source``, one of ``AGREEMENTS``: ``not stated`` (no facts or no answer), ``not nameable`` (the gold
        facts do not hold the gold answer, as in counting), ``right both times`` (trace and answer correct), else
        ``copies from its trace`` (every answer given stands in the facts stated) or ``ignores its trace``.
    """
    facts, answers = verdict["facts_stated"], verdict["answer_stated"]
    copied, retrieved = False, False
    if facts is None or not answers:
        kind = "not stated"
    else:
        copied = named(answers, facts)
        kind = "copies from its trace" if copied else "ignores its trace"
        if not named(problem.answers, problem.facts):
            kind = "not nameable"
        elif verdict["trace_correct"] and verdict["answer_correct"]:
            kind = "right both times"
    if facts is not None:
        masked = [_masked(part, {*problem.answers, *answers}) for part in (facts, problem.facts)]
        retrieved = masked[0] == masked[1]
    return {
        "answer_in_facts": copied,
        "agreement": kind,
        "masked_retrieval_correct": retrieved,
        "masked_trace_correct": retrieved and bool(verdict["classification_correct"]),
    }


def named(answers: Iterable[str], facts: Iterable[str]) -> bool:
    """Whether every answer stands in the facts as whole words, after normalisation."""
    text = " | ".join(f" {normalise(fact)} " for fact in facts)
    return all(f" {normalise(answer)} " in text for answer in answers)


def _masked(facts: Iterable[str], answers: Iterable[str]) -> frozenset[str]:
    """The normalised facts with the answers replaced, longest first, by a mark that no text holds."""
    texts = [normalise(fact) for fact in facts]
    for name in sorted({normalise(answer) for answer in answers} - {""}, key=lambda name: (-len(name), name)):
        texts = [re.sub(rf"(?<!\S){re.escape(name)}(?!\S)", "*", text) for text in texts]
    return frozenset(texts) - {""}
