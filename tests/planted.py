"""Planted students: what they do with a given trace is known, so the analysis must find it."""

from tracekd import traces
from tracekd.corrupt import generator
from tracekd.interventions import Reply


class Planted:
    """Copies the implied answer from its trace with probability ``copies``, else answers from the context.

    Args:
        copies: chance to copy where the trace implies an answer, drawn for each problem and variant.
        knows: chance that its answer from the context is right; one draw a problem, the same for every variant.
        seed: of the draws.
    """

    def __init__(self, copies: float, knows: float = 1.0, seed: int = 0):
        self.copies, self.knows, self.seed, self.asked = copies, knows, seed, []

    def __call__(self, problem, given):
        self.asked.append(problem.id)
        return [self.reply(problem, variant) for variant in given]

    def reply(self, problem, variant):
        knows = generator(self.seed, problem.id, "knows").random() < self.knows
        copies = generator(self.seed, problem.id, variant.name).random() < self.copies
        told = variant.implied.answers
        gold = problem.answers
        said = told if copies and told is not None else gold if knows else ("nothing that is known",)
        text = f"<think>{variant.text}</think> <answer>{written(problem, said)}</answer>"
        sure = {True: -0.1, False: -5.0}
        implied = {} if told is None else {"logp_implied": sure[said == told], "n_implied": 3}
        return Reply(text, True, 5, sure[said == gold], 3, **implied)


def written(problem, answers):
    from dataclasses import replace

    return traces.answer_text(replace(problem, answers=tuple(answers)))


def outputs(problems, right=0.6, seed=0):
    """Outputs whose own traces are right or wrong by a draw; one in ten has no trace."""
    for problem in problems:
        draw = generator(seed, problem.id, "own").random()
        condition = "correct" if draw < right else "vanilla" if draw > 0.9 else "incorrect"
        yield {"id": problem.id, "text": traces.target(problem, traces.build(problem, condition)), "finished": True}
