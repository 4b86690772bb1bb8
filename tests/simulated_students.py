"""SIMULATED students whose use of the trace is known: an analysis must find in their answers what was put there."""

from dataclasses import replace

from tracekd.interventions import forced
from tracekd.traces import templates
from tracekd.traces.corruption import generator


class Simulated:
    """A student that copies the implied answer from its trace with a chance, else answers from the context."""

    def __init__(self, copies, knows=1.0):
        self.copies, self.knows = copies, knows

    def __call__(self, asked):
        return [[self.reply(problem, variant) for variant in given] for problem, given in asked]

    def reply(self, problem, variant):
        """Its answer after one trace; its log-probabilities are -0.1 nats for what it says, else -5."""
        copies = generator(0, problem.id, variant.name).random() < self.copies
        knows = generator(0, problem.id, "knows").random() < self.knows
        implied, gold = variant.implied.answers, problem.answers
        said = implied if copies and implied is not None else gold if knows else ("nothing that is known",)
        answer = templates.answer_text(replace(problem, answers=tuple(said)))
        sure = {True: -0.1, False: -5.0}
        scored = {} if implied is None else {"logp_implied": sure[said == implied], "n_implied": 3}
        text = f"<think>{variant.text}</think> <answer>{answer}</answer>"
        return forced.Reply(text, True, 5, sure[said == gold], 3, **scored)


def outputs(problems):
    """Outputs whose own traces are right (60%) or wrong (30%) at random, or missing."""
    for problem in problems:
        draw = generator(0, problem.id, "own").random()
        condition = "correct" if draw < 0.6 else "vanilla" if draw > 0.9 else "incorrect"
        text = templates.target(problem, templates.build(problem, condition))
        yield {"id": problem.id, "text": text, "finished": True}


def rows(problems, students, folder):
    """Rows of ``forced.run`` of students by name, which is their condition."""
    found = []
    for name, student in students.items():
        about = {"student": "simulated", "dataset": problems[0].dataset, "condition": name, "seed": 0, "source": "x"}
        found += forced.run(student, problems, outputs(problems), folder / f"{name}.jsonl", about=about, seed=0)
    return found
