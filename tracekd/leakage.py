"""What the stated facts of a trace reveal about the right answer, although they are not the gold facts.

A wrong trace is meant to say nothing of use. It can still help a student in three ways, which are checked here:

* ``derives``: the rules of ``tracekd.derive`` get a gold answer from the stated facts alone.
* ``names``: a gold answer stands in a stated fact as whole words.
* ``excludes``: the facts of the context that are *not* stated are exactly the gold facts.

``reveals`` gives the first of the three that holds, else ``none``; and ``right`` where the gold facts are stated.
Facts and answers are compared in the form of ``text.normalise``; a fact that stands twice counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from tracekd.derive import derive
from tracekd.problems import Problem
from tracekd.text import normalise

# From harmless to worst. Deriving is worse than naming: a named answer stands among other words.
LEVELS = ("none", "excludes", "names", "derives")
RIGHT = "right"
# The sets whose rules give an answer. MS MARCO's answers are free text, and the rules of a custom set give none.
_ANSWERED = ("cotempqa", "babi")


def reveals(problem: Problem, facts: Sequence[str] | None) -> str:
    """What the stated facts reveal about the gold answer.

    Args:
        problem: what the facts are stated for.
        facts: as stated; None where a trace states none (vanilla, free text), which reveals nothing.

    Returns:
        ``right`` where the stated facts are exactly the gold facts and there are some; else the first that holds of
        ``derives``, ``names``, ``excludes``; else ``none``.
    """
    if facts is None:
        return "none"
    gold = _set(problem.facts)
    if gold and _set(facts) == gold:
        return RIGHT
    if derives(problem, facts):
        return "derives"
    if names(problem, facts):
        return "names"
    return "excludes" if excludes(problem, facts) else "none"


def excludes(problem: Problem, facts: Sequence[str]) -> bool:
    """Whether the context without the stated facts is exactly the gold facts; False where nothing is gold."""
    gold = _set(problem.facts)
    return bool(gold) and _set(problem.context) - _set(facts) == gold


def names(problem: Problem, facts: Sequence[str]) -> bool:
    """Whether a gold answer stands as whole words in a stated fact; MS MARCO: a reference text as a whole."""
    stated = [f" {normalise(fact)} " for fact in facts]
    answers = filter(None, map(normalise, problem.answers))
    return any(f" {answer} " in fact for answer in answers for fact in stated)


def derives(problem: Problem, facts: Sequence[str]) -> bool:
    """Whether the rules get a gold answer from the stated facts in place of the context.

    Facts of the context are read as the context spells them and in its order, whatever the trace does to them, since
    a student sees the context, too; other facts follow as stated.
    """
    if problem.dataset not in _ANSWERED or not facts:
        return False
    stated = _set(facts)
    known = tuple(fact for fact in problem.context if normalise(fact) in stated)
    others = stated - _set(known)
    read = (*known, *(fact for fact in facts if normalise(fact) in others))
    return not _set(problem.answers).isdisjoint(_derived(problem.dataset, problem.question, read))


@lru_cache(maxsize=1 << 15)
def _derived(dataset: str, question: str, facts: tuple[str, ...]) -> frozenset[str]:
    """The normalised answers that the rules get from facts and question."""
    return _set(derive(Problem("", dataset, "", facts, question, (), (), "test")).answers)


def _set(texts: Sequence[str]) -> frozenset[str]:
    return frozenset(filter(None, map(normalise, texts)))
