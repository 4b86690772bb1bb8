"""The grader's examples: invented problems and outputs with the verdict that each must get.

They define what "correct" means here: notebook 04 shows them and the tests check them.
"""

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.scoring.aligned import verdict


class Case(NamedTuple):
    """One output with the status and the flags that it must get, and the reason."""

    problem: Problem
    text: str
    finished: bool
    expected: tuple[str, bool, bool, bool]  # status, classification, retrieval, answer
    note: str


_FACTS = ("Ada Lem works for Orion Press from 2001 to 2005.", "Ada Lem works for Orion from 2001 to 2005.",
          "Ada Lem attended Vale College in 1999.")  # fmt: skip
PROBLEM = Problem(
    "cotempqa/equal/0001", "cotempqa", "equal", _FACTS,
    "While Ada Lem worked for Orion Press, which employer did Ada Lem work for?", ("Orion",), (1,), "test",
    {"triple_element": "S1_R1_O2"},
)  # fmt: skip
STORY = ("Mary got the milk.", "Mary took the football.", "John went home.")
LISTS = Problem(
    "babi/lists-sets/test-0001", "babi", "lists-sets", STORY, "What is Mary carrying?", ("milk", "football"), (0, 1),
    "test",
)  # fmt: skip
NOTHING = Problem(
    "marco/NUMERIC/0001", "marco", "NUMERIC", ("A passage on wool.",), "how tall is it", ("No Answer Present.",), (),
    "test",
)  # fmt: skip
T = (
    "The temporal relation between the event in question and the event in context is: {}.\n"
    "I need to use the following facts to answer the question: {}"
)
RIGHT = T.format("equal", "['Ada Lem works for Orion from 2001 to 2005.']")
B = (
    "The category of the question represents what is being asked in that question. The category of the question "
    "asked is: {}.\nI need to use the following text to answer the question: {}"
)
FACT, VALE = PROBLEM.context[1:]
TWO = replace(PROBLEM, answers=("Orion", "Vale"), evidence=(1, 2))
REFERENCES = replace(NOTHING, answers=("Ada Lem", "Dr. Ada Lem"), evidence=(0,))
ALL, ANSWER, NONE = (True, True, True), (False, False, True), (False, False, False)
TRACE = (True, True, False)
A = "<answer>['Orion']</answer>"


def _case(text: str, status: str, flags: tuple[bool, bool, bool], note: str, problem=PROBLEM, finished=True) -> Case:
    return Case(problem, text, finished, (status, *flags), note)


def _items(problem: Problem, stated: str, right: bool, note: str) -> Case:
    return _case(f"<answer>{stated}</answer>", "no_trace", ANSWER if right else NONE, note, problem)


def _value(gold: str, stated: str, right: bool, note: str) -> Case:
    return _items(replace(NOTHING, answers=(gold,), evidence=(0,)), stated, right, f"gold {gold}: {note}")


CASES = [
    _case(f"<think>{RIGHT}</think> {A}", "ok", ALL, "the form taught"),
    _case(f"<think>{RIGHT}</think>\n**Answer:** Orion", "untagged", ALL, "what follows the trace, without 'Answer:'"),
    _case(A, "no_trace", ANSWER, "no trace"),
    _case(f"<think>{RIGHT}</think> <answer></answer>", "no_answer", TRACE, "nothing in the tag"),
    _case(f"<think>{RIGHT}", "truncated", NONE, "cut off within the trace", finished=False),
    # Never by substring: neither a longer name nor an extra answer nor an extra fact is right.
    _case(f"<think>{RIGHT}</think> <answer>['Orion Press']</answer>", "ok", TRACE, "a longer name is another one"),
    _case(f"<think>{RIGHT}</think> <answer>['Orion', 'Vale']</answer>", "ok", TRACE, "a further answer is wrong"),
    _case(f"<think>{T.format('equal', list(PROBLEM.context[:2]))}</think> {A}", "ok", (True, False, True),
          "a further fact is wrong"),
    _case(f"<think>{RIGHT}\nThe relation is: mix.</think> {A}", "ok", (False, True, True), "two different labels"),
    _case("<think>" + B.format("lists-sets", list(LISTS.context[:2][::-1])) + "</think> <answer>football,milk</answer>",
          "ok", ALL, "order does not count", LISTS),
    _case(f"{A}<think>{RIGHT}</think>", "ok", ALL, "the answer first"),
    _case(f"<think>{RIGHT}</think> {A} <answer>['Vale']</answer>", "ok", TRACE, "several answers: the last one counts"),
    _case("Orion<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nVale", "no_trace", ANSWER,
          "the first turn counts"),
    _items(TWO, "Vale, Orion", False, "a bare comma may be part of a name"),
    _items(TWO, "- Vale\n- Orion", True, "bullets"),
    _items(TWO, "Orion and Vale", False, "a sentence is no list"),
    # What is the same value, and what is another one.
    _value("3 degrees", "-3 degrees", False, "the sign"),
    _value("C#", "C++", False, "marks of a name"),
    _value("1,200", "1200", True, "a thousands separator"),
    _value("1", "one", False, "a number in words"),
    # MS MARCO's references are alternatives; "No Answer Present." is an answer like any other.
    _items(REFERENCES, "Ada Lem", True, "one reference is enough"),
    _items(REFERENCES, "Ada", False, "exactly"),
    _items(REFERENCES, "No Answer Present.", False, "declined where there is an answer"),
    _case("<think>" + B.format("NUMERIC", []) + "</think> <answer>no answer present</answer>", "ok", ALL,
          "declined where there is none", NOTHING),
]  # fmt: skip


def table() -> pd.DataFrame:
    """The examples with their verdicts: note, text, finished, status, classification, retrieval, answer, contains."""
    rows = []
    for problem, text, finished, _, note in CASES:
        got = verdict(problem, text, finished)
        found = {step: got[f"{step}_correct"] for step in ("classification", "retrieval", "answer")}
        about = {"note": note, "text": text, "finished": finished, "status": got["status"]}
        rows.append(about | found | {"contains": got["answer_contains"]})
    return pd.DataFrame(rows)
