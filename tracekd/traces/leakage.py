"""What the stated facts of a trace reveal about the right answer, although they are not the gold facts.

* ``derives``: the rules of ``tracekd.decompose.derive`` get a gold answer from the stated facts alone.
* ``names``: a gold answer stands in a stated fact as whole words.
* ``excludes``: the facts of the context that are *not* stated are exactly the gold facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from tracekd.data.problem import Problem
from tracekd.decompose.derive import derive
from tracekd.text import fact_set, normalise

# From harmless to worst. Deriving is worse than naming: a named answer stands among other words.
LEVELS = ("none", "excludes", "names", "derives")
RIGHT = "right"


def reveals(problem: Problem, facts: Sequence[str] | None) -> str:
    """What the stated facts reveal: ``right`` (they are the gold facts), else the worst of ``LEVELS`` that holds.

    ``facts`` is None where a trace states none (vanilla, free text), which reveals nothing.
    """
    if facts is None:
        return "none"
    if problem.facts and fact_set(facts) == fact_set(problem.facts):
        return RIGHT
    tests = {"derives": derives, "names": names, "excludes": excludes}
    return next((level for level, holds in tests.items() if holds(problem, facts)), "none")


def excludes(problem: Problem, facts: Sequence[str]) -> bool:
    """Whether the context without the stated facts is exactly the gold facts; False where nothing is gold."""
    gold = fact_set(problem.facts)
    return bool(gold) and fact_set(problem.context) - fact_set(facts) == gold


def names(problem: Problem, facts: Sequence[str]) -> bool:
    """Whether a gold answer stands as whole words in a stated fact; MS MARCO: a reference text as a whole."""
    stated = [f" {normalise(fact)} " for fact in facts]
    return any(f" {answer} " in fact for answer in fact_set(problem.answers) for fact in stated)


def derives(problem: Problem, facts: Sequence[str]) -> bool:
    """Whether the rules get a gold answer from the stated facts in place of the context (CoTempQA and bAbI).

    Facts of the context are read in its spelling and order, since a student sees the context, too; others follow.
    """
    if problem.dataset not in ("cotempqa", "babi") or not facts:  # the rules of the others give no answer
        return False
    stated = fact_set(facts)
    known = tuple(fact for fact in problem.context if normalise(fact) in stated)
    others = stated - fact_set(known)
    read = (*known, *(fact for fact in facts if normalise(fact) in others))
    return not fact_set(problem.answers).isdisjoint(_derived(problem.dataset, problem.question, read))


@lru_cache(maxsize=1 << 15)
def _derived(dataset: str, question: str, facts: tuple[str, ...]) -> frozenset[str]:
    """The normalised answers that the rules get from facts and question."""
    return fact_set(derive(Problem("", dataset, "", facts, question, (), (), "test")).answers)
