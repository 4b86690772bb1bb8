"""Rules of the example set: what kind of question is it, and which fact answers it?"""


def classify(problem):
    """A question that begins with "How many" is about a number, any other one about a place."""
    return "number" if problem.question.startswith("How many") else "place"


def retrieve(problem):
    """The facts that name the thing asked about: the last word before the question's verb."""
    words = problem.question.rstrip("?").split()
    thing = words[words.index("the") + 1]
    return tuple(i for i, fact in enumerate(problem.context) if thing in fact.rstrip(".").split())
