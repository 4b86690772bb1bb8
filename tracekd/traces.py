"""Traces: the text between the think tags in the authors' wording, right or wrong on purpose, and its reader."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tracekd.corrupt import wrong_facts, wrong_label
from tracekd.problems import Problem

CONDITIONS = ("vanilla", "correct", "incorrect", "r1", "r1_summary", "r1_explanation", "swapped")

# The authors' wording (spec of the released outputs); sets other than CoTempQA share the second one.
_LABEL = {
    "cotempqa": "The temporal relation between the event in question and the event in context is: {}.",
    "other": (
        "The category of the question represents what is being asked in that question. "
        "The category of the question asked is: {}."
    ),
}
_FACTS = {
    "cotempqa": "I need to use the following facts to answer the question: {}",
    "other": "I need to use the following text to answer the question: {}",
}
# The label ends at the full stop that ends its line or stands before the second sentence, not at one inside it.
_READ_LABEL = re.compile(
    r"(?:the event in context|category of the question asked) is:\s*"
    r"(.*?)[ \t]*(?:\.[ \t]*(?=I need to use the following)|\.?[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_READ_FACTS = re.compile(
    r"I need to use the following (?:facts?|texts?) to answer the question:\s*(.*)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Trace:
    """What a student sees between ``<think>`` and ``</think>``.

    Attributes:
        condition: one of ``CONDITIONS``.
        text: the trace; empty for ``vanilla``.
        classification: the stated label, right or wrong; None for vanilla and free-form traces.
        retrieval: the stated facts in their order; None for vanilla and free-form traces.
        teacher: who wrote a free-form trace: a model's name, or ``templated``; "" for the others.
        answer: the answer text to teach where it is not gold's: a teacher's final message, as the release teaches it.
    """

    condition: str
    text: str
    classification: str | None = None
    retrieval: tuple[str, ...] | None = None
    teacher: str = ""
    answer: str | None = None


def render(dataset: str, label: str, facts: Sequence[str] | str) -> str:
    """Write the two steps in the authors' wording.

    Args:
        dataset: ``cotempqa`` has its own wording; every other set takes that of bAbI and MS MARCO.
        label: the classification to state.
        facts: a sequence is written as a Python list literal, a bare string as it stands.
    """
    kind = dataset if dataset in _LABEL else "other"
    shown = facts if isinstance(facts, str) else repr(list(facts))
    return _LABEL[kind].format(label) + "\n" + _FACTS[kind].format(shown)


def read(text: str) -> tuple[str | None, tuple[str, ...] | None]:
    """Read label and facts back from a trace, the inverse of ``render``.

    Returns:
        The stated label (None where no classification sentence stands) and the stated facts: a Python list
        literal item by item, any other text as one item, nothing after the colon as no fact, and None where
        no retrieval sentence stands.
    """
    label = _READ_LABEL.search(text)
    facts = _READ_FACTS.search(text)
    return (label.group(1).strip() or None) if label else None, read_list(facts.group(1)) if facts else None


def read_list(text: str) -> tuple[str, ...]:
    """Read a Python list, tuple, set or string literal into its items; text that does not parse is one item."""
    text = text.strip()
    if not text:
        return ()
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return (text,)
    if isinstance(value, list | tuple | set):
        return tuple(str(item) for item in value)
    return (value if isinstance(value, str) else text,)


def answer_text(problem: Problem) -> str:
    """The gold answer as the target states it, the same in every condition.

    CoTempQA: a Python list literal. bAbI: the words joined by commas, as in its files. Every other set: the
    bare text, or a list literal where there are several answers.
    """
    if problem.dataset == "cotempqa":
        return repr(list(problem.answers))
    if problem.dataset == "babi":
        return ",".join(problem.answers)
    return problem.answers[0] if len(problem.answers) == 1 else repr(list(problem.answers))


def prompt(problem: Problem) -> str:
    """The user turn: the context, one fact a line, then the question, in the authors' wording."""
    facts = "\n".join(problem.context)
    question = f"Question: {problem.question} Only return the answer."
    return f"Answer the question based on the context:\n{facts}\n{question}"


def build(problem: Problem, condition: str, *, seed: int = 0, corrupt: str = "both", style: str = "matched") -> Trace:
    """Build the trace of a rule-made condition; free-form ones come from ``tracekd.freeform``.

    Args:
        problem: the problem with its gold steps.
        condition: ``vanilla`` (no trace), ``correct`` (gold label, gold facts) or ``incorrect``.
        seed: with the problem's id it decides the corruption; the order of problems does not matter.
        corrupt: which step of an incorrect trace is wrong: ``classification``, ``retrieval`` or ``both``.
        style: ``matched`` or ``as_published``, see ``tracekd.corrupt``.

    Raises:
        ValueError: a condition, step or style that is not known.
    """
    if condition == "vanilla":
        return Trace("vanilla", "")
    if condition == "correct":
        text = render(problem.dataset, problem.category, problem.facts)
        return Trace("correct", text, problem.category, problem.facts)
    if condition != "incorrect":
        raise ValueError(
            f"condition {condition!r} is not one of vanilla, correct, incorrect; "
            "free-form conditions (r1, r1_summary, r1_explanation, swapped) come from tracekd.freeform"
        )
    if corrupt not in ("classification", "retrieval", "both"):
        raise ValueError(f"corrupt={corrupt!r}: expected 'classification', 'retrieval' or 'both'")
    label = problem.category if corrupt == "retrieval" else wrong_label(problem, seed, style)
    facts = problem.facts if corrupt == "classification" else wrong_facts(problem, seed, style, label)
    stated = (facts,) if isinstance(facts, str) else tuple(facts)
    return Trace("incorrect", render(problem.dataset, label, facts), label, stated)


def target(problem: Problem, trace: Trace) -> str:
    """The assistant turn that a student learns: the trace in its tags, a space, the answer in its tags."""
    answer = f"<answer>{answer_text(problem) if trace.answer is None else trace.answer}</answer>"
    return answer if trace.condition == "vanilla" else f"<think>{trace.text}</think> {answer}"
