"""Traces: the text between the think tags in the authors' wording, right or wrong on purpose; its reader and verifier.

Rules write the conditions ``RULED``: every problem once, its right answer, and a trace that differs.

* ``vanilla`` (no trace), ``correct`` (gold label, gold facts), ``incorrect`` (both wrong, ``corruption``'s default).
* ``incorrect_uniform``, ``incorrect_as_published``: both steps are wrong, drawn by that style of ``corruption``.
* ``any``: a label by the labels' counts in training, and as many facts as gold has, drawn blind from the context.
* ``foreign``: another problem's correct trace, each used once: only the pairing is wrong.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tracekd.data.problem import Problem
from tracekd.text import fact_set, first_list, marked_lines, quoted_list, read_list, same_label
from tracekd.traces.corruption import generator, label_counts, same, wrong_facts, wrong_label

INCORRECT = {"incorrect": "matched", "incorrect_uniform": "uniform", "incorrect_as_published": "as_published"}
STEPPED = ("correct", *INCORRECT, "any", "foreign")  # their traces state a label and facts
RULED = ("vanilla", *STEPPED)

# The authors' wording (spec of the released outputs): CoTempQA's, and that of all other sets.
_COTEMPQA = (
    "The temporal relation between the event in question and the event in context is: {}.\n"
    "I need to use the following facts to answer the question: {}"
)
_OTHER = (
    "The category of the question represents what is being asked in that question. "
    "The category of the question asked is: {}.\nI need to use the following text to answer the question: {}"
)
# The label ends at the full stop that ends its line or stands before another sentence, not at one inside it (U.S.).
_LABEL_END = (
    r"[*_\s]*(.*?)[ \t]*+(?:\.[ \t]*+(?=\**I\s+need\s+to\s+use\s+the\s+following)"
    r"|(?<=[^\W\d_]{3})[*_]{0,3}\.[ \t]+(?=(?-i:[A-Z]))|\.?[ \t]*+$)"
)
_READ_LABEL = re.compile(
    r"(?:the\s+event\s+in\s+context|category\s+of\s+the\s+question\s+asked)\s+is\s*:" + _LABEL_END,
    re.IGNORECASE | re.MULTILINE,
)
# Once a label has been stated, looser words state another.
_READ_OTHER_LABEL = re.compile(
    r"\b(?:relation|category|label|type|classification)\s+is\s*:" + _LABEL_END, re.IGNORECASE | re.MULTILINE
)
_READ_FACTS = re.compile(
    r"I\s+need\s+to\s+use\s+the\s+following\s+(?:facts?|texts?)\s+to\s+answer\s+the\s+question\s*:[*_]*\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Trace:
    """What a student of a ``condition`` sees between ``<think>`` and ``</think>``: ``text``, empty for ``vanilla``."""

    condition: str
    text: str
    classification: str | None = None  # as stated, right or wrong; None in a trace without steps
    retrieval: tuple[str, ...] | None = None
    teacher: str = ""  # of a free-form trace: a model's name, or ``templated``
    answer: str | None = None  # taught in place of gold's


def render(dataset: str, label: str, facts: Sequence[str] | str) -> str:
    """Write the two steps in the authors' wording; a sequence of facts as a Python list, a bare string as it stands."""
    shown = facts if isinstance(facts, str) else repr(list(facts))
    return (_COTEMPQA if dataset == "cotempqa" else _OTHER).format(label, shown)


def read(text: str, context: Sequence[str] = ()) -> tuple[str | None, tuple[str, ...] | None]:
    """Read label and facts back from a trace, the inverse of ``render``; None for a step that it does not state.

    Two different labels are joined by " | ". Facts are those of every retrieval sentence. Those in ``context`` tell
    facts from prose where a list has neither brackets nor marks; without them such a list ends with its first line.
    """
    head, *bodies = _READ_FACTS.split(text)
    stated = [_stated(body, context) for body in bodies]
    facts = tuple(fact for part, _ in stated for fact in part) if bodies else None
    rest = "I need to use the following\n".join([head, *(after for _, after in stated)])
    if not _READ_LABEL.search(rest):
        return None, facts
    labels = [match[1].strip(" *_") for form in (_READ_LABEL, _READ_OTHER_LABEL) for match in form.finditer(rest)]
    different = {same(label): label for label in reversed(labels) if label}
    return " | ".join(reversed(different.values())) or None, facts


