"""SIMULATED students whose use of the trace is known: an analysis must find in their answers what was put there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tracekd.data.problem import Problem
from tracekd.interventions.forced import Reply, intervene
from tracekd.interventions.variants import Variant
from tracekd.scoring.reading import split_output
from tracekd.traces import templates
from tracekd.traces.corruption import generator

LABEL = "SIMULATED students on GENERATED problems"


class Simulated:
    """A student that copies the implied answer from its trace with a chance, else answers from the context."""

    def __init__(self, copies: float, knows: float = 1.0):
        """Set the chances to copy (drawn per problem and variant) and to know the answer (drawn per problem)."""
        self.copies, self.chance = copies, knows

    def knows(self, problem: Problem) -> bool:
        """Whether its answer from the context is right."""
        return generator(0, problem.id, "knows").random() < self.chance

    def __call__(self, problem: Problem, given: Sequence[Variant]) -> list[Reply]:
        """One reply per variant, in their order."""
        return [self.reply(problem, variant) for variant in given]

    def reply(self, problem: Problem, variant: Variant) -> Reply:
        """What it answers after one trace; its log-probabilities are -0.1 nats for what it says, else -5."""
        copies = generator(0, problem.id, variant.name).random() < self.copies
        implied, gold = variant.implied.answers, problem.answers
        said = gold if self.knows(problem) else ("nothing that is known",)
        said = implied if copies and implied is not None else said
        answer = templates.answer_text(replace(problem, answers=tuple(said)))
        sure = {True: -0.1, False: -5.0}
        scored = {} if implied is None else {"logp_implied": sure[said == implied], "n_implied": 3}
        text = f"<think>{variant.text}</think> <answer>{answer}</answer>"
        return Reply(text, True, 5, sure[said == gold], 3, **scored)


def outputs(problems: Sequence[Problem], student: Simulated | None = None) -> Iterator[dict]:
    """Outputs whose own traces are right (60%) or wrong (30%) at random, or missing.

    With a ``student`` its trace is right where it knows the answer, and none is missing: what makes a problem easy
    makes trace and answer right, though the one does not lead to the other.
    """
    for problem in problems:
        draw = generator(0, problem.id, "own").random()
        condition = "correct" if draw < 0.6 else "vanilla" if draw > 0.9 else "incorrect"
        if student is not None:
            condition = "correct" if student.knows(problem) else "incorrect"
        yield {
            "id": problem.id,
            "text": templates.target(problem, templates.build(problem, condition)),
            "finished": True,
        }


# Two students that the same count describes, and one between them; True: its own traces follow from what it knows.
STUDENTS = {
    "copies its trace": (Simulated(1.0, knows=0.0), False),
    "ignores its trace": (Simulated(0.0, knows=0.6), True),
    "copies half the time": (Simulated(0.5, knows=0.6), True),
}


def rows(problems: Sequence[Problem], seed: int, students: Mapping = STUDENTS) -> list[dict]:
    """Rows of ``forced`` of simulated students on generated problems of one set."""
    found = []
    for name, (student, linked) in students.items():
        written = outputs(problems, student=student if linked else None)
        own = {out["id"]: split_output(out["text"])[1] for out in written}
        about = {"student": "simulated", "dataset": problems[0].dataset, "condition": name, "seed": seed}
        found += intervene(student, problems, own, problems, {**about, "source": LABEL}, seed)
    return [row for part in found for row in part]
