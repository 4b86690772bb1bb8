"""The release's own scoring rules, to the letter, side effects included; built from a description of its scorer."""

import re
import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from tracekd.data.problem import Problem
from tracekd.scoring import aligned
from tracekd.scoring.reading import split_output
from tracekd.traces.templates import answer_text

DATASETS = ("cotempqa", "babi")
METRICS = ("acc", "f1", "p", "r")
FLAGS = ("classification_correct", "retrieval_correct", "trace_correct", "answer_correct")
# Columns that stand beside the aligned ones, with the prefix ``pub_``.
BESIDE = ("evaluated", "gold_row", "other_row", *FLAGS, "cell", *METRICS[1:])

_PUNCTUATION = str.maketrans("", "", string.punctuation)

# (key phrase that chooses the relation, verb phrase of its patterns), in the release's order.
_RELATIONS = (
    (" the position of ", "holds the position of"),
    (" a member of ", "is a member of the"),
    (" the chair of ", "is the chair of"),
    (" the head of ", "is the head of"),
    (" owned by ", "is owned by"),
    ("attend", "attended"),
    ("work", "works for"),
    ("play", "plays for"),
)
# Words beside the answer where it has no tag, and the side of them on which it stands.
_MARKS = (("answer the question based on", 0), (" answer ", 1), ("answer:", 1))
_TENSES = ((" was ", " is "), (" held ", " holds "), (" worked ", " works "), (" played ", " plays "))
_RESTS = (r"(.*?) from (.*?) to (.*?)\.", r"(.*?) in (.*?)\.", r"(.*?) from (.*)", r"(.*?)\.")


def answer_part(text: str) -> str:
    """The lower-cased text that the release took for the answer, its deletions included."""
    text = text.lower()
    if "<answer>" in text:
        text = text.split("<answer>", 1)[1].split("</answer>", 1)[0]
    else:
        text = next((text.split(words)[side] for words, side in _MARKS if words in text), text)
    return text.replace("assistant", "").replace("think", "").strip()


@lru_cache(maxsize=1 << 16)
def slot(fact: str, triple: str) -> str | None:
    """One lower-cased slot of a fact: its subject, or for ``S2_R1_O1`` its object; None where no pattern matches."""
    for old, new in _TENSES:
        fact = fact.replace(old, new)
    for key, verb in _RELATIONS:
        if key in fact:
            for rest in _RESTS:
                if match := re.match(f"(.*?) {verb} {rest}", fact):
                    return match.group(2 if triple == "S2_R1_O1" else 1).lower()
    return None


def predicted(problem: Problem, text: str) -> list[str]:
    """The predicted answers that the release read out of an output."""
    part = answer_part(text)
    if problem.dataset != "cotempqa":
        return [part] if answer_text(problem).lower() in part else []
    triple = problem.meta.get("triple_element", "")
    slots = (slot(fact, triple) for fact in problem.context)
    gold = (answer.lower() for answer in problem.answers)
    alternatives = dict.fromkeys(name for name in (*slots, *gold) if name)
    question, skipped, found = problem.question.lower(), False, []
    # The release leaves the order of equal lengths open: from Z to A every published row follows, else all but one.
    for name in sorted(alternatives, key=lambda name: (len(name), name), reverse=True):
        if name not in part:
            continue
        if not skipped and name in question:
            skipped = True
        else:
            found.append(name)
        part = part.replace(name, "")
    return found or [part]


def answer_metric(problem: Problem, text: str) -> dict[str, float]:
    """``acc`` (0 or 1), ``f1``, ``p`` and ``r`` (0..1) of one output under the published answer metric."""
    gold = problem.answers if problem.dataset == "cotempqa" else (answer_text(problem),)
    stated, gold = (
        sorted(" ".join(a.lower().translate(_PUNCTUATION).split()) for a in set(answers))
        for answers in (predicted(problem, text), gold)
    )
    hits = sum((Counter(stated) & Counter(gold)).values())
    p, r = hits / len(stated) if stated else 0.0, hits / len(gold) if gold else 0.0
    return {"acc": float(stated == gold), "f1": 2 * p * r / (p + r) if hits else 0.0, "p": p, "r": r}


def metric_row(sums: Mapping[str, float], n: int) -> dict[str, float]:
    """Percent to one decimal over ``n`` outputs, and ``avg``, the mean of acc and f1."""
    mean = {name: 100 * float(sums[name]) / n for name in METRICS}
    mean["avg"] = (mean["acc"] + mean["f1"]) / 2
    # Sums of 0, 1 and simple fractions in floating point: nine digits first, so that halves round as they did.
    return {name: round(round(value, 9), 1) for name, value in mean.items()}


class GoldRows:
    """The release's join: an output's gold row is the first row whose printed answer contains its first gold answer."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Take ``problems`` in the authors' file order (CoTempQA: within each category)."""
        self._rows: dict[str, list[tuple[str, Problem]]] = defaultdict(list)
        for problem in problems:
            self._rows[_file(problem)].append((answer_text(problem), problem))

    def of(self, problem: Problem) -> Problem | None:
        """The row that the release took as gold for an output of ``problem``; None where no row contains its answer."""
        # bAbI's first gold answer is the whole printed answer: its comma lists were not split.
        first = problem.answers[0] if problem.dataset == "cotempqa" else answer_text(problem)
        return next((row for printed, row in self._rows[_file(problem)] if first in printed), None)


def _file(problem: Problem) -> str:
    return problem.category if problem.dataset == "cotempqa" else problem.dataset


def verdict(problem: Problem, text: str, gold_rows: GoldRows, finished: bool = True) -> dict[str, Any]:
    """Judge one output by the release's rules (columns: ``aligned.VERDICT``); ``cell`` is None where not evaluated."""
    row, trace, metric = gold_rows.of(problem), text.split("</think>", 1)[0], answer_metric(problem, text)
    evaluated = "think" in text and bool(trace.strip())
    sentences = trace.split(".")
    if problem.dataset == "cotempqa":
        classified = row is not None and row.category in sentences[0]
    else:
        classified = row is not None and row.category.lower() in sentences[len(sentences) > 1].lower()
    retrieved = evaluated and row is not None and any(sentence in trace for sentence in row.context)
    right, classified = metric["acc"] == 1.0, evaluated and classified
    return {
        "id": problem.id, "dataset": problem.dataset, "category": problem.category,
        "status": split_output(text, finished)[0], "evaluated": evaluated,
        "gold_row": row.id if row else None, "other_row": row is not problem,
        "classification_correct": classified, "retrieval_correct": retrieved,
        "trace_correct": classified and retrieved, "answer_correct": right,
        "cell": aligned.CELLS[classified and retrieved, right] if evaluated else None, **metric,
    }  # fmt: skip


def beside(gold_rows: GoldRows, problem: Problem, text: str, finished: bool = True) -> dict[str, Any]:
    """The id-aligned verdict, and the release's in columns ``pub_...``: None for sets that it has no rules for."""
    theirs = verdict(problem, text, gold_rows) if problem.dataset in DATASETS else {}
    return aligned.verdict(problem, text, finished) | {f"pub_{name}": theirs.get(name) for name in BESIDE}
