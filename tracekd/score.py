"""Id-aligned verdicts: what an output states, set against the gold steps of the problem with its id."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracekd.leakage import reveals
from tracekd.problems import Problem
from tracekd.reading import read_answers, read_output, split_output
from tracekd.text import normalise, rouge_l, word_f1
from tracekd.traces import read

__all__ = ["CELLS", "STATUSES", "Faults", "judge_answer", "split_output", "verdict", "verdicts", "word_f1"]

# In the order in which tables show them; every output has exactly one.
STATUSES = ("ok", "untagged", "no_trace", "no_answer", "truncated")

# The four cells of the trace x answer table, by (trace_correct, answer_correct).
CELLS = {(True, True): "both", (False, True): "answer_only", (True, False): "trace_only", (False, False): "neither"}


def overlap(stated: set | frozenset, gold: set | frozenset) -> tuple[float, float, float]:
    """Precision, recall and F1 of a stated set, each in 0..1; 1 where both sets are empty, 0 where one is."""
    if not stated or not gold:
        value = float(not stated and not gold)
        return value, value, value
    hits = len(stated & gold)
    return hits / len(stated), hits / len(gold), 2 * hits / (len(stated) + len(gold))


def same_label(stated: str | None, right: str) -> bool:
    """Whether a stated label is the right one, as strings are compared; not stated is not right."""
    return stated is not None and normalise(stated) == normalise(right)


def fact_set(facts: Iterable[str]) -> frozenset[str]:
    """Facts as the set that is compared."""
    return frozenset(filter(None, map(normalise, facts)))


def verdict(problem: Problem, text: str, finished: bool = True) -> dict[str, Any]:
    """Judge one output against its own problem; ``schema.VERDICT`` says what each column holds.

    A step that is not stated is not correct.
    """
    status, trace, answer, tagged = read_output(text, finished)
    label, facts = read(trace, problem.context) if trace else (None, None)
    stated_facts, gold_facts = fact_set(facts or ()), fact_set(problem.facts)
    precision, recall, _ = overlap(stated_facts, gold_facts) if facts is not None else (0.0, 0.0, 0.0)
    classified = same_label(label, problem.category)
    retrieved = facts is not None and stated_facts == gold_facts
    stated = read_answers(problem, answer)
    right, f1 = judge_answer(problem, stated)
    padded = f" {normalise(answer or '')} "
    return {
        "id": problem.id,
        "dataset": problem.dataset,
        "category": problem.category,
        "status": status,
        "tagged": tagged,
        "classification_stated": label,
        "classification_correct": classified,
        "facts_stated": facts,
        "retrieval_correct": retrieved,
        "retrieval_precision": precision,
        "retrieval_recall": recall,
        "retrieval_any": bool(stated_facts & gold_facts),
        "trace_correct": classified and retrieved,
        "reveals": reveals(problem, facts),
        "answer_stated": stated,
        "answer_correct": right,
        "answer_f1": f1,
        "answer_rouge_l": _rouge_l(problem, stated),
        "answer_contains": _quantifier(problem)(f" {normalise(gold)} " in padded for gold in problem.answers),
        "trace_words": len(trace.split()) if trace else 0,
        "cell": CELLS[classified and retrieved, right],
    }


def judge_answer(problem: Problem, stated: Sequence[str]) -> tuple[bool, float]:
    """Whether stated answers are right, and their F1 (0..1: over whole answers; MS MARCO: over words, best reference).

    The set of answers must be the gold set; MS MARCO's gold answers are alternatives, of which one is enough.
    """
    answers, gold = frozenset(map(normalise, stated)), frozenset(map(normalise, problem.answers))
    if problem.dataset == "marco":
        return bool(answers) and answers <= gold, max(word_f1(" ".join(stated), ref) for ref in problem.answers)
    return answers == gold, overlap(answers, gold)[2]


def _rouge_l(problem: Problem, stated: Sequence[str]) -> float:
    if problem.dataset != "marco":
        return math.nan
    return max(rouge_l(" ".join(stated), reference) for reference in problem.answers)


def _quantifier(problem: Problem) -> Callable[[Iterable[bool]], bool]:
    return any if problem.dataset == "marco" else all


@dataclass
class Faults:
    """What was wrong with an outputs file: each list names the first ``keep`` cases, ``counts`` has them all.

    Kinds: ``malformed`` (no JSON object, or no ``id`` and ``text``), ``unknown`` (id of no problem), ``duplicate``
    (a second output for an id; the first one counts), ``missing`` (a problem without output).
    """

    keep: int = 10
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    named: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in FAULTS})

    def add(self, kind: str, name: str) -> None:
        """Count one fault of ``kind`` and keep its name while there is room."""
        self.counts[kind] += 1
        if len(self.named[kind]) < self.keep:
            self.named[kind].append(name.encode(errors="replace").decode())  # it may hold half a character


FAULTS = ("malformed", "unknown", "duplicate", "missing")

Judge = Callable[[Problem, str, bool], dict[str, Any]]


def verdicts(
    problems: Mapping[str, Problem], outputs: Iterable[Mapping], faults: Faults, judge: Judge = verdict
) -> Iterator[dict[str, Any]]:
    """Yield one verdict an output, in the outputs' order, joined by id; what cannot be joined goes to ``faults``.

    Only the ids that were seen are held, so memory does not grow with the outputs' text.
    """
    seen: set[str] = set()
    for number, output in enumerate(outputs, 1):
        key, text = output.get("id"), output.get("text")
        if not isinstance(key, str) or not isinstance(text, str):
            faults.add("malformed", f"output {number}: no 'id' and 'text' strings")
        elif key not in problems:
            faults.add("unknown", key)
        elif key in seen:
            faults.add("duplicate", key)
        else:
            seen.add(key)
            yield judge(problems[key], text, bool(output.get("finished", True)))
    for key in problems:
        if key not in seen:
            faults.add("missing", key)