def _stated(body: str, context: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The facts that a retrieval sentence is followed by, and what stands after them."""
    body = re.sub(r"\A\s*(?:\*{2,3}|_{2,3}|`{1,3})(?=[\[({])", "", body).strip()
    known = set(map(same, context))
    if (bracketed := first_list(body)) and (bracketed[0] == "[" or quoted_list(bracketed) is not None):
        if (found := quoted_list(bracketed)) is None:
            found = _all_known(bracketed[1:-1], known) or read_list(bracketed)
        return found, body[len(bracketed) :]
    lines = body.splitlines(keepends=True)
    if marked := marked_lines(body):
        return marked, "".join([line for line in lines if line.strip()][len(marked) :])
    if not lines:
        return (), ""
    number = next((i for i, line in enumerate(lines[1:], 1) if same(line) not in known), len(lines))
    line = re.sub(r"\A\(?1[.)] +", "", lines[0])  # a list of one, if that is a fact
    first = _all_known(lines[0], known) or ((line.strip(),) if same(line) in known else read_list(lines[0]))
    return (*first, *(line.strip() for line in lines[1:number])), "".join(lines[number:])


def _all_known(text: str, known: set[str]) -> tuple[str, ...]:
    """A text cut at its separators where every piece is a fact of the context; else nothing."""
    for between in (r"(?<=[.?!])\s*[,;|]?\s+", r"\s*[;|]\s*", r",\s+"):
        pieces = tuple(piece for piece in re.split(between, text.strip()) if piece)
        if len(pieces) > 1 and all(same(piece) in known for piece in pieces):
            return pieces
    return ()


def answer_text(problem: Problem) -> str:
    """The gold answer as the target states it.

    CoTempQA: a list literal; bAbI: joined by commas; MS MARCO: the first reference; others: bare, or a list of several.
    """
    if problem.dataset == "babi":
        return ",".join(problem.answers)
    bare = problem.dataset == "marco" or (len(problem.answers) == 1 and problem.dataset != "cotempqa")
    return problem.answers[0] if bare else repr(list(problem.answers))


def prompt(problem: Problem) -> str:
    """The user turn: the context, one fact a line, then the question, in the authors' wording."""
    lines = "Answer the question based on the context:", *problem.context, f"Question: {problem.question}"
    return "\n".join(lines) + " Only return the answer."


def build(problem: Problem, condition: str, *, seed: int = 0, corrupt: str = "both") -> Trace:
    """Build one problem's trace of a condition of ``RULED``; ``foreign`` needs other problems: see ``build_all``.

    ``corrupt`` says which step of an incorrect trace is wrong: ``classification``, ``retrieval`` or ``both``.
    """
    if condition == "vanilla":
        return Trace(condition, "")
    label, facts = problem.category, problem.facts
    if condition == "any":
        rng, counts = generator(seed, problem.id, "any"), label_counts(problem)
        shares = np.array(list(counts.values()), dtype=float)
        label = list(counts)[rng.choice(len(counts), p=shares / shares.sum())]
        pool = tuple(dict.fromkeys(problem.context))
        number = min(max(len(problem.evidence), 1), len(pool))
        facts = tuple(pool[i] for i in sorted(rng.permutation(len(pool))[:number]))
    elif condition in INCORRECT:
        if corrupt not in ("classification", "retrieval", "both"):
            raise ValueError(f"corrupt={corrupt!r}: expected 'classification', 'retrieval' or 'both'")
        label = label if corrupt == "retrieval" else wrong_label(problem, seed, INCORRECT[condition])
        facts = facts if corrupt == "classification" else wrong_facts(problem, seed, INCORRECT[condition])
    elif condition != "correct":
        raise ValueError(f"condition {condition!r}: expected one of {', '.join(RULED)} (foreign: of a whole set)")
    stated = (facts,) if isinstance(facts, str) else tuple(facts)
    return Trace(condition, render(problem.dataset, label, facts), label, stated)


def build_all(problems: Sequence[Problem], condition: str, *, seed: int = 0, **options) -> dict[str, Trace]:
    """The traces of a condition of ``RULED``, by problem id; ``options`` are ``build``'s."""
    if condition != "foreign":
        return {p.id: build(p, condition, seed=seed, **options) for p in problems}
    others, right = swap(problems, seed), {p.id: build(p, "correct") for p in problems}
    return {p.id: replace(right[others[p.id]], condition=condition) for p in problems}


def swap(problems: Sequence[Problem], seed: int = 0) -> dict[str, str]:
    """Random derangement of the ids of one data set, by seed and ids alone; ValueError if there is only one."""
    if len(problems) == 1:
        raise ValueError(f"nothing to swap with: there is only {problems[0].id}; add problems")
    ring = sorted((p.id for p in problems), key=lambda name: generator(seed, name, "swap").random())
    return dict(zip(ring, [*ring[1:], *ring[:1]], strict=True))


def target(problem: Problem, trace: Trace) -> str:
    """The assistant turn that a student learns: the trace in its tags, a space, the answer in its tags."""
    answer = f"<answer>{answer_text(problem) if trace.answer is None else trace.answer}</answer>"
    return answer if trace.condition == "vanilla" else f"<think>{trace.text}</think> {answer}"


def verify(trace: Trace | str, problem: Problem) -> tuple[bool | None, bool | None]:
    """Whether label and facts are gold's; a step that is not stated is wrong; None twice for a trace without steps."""
    label, facts = read(trace if isinstance(trace, str) else trace.text, problem.context)
    if label is None and facts is None:
        return None, None
    retrieved = facts is not None and fact_set(facts) == fact_set(problem.facts)
    return same_label(label, problem.category), retrieved
