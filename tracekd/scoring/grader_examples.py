"""The grader's examples: invented problems and outputs with the verdict that each must get.

They define what "correct" means here: notebook 04 shows them and the tests check them.
"""

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from tracekd.data.problem import Problem
from tracekd.scoring.aligned import verdict


class Case(NamedTuple):
    """One output, and the status and the correctness of its steps that it must get, with the reason."""

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


def _facts(stated: str, note: str) -> Case:
    return _case(f"<think>{T.format('equal', stated)}</think> ['Vale', 'Orion']", "untagged", ALL, note, TWO)


CASES = [
    # The forms that students are taught, and small departures from them.
    _case(f"<think>{RIGHT}</think> {A}", "ok", ALL, "the form taught"),
    _case(f"{RIGHT}</think> <answer>orion.</answer>", "ok", ALL, "a lone </think>: what stands before it"),
    _case(f"<think>{RIGHT}</think> ['Orion']", "untagged", ALL, "what follows the trace"),
    _case(f"<think>{RIGHT}</think>\n**Answer:** Orion", "untagged", ALL, "'Answer:' is dropped"),
    _case(A, "no_trace", ANSWER, "no trace"),
    _case("Answer: Orion.", "no_trace", ANSWER, "'Answer:' is dropped without a trace too"),
    _case("assistant Orion", "no_trace", NONE, "a role word needs its line end"),
    _case(f"<think>{RIGHT}</think> <answer></answer>", "no_answer", TRACE, "nothing in the tag"),
    _case(f"<think>{RIGHT}</think> {A}", "truncated", ALL, "cut off, judged as far as it goes", finished=False),
    _case(f"<think>{RIGHT}", "truncated", NONE, "cut off within the trace", finished=False),
    # Never by substring: neither a longer name nor an extra answer nor an extra fact is right.
    _case(f"<think>{RIGHT}</think> <answer>['Orion Press']</answer>", "ok", TRACE, "a longer name is another one"),
    _case(f"<think>{RIGHT}</think> <answer>['Orion', 'Vale']</answer>", "ok", TRACE, "a further answer is wrong"),
    _case(f"<think>{T.format('equal', list(PROBLEM.context[:2]))}</think> {A}", "ok", (True, False, True),
          "a further fact is wrong"),
    _case(f"<think>{T.format('during', FACT.lower())}</think> {A}", "ok", (False, True, True),
          "a bare fact is one item, its case does not count"),
    _case(f"<think>{RIGHT}\nSo it was Orion.</think> {A}", "ok", ALL, "text after the list is not part of it"),
    _case(f"<think>{RIGHT}\nThe relation is: mix.</think> {A}", "ok", (False, True, True), "two different labels"),
    _case(f"<think>{RIGHT}\n{T.format('equal', list(PROBLEM.context[2:]))}</think> {A}", "ok", (True, False, True),
          "two lists: all of both are stated"),
    _case(f"<think>{T.format('equal (at once)', [FACT])}</think> {A}", "ok", (False, True, True), "a label is exact"),
    _case("<think>" + B.format("lists-sets", list(LISTS.context[:2][::-1])) + "</think> <answer>football,milk</answer>",
          "ok", ALL, "order does not count", LISTS),
    # Where trace and answer stand when another program wrote them.
    _case(f"{A}<think>{RIGHT}</think>", "ok", ALL, "the answer first"),
    _case(f"<think>{RIGHT} {A}", "ok", ALL, "an unclosed <think>: up to <answer>"),
    _case(f"&lt;think&gt;{RIGHT}&lt;/think&gt; &lt;answer&gt;[&#39;Orion&#39;]&lt;/answer&gt;", "ok", ALL, "as HTML"),
    _case(f"< THINK >{RIGHT}</ think > <Answer >['Orion']</ANSWER>", "ok", ALL, "tags in any spelling"),
    _case(f"<think>{RIGHT}</think> <answer>['Vale']</answer> {A}", "ok", ALL, "several answers: the last one counts"),
    _case(f"<think>{RIGHT}</think> {A} <answer>['Vale']</answer>", "ok", TRACE, "several answers: the last one counts"),
    _case("Orion<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nVale", "no_trace", ANSWER,
          "the first turn counts"),
    _case("<answer>\\boxed{Orion}</answer>", "no_trace", ANSWER, "a LaTeX box around all of it"),
    # Lists in other forms.
    _items(TWO, "[Vale, Orion]", True, "without quotes"),
    _items(TWO, "Vale, Orion", False, "a bare comma may be part of a name"),
    _items(TWO, "- Vale\n- Orion", True, "bullets"),
    _items(replace(PROBLEM, answers=("Vale's", "Orion")), "['Vale's', 'Orion']", True, "an unescaped apostrophe"),
    _items(LISTS, "milk, football", True, "bAbI: commas"),
    _facts(f"\n- {VALE}\n- {FACT}", "facts as bullets"),
    _facts(f"{VALE}\n{FACT}\nSo both.", "facts as lines; a line that is no fact of the context ends them"),
    # What is the same value, and what is another one.
    _value("3 degrees", "-3 degrees", False, "the sign"),
    _value("5", "5%", False, "per cent"),
    _value("C#", "C++", False, "marks of a name"),
    _value("5,5", "5.5", False, "a decimal comma is not guessed: 5,5 stays as it stands"),
    _value("1,200", "1200", True, "a thousands separator"),
    _value("€5", "5 €", True, "a currency before or after"),
    _value("1/2", "½", True, "a fraction"),
    # What strictness refuses and the lenient measure ("contains") may accept.
    _items(TWO, "Orion and Vale", False, "a sentence is no list"),
    _items(replace(LISTS, answers=("bathroom",)), "the bathroom", False, "an article"),
    _value("1", "one", False, "a number in words"),
    # MS MARCO's references are alternatives; "No Answer Present." is an answer like any other.
    _items(REFERENCES, "Ada Lem", True, "one reference is enough"),
    _items(REFERENCES, "Ada", False, "exactly"),
    _items(REFERENCES, "No Answer Present.", False, "declined where there is an answer"),
    _case("<think>" + B.format("NUMERIC", []) + "</think> <answer>no answer present</answer>", "ok", ALL,
          "declined where there is none", NOTHING),
    _case("<think>" + B.format("NUMERIC", ["A."]) + "</think> <answer>9</answer>", "ok", (True, False, False),
          "answered where there is none", NOTHING),
]  # fmt: skip


def table() -> pd.DataFrame:
    """The examples with their verdicts: note, text, finished, status, classification, retrieval, answer, contains.

    Raises:
        ValueError: a verdict is not the one that an example must get.
    """
    rows = []
    for problem, text, finished, expected, note in CASES:
        got = verdict(problem, text, finished)
        found = (got["status"], *(got[f"{step}_correct"] for step in ("classification", "retrieval", "answer")))
        if found != expected:
            raise ValueError(f"grader example {note!r}: {found}, expected {expected}")
        rows.append((note, text, finished, *found, got["answer_contains"]))
    names = ("note", "text", "finished", "status", "classification", "retrieval", "answer", "contains")
    return pd.DataFrame(rows, columns=names)
