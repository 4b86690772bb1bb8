"""Id-aligned verdicts: what an output states, set against the gold steps of the problem with its id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tracekd.leakage import reveals
from tracekd.problems import Problem
from tracekd.text import normalise
from tracekd.traces import read, read_list

# In the order in which tables show them; every output has exactly one.
STATUSES = ("ok", "untagged", "no_trace", "no_answer", "truncated")

# The four cells of the trace x answer table, by (trace_correct, answer_correct).
CELLS = {(True, True): "both", (False, True): "answer_only", (True, False): "trace_only", (False, False): "neither"}

# A role word that a chat template left behind. It counts only before a line end, a colon or a tag:
# "assistant coach" is an answer, not a role.
_ROLE = re.compile(r"\A\s*(?:assistant|model)[ \t]*(?::|\r?\n|(?=<)|\Z)", re.IGNORECASE)
_TRACE = re.compile(r"(?:<think>)?(.*?)</think>", re.DOTALL | re.IGNORECASE)
_ANSWER = re.compile(r"<answer>(.*?)(</answer>|\Z)", re.DOTALL | re.IGNORECASE)
_ANSWER_WORD = re.compile(r".*\banswer\**:\**", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)


def split_output(text: str, finished: bool = True) -> tuple[str, str | None, str | None]:
    """Cut an output into status, trace text and answer text.

    Args:
        text: the generated text, with or without a leading role word.
        finished: False where generation met its token limit before the end token.

    Returns:
        ``(status, trace, answer)``. The status is the first that holds of ``truncated`` (not finished), ``no_answer``
        (no answer text), ``no_trace`` (no trace text: the expected status of vanilla and prompted students; the
        answer is scored like any other), ``untagged`` (the answer does not stand between ``<answer>`` and
        ``</answer>``), ``ok``. Texts that are absent or empty are None.
    """
    text = _ROLE.sub("", text, count=1)
    lowered = text.lower()
    trace, rest = None, text
    if ended := "</think>" in lowered:
        start = max(lowered.find("<think>", 0, lowered.find("</think>")), 0)
        match = _TRACE.match(text, start)
        trace, rest = match.group(1).strip() or None, text[match.end() :]
    elif "<think>" in lowered and not finished:
        return "truncated", None, None  # cut off within its trace: what stands there is not yet an answer
    answer, tagged = _answer(rest, ended)
    if not finished:
        return "truncated", trace, answer
    if answer is None:
        return "no_answer", trace, None
    if trace is None:
        return "no_trace", None, answer
    return ("ok" if tagged else "untagged"), trace, answer


def _answer(rest: str, after_trace: bool) -> tuple[str | None, bool]:
    """The answer text in what follows the trace, and whether it stood between its tags."""
    if match := _ANSWER.search(rest):
        return match.group(1).strip() or None, bool(match.group(2))
    if after_trace and (match := _ANSWER_WORD.match(rest)):
        rest = rest[match.end() :]
    # A tag without its partner is left over from the template, like the role word.
    return _TAG.sub("", rest).strip() or None, False


def read_answers(dataset: str, text: str | None) -> tuple[str, ...]:
    """The answers in an answer text, as written, without those that hold no letter or digit.

    Lists are read as Python literals where they parse; else bAbI's text is cut at its commas, and any other
    text is one item.
    """
    if text is None:
        return ()
    # Free text may open with a quotation or a bracketed remark; only "[" opens a list in it.
    opens = "[" if dataset == "marco" else "[('\"{"
    if text[:1] and text[0] in opens:
        items = read_list(text)
    else:
        items = tuple(text.split(",")) if dataset == "babi" else (text,)
    return tuple(item for item in items if normalise(item))


def overlap(stated: set | frozenset, gold: set | frozenset) -> tuple[float, float, float]:
    """Precision, recall and F1 of a stated set, each in 0..1; 1 where both sets are empty, 0 where one is."""
    if not stated or not gold:
        value = float(not stated and not gold)
        return value, value, value
    hits = len(stated & gold)
    return hits / len(stated), hits / len(gold), 2 * hits / (len(stated) + len(gold))


def word_f1(stated: str, gold: str) -> float:
    """F1 of two texts as bags of normalised words (Rajpurkar et al. 2016, SQuAD), in 0..1."""
    left, right = normalise(stated).split(), normalise(gold).split()
    hits = sum(min(left.count(word), right.count(word)) for word in set(left))
    return 2 * hits / (len(left) + len(right)) if hits else float(not left and not right)


def verdict(problem: Problem, text: str, finished: bool = True) -> dict[str, Any]:
    """Judge one output against its own problem.

    Returns:
        dict with ``id``, ``dataset``, ``category``, ``status`` (one of ``STATUSES``), ``tagged`` (the answer stood
        in ``<answer>``), ``classification_stated`` (label as written, or None), ``classification_correct``,
        ``facts_stated`` (tuple of facts as written, or None), ``retrieval_correct`` (same set of facts),
        ``retrieval_precision``, ``retrieval_recall`` (0..1), ``retrieval_any`` (at least one gold fact),
        ``trace_correct`` (classification and retrieval), ``reveals`` (what the stated facts tell of the answer: one
        of ``leakage.LEVELS``, or ``right``; ``none`` where no facts are stated), ``answer_stated`` (tuple),
        ``answer_correct`` (same set), ``answer_f1`` (0..1: over whole answers; over words for MARCO, best of its
        references), ``answer_contains`` (each gold answer stands in the answer text as whole words),
        ``trace_words`` (count), ``cell`` (one of ``CELLS``). A step that is not stated is not correct.
    """
    status, trace, answer = split_output(text, finished)
    label, facts = read(trace) if trace else (None, None)
    stated_facts = frozenset(filter(None, map(normalise, facts or ())))
    gold_facts = frozenset(map(normalise, problem.facts))
    precision, recall, _ = overlap(stated_facts, gold_facts) if facts is not None else (0.0, 0.0, 0.0)
    classified = label is not None and normalise(label) == normalise(problem.category)
    retrieved = facts is not None and stated_facts == gold_facts
    stated = read_answers(problem.dataset, answer)
    right, f1 = _judge_answer(problem, stated)
    padded = f" {normalise(answer or '')} "
    return {
        "id": problem.id,
        "dataset": problem.dataset,
        "category": problem.category,
        "status": status,
        "tagged": answer is not None and "<answer>" in text.lower(),
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
        "answer_contains": all(f" {normalise(gold)} " in padded for gold in problem.answers),
        "trace_words": len(trace.split()) if trace else 0,
        "cell": CELLS[classified and retrieved, right],
    }


def _judge_answer(problem: Problem, stated: tuple[str, ...]) -> tuple[bool, float]:
    answers, gold = frozenset(map(normalise, stated)), frozenset(map(normalise, problem.answers))
    if problem.dataset == "marco":
        return answers == gold, max(word_f1(" ".join(stated), reference) for reference in problem.answers)
    return answers == gold, overlap(answers, gold)[2]


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
            self.named[kind].append(name)


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
