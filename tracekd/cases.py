"""The grader's test table: invented problems and outputs with the verdict that each must get.

The same list is printed in notebook 04 and checked by the tests: it defines what "correct" means here.
"""

from tracekd.problems import Problem

PROBLEM = Problem(
    id="cotempqa/equal/0001",
    dataset="cotempqa",
    category="equal",
    context=(
        "Ada Lem works for Orion Press from 2001 to 2005.",
        "Ada Lem works for Orion from 2001 to 2005.",
        "Ada Lem attended Vale College in 1999.",
    ),
    question="While Ada Lem worked for Orion Press, which employer did Ada Lem work for?",
    answers=("Orion",),
    evidence=(1,),
    split="test",
    meta={"triple_element": "S1_R1_O2"},
)
LISTS = Problem(
    "babi/lists-sets/test-0001",
    "babi",
    "lists-sets",
    ("Mary got the milk.", "Mary took the football.", "John went home."),
    "What is Mary carrying?",
    ("milk", "football"),
    (0, 1),
    "test",
)
NOTHING = Problem(
    "marco/NUMERIC/0001",
    "marco",
    "NUMERIC",
    ("A passage on wool.",),
    "how tall is it",
    ("No Answer Present.",),
    (),
    "test",
)
T = (
    "The temporal relation between the event in question and the event in context is: {}.\n"
    "I need to use the following facts to answer the question: {}"
)
RIGHT = T.format("equal", "['Ada Lem works for Orion from 2001 to 2005.']")
B = (
    "The category of the question represents what is being asked in that question. The category of the question "
    "asked is: {}.\nI need to use the following text to answer the question: {}"
)

# problem, text, finished, then expected: status, classification, retrieval, answer
CASES = [
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion']</answer>", True, ("ok", True, True, True)),
    (PROBLEM, f"assistant\n\n<think>{RIGHT}</think> <answer>['Orion']</answer>", True, ("ok", True, True, True)),
    (PROBLEM, f"{RIGHT}</think> <answer>orion.</answer>", True, ("ok", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think> ['Orion']", True, ("untagged", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}</think>\n**Answer:** Orion", True, ("untagged", True, True, True)),
    (PROBLEM, "<answer>['Orion']</answer>", True, ("no_trace", False, False, True)),
    (PROBLEM, "assistant\n\n['Orion']", True, ("no_trace", False, False, True)),
    (PROBLEM, "assistant\n<think>\n\n</think>\n\nOrion", True, ("no_trace", False, False, True)),
    # Tags without a partner are left over from the template.
    (PROBLEM, "assistant\n<think>\n\n['Orion']", True, ("no_trace", False, False, True)),
    (PROBLEM, f"<think>{RIGHT}</think></answer>['Orion']</answer>", True, ("untagged", True, True, True)),
    # A role word needs its line end: an answer may begin with the same letters.
    (PROBLEM, "assistant Orion", True, ("no_trace", False, False, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer></answer>", True, ("no_answer", True, True, False)),
    (PROBLEM, "", True, ("no_answer", False, False, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion']</answer>", False, ("truncated", True, True, True)),
    (PROBLEM, f"<think>{RIGHT}", False, ("truncated", False, False, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion'", True, ("untagged", True, True, True)),
    # Never by substring: neither a longer name nor an extra answer nor an extra fact is right.
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion Press']</answer>", True, ("ok", True, True, False)),
    (PROBLEM, f"<think>{RIGHT}</think> <answer>['Orion', 'Vale']</answer>", True, ("ok", True, True, False)),
    (
        PROBLEM,
        "<think>" + T.format("equal", list(PROBLEM.context[:2])) + "</think> <answer>['Orion']</answer>",
        True,
        ("ok", True, False, True),
    ),
    # A bare string is one item; lower case and lost punctuation are forgiven.
    (
        PROBLEM,
        "<think>" + T.format("during", PROBLEM.context[1].lower()) + "</think> <answer>['Orion']</answer>",
        True,
        ("ok", False, True, True),
    ),
    (PROBLEM, "<think>Let me see.</think> <answer>['Orion']</answer>", True, ("ok", False, False, True)),
    (
        LISTS,
        "<think>" + B.format("lists-sets", list(LISTS.context[:2][::-1])) + "</think> <answer>football,milk</answer>",
        True,
        ("ok", True, True, True),
    ),
    (LISTS, "<answer>milk</answer>", True, ("no_trace", False, False, False)),
    (LISTS, "<answer>['milk', 'football']</answer>", True, ("no_trace", False, False, True)),
    (
        NOTHING,
        "<think>" + B.format("NUMERIC", []) + "</think> <answer>no answer present</answer>",
        True,
        ("ok", True, True, True),
    ),
    (
        NOTHING,
        "<think>" + B.format("NUMERIC", ["A."]) + "</think> <answer>9</answer>",
        True,
        ("ok", True, False, False),
    ),
]
