"""Id-aligned verdicts: what an output states, compared with the gold steps of the problem with its id."""

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.decompose.derive import derive
from tracekd.scoring.reading import read_answers, split_output
from tracekd.text import fact_set, normalise, rouge_l, same_label, word_f1
from tracekd.traces.corruption import reveals
from tracekd.traces.templates import read

# The data dictionary of verdict tables, written beside every one of them: column, meaning.
VERDICT = pd.read_csv(Path(__file__).with_name("verdict_columns.csv"))
# In the order in which tables show them; every output has exactly one.
STATUSES = ("ok", "untagged", "no_trace", "no_answer", "truncated")

Faults = dict[str, list[str]]  # what can be wrong with an outputs file, by kind
# The four cells of the trace x answer table, by (trace_correct, answer_correct).
CELLS = {(True, True): "both", (False, True): "answer_only", (True, False): "trace_only", (False, False): "neither"}


def overlap(stated: frozenset, gold: frozenset) -> tuple[float, float, float]:
    """Precision, recall and F1 of a stated set, each in 0..1; 1 where both sets are empty, 0 where one is."""
    if not stated or not gold:
        return (float(not stated and not gold),) * 3
    hits = len(stated & gold)
    return hits / len(stated), hits / len(gold), 2 * hits / (len(stated) + len(gold))


def verdict(problem: Problem, text: str, finished: bool = True) -> dict[str, Any]:
    """Judge one output against its own problem (columns: ``VERDICT``); a step that is not stated is wrong."""
    status, trace, answer = split_output(text, finished)
    label, facts = read(trace, problem.context) if trace else (None, None)
    stated_facts, gold_facts = fact_set(facts or ()), fact_set(problem.facts)
    precision, recall, _ = overlap(stated_facts, gold_facts) if facts is not None else (0.0, 0.0, 0.0)
    classified = same_label(label, problem.category)
    retrieved = facts is not None and stated_facts == gold_facts
    stated, marco = read_answers(problem, answer), problem.dataset == "marco"
    right, f1 = judge_answer(problem, stated)
    padded, enough = f" {normalise(answer or '')} ", any if marco else all
    return {
        "id": problem.id, "dataset": problem.dataset, "category": problem.category, "status": status,
        "classification_stated": label, "classification_correct": classified,
        "facts_stated": facts, "retrieval_correct": retrieved,
        "retrieval_precision": precision, "retrieval_recall": recall,
        "retrieval_any": bool(stated_facts & gold_facts),
        "trace_correct": classified and retrieved, "reveals": reveals(problem, facts),
        "answer_stated": stated, "answer_correct": right, "answer_f1": f1,
        "answer_rouge_l": max(rouge_l(" ".join(stated), gold) for gold in problem.answers) if marco else math.nan,
        "answer_contains": right or enough(f" {normalise(gold)} " in padded for gold in problem.answers),
        "cell": CELLS[classified and retrieved, right],
    }  # fmt: skip


def judge_answer(problem: Problem, stated: Sequence[str]) -> tuple[bool, float]:
    """Whether stated answers are right, and their F1 (0..1: over whole answers; MS MARCO: over words, best reference).

    The set of answers must be the gold set. MS MARCO's gold answers are alternatives: one is enough.
    """
    answers, gold = frozenset(map(normalise, stated)), frozenset(map(normalise, problem.answers))
    if problem.dataset == "marco":
        return bool(answers) and answers <= gold, max(word_f1(" ".join(stated), ref) for ref in problem.answers)
    return answers == gold, overlap(answers, gold)[2]


def passes_check(problem: Problem, verdict: Mapping[str, Any]) -> bool | None:
    """Whether the stated label and facts are those derived from context and question; None where nothing is derived."""
    derived = derive(problem)
    if derived.category is None or not derived.evidence:
        return None
    facts = verdict["facts_stated"]
    if facts is None or not same_label(verdict["classification_stated"], derived.category):
        return False
    return fact_set(facts) == fact_set(problem.context[i] for i in derived.evidence)


def usable(output: Mapping) -> bool:
    """Whether a record has ``id`` and ``text`` as strings, and ``finished``, if at all, as a flag."""
    texts = (output.get("id"), output.get("text"))
    return all(isinstance(text, str) for text in texts) and isinstance(output.get("finished", True), bool)


def verdicts(problems: Mapping[str, Problem], outputs: Iterable[Mapping], faults: Faults) -> Iterator[dict[str, Any]]:
    """Yield a verdict per output, joined by id (of two the first counts); ``faults`` gets the others, by kind."""
    faults |= {kind: [] for kind in ("malformed", "unknown", "duplicate", "missing")}
    seen: set[str] = set()
    for number, output in enumerate(outputs, 1):
        if not usable(output):
            faults["malformed"].append(f"output {number}, not with 'id' and 'text': {str(output)[:80]}")
        elif (key := output["id"]) not in problems:
            faults["unknown"].append(key)
        elif key in seen:
            faults["duplicate"].append(key)
        else:
            seen.add(key)
            yield verdict(problems[key], output["text"], output.get("finished", True))
    faults["missing"] += [key for key in problems if key not in seen]


# The grader's examples define what "correct" means here: invented problems and outputs, the verdict that each must get.
_EXAMPLES = tomllib.loads(Path(__file__).with_name("grader_examples.toml").read_text(encoding="utf-8"))
EXAMPLE_PROBLEMS = {
    name: Problem(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()})
    for name, row in _EXAMPLES["problems"].items()
}


def example_cases() -> list[tuple[Problem, str, bool, tuple, str]]:
    """Problem, output, whether it was finished, expected status and three flags (as in the table), and the reason."""
    found = []
    for case in _EXAMPLES["cases"]:
        problem, expected = EXAMPLE_PROBLEMS[case["problem"]], (case["status"], *case["right"])
        problem = replace(problem, answers=(case["gold"],)) if "gold" in case else problem
        found.append((problem, case["text"], case.get("finished", True), expected, case["note"]))
    return found


def example_table() -> pd.DataFrame:
    """The examples with their verdicts: note, text, finished, status, classification, retrieval, answer, contains."""
    shown = {f"{step}_correct": step for step in ("classification", "retrieval", "answer")}
    shown["answer_contains"] = "contains"
    rows = [{"note": case[4], "text": case[1], "finished": case[2], **verdict(*case[:3])} for case in example_cases()]
    return pd.DataFrame(rows)[["note", "text", "finished", "status", *shown]].rename(columns=shown)
