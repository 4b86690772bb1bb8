"""The problems of the grader's examples, and parts of outputs on them."""

from tracekd.scoring.aligned import EXAMPLE_PROBLEMS as PROBLEMS

PROBLEM, LISTS, NOTHING = (PROBLEMS[name] for name in ("orion", "milk", "nothing"))
TWO, REFERENCES = PROBLEMS["two"], PROBLEMS["references"]  # two gold answers; MS MARCO's alternatives
FACT, VALE = PROBLEM.context[1:]
T = (
    "The temporal relation between the event in question and the event in context is: {}.\n"
    "I need to use the following facts to answer the question: {}"
)
RIGHT = T.format("equal", [FACT])
A = "<answer>['Orion']</answer>"
