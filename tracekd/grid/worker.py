"""`python -m tracekd.grid.worker`: a process of ``pool``, which reads its job from stdin and reports on stdout."""

from __future__ import annotations

import base64
import json
import os
import pickle
import sys
import threading
import traceback
from functools import cached_property

from tracekd import progress
from tracekd.students import memory, sft
from tracekd.students.adapters import Job, adapter_path


class Doer:
    """Does jobs of one run; what they share is loaded once, when it is first needed."""

    def __init__(self, run, kind: str):
        """Take the run, and the kind of its jobs: ``train``, ``generate`` or ``intervene``."""
        self.run, self.kind = run, kind

    def do(self, job: Job) -> None:
        """Do one job, or find that it is done."""
        getattr(self, f"_{self.kind}")(*job)

    @cached_property
    def sets(self):
        """The SFT sets."""
        return sft.training_sets(self.run)

    @cached_property
    def asker(self):
        """The student."""
        from tracekd.students.generate import Asker

        return Asker(self.run.student, self.run.profile.recipe)

    @cached_property
    def problems(self):
        """The test problems by data set."""
        if self.kind == "generate":
            from tracekd.students.outputs import evaluation_problems

            return evaluation_problems(self.run)
        from tracekd.grid import forced_traces

        return forced_traces.chosen(self.run)

    def _train(self, dataset: str, condition: str, seed: int) -> None:
        from tracekd.students import train

        folder = adapter_path(self.run, dataset, condition, seed)
        recipe = self.run.profile.recipe_of(condition)
        train.train(self.run.student, self.sets[dataset, condition], recipe, seed=seed, folder=folder)

    def _generate(self, *job) -> None:
        from tracekd.students.generate import answer_job

        answer_job(self.run, self.asker, self.problems, *job)

    def _intervene(self, dataset: str, *rest) -> None:
        from tracekd.grid import forced_traces

        forced_traces.complete(self.run, self.asker, self.problems[dataset], dataset, *rest)


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing more is sent: this returns when the pipe ends
    os._exit(1)


def main() -> int:
    """Do one job; end at once if the process that started this one is gone."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the libraries print goes to the log
    run, kind, job, workers = pickle.loads(base64.b64decode(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(message: dict) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    progress.send, memory.workers = say, workers
    try:
        Doer(run, kind).do(job)
    except Exception as error:
        about = {"error": type(error).__name__, "module": type(error).__module__, "message": str(error)}
        say({**about, "traceback": traceback.format_exc()})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
