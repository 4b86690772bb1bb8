"""`python -m tracekd.worker`: a process of ``pool``, which reads jobs from stdin and says how far it is on stdout."""

from __future__ import annotations

import base64
import json
import os
import pickle
import queue
import sys
import threading
import traceback

from tracekd import lengths, memory, progress, train
from tracekd.adapters import Job, adapter_path


class Doer:
    """Does jobs of one run, one after another: what they share is loaded once, when it is first needed."""

    def __init__(self, run, kind: str, options: dict):
        """Take the run, the kind of its jobs, and ``backend`` for generation."""
        self.run, self.kind, self.options = run, kind, options
        self.sets = self.asker = self.problems = None

    def do(self, job: Job) -> None:
        """Do one job, or find that it is done."""
        getattr(self, f"_{self.kind}")(*job)

    def _train(self, dataset: str, condition: str, seed: int) -> None:
        self.sets = self.sets or lengths.training_sets(self.run)
        folder = adapter_path(self.run, dataset, condition, seed)
        recipe = self.run.profile.recipe_of(condition)
        train.train(self.run.student, self.sets[dataset, condition], recipe, seed=seed, folder=folder)

    def _asker(self):
        from tracekd.generate import Asker

        self.asker = self.asker or Asker(self.run.student, self.run.profile.recipe, **self.options)
        return self.asker

    def _generate(self, *job) -> None:
        from tracekd.generate import answer_job
        from tracekd.outputs import evaluation_problems

        self.problems = self.problems or evaluation_problems(self.run)
        answer_job(self.run, self._asker(), self.problems, *job)

    def _intervene(self, dataset: str, *rest) -> None:
        from tracekd import intervention_grid

        self.problems = self.problems or intervention_grid.chosen(self.run)
        intervention_grid.complete(self.run, self._asker(), self.problems[dataset], dataset, *rest)


def _listen(jobs: queue.Queue) -> None:
    """Pass lines on; where the pipe ends before the word to end, whoever started us is dead: so end at once."""
    for line in sys.stdin:
        jobs.put(json.loads(line))
        if line.strip() == "null":
            return
    os._exit(1)


def main() -> int:
    """Work until told to end, or until whoever started this process is gone."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the libraries print goes to the log
    run, kind, workers, options = pickle.loads(base64.b64decode(sys.stdin.readline()))

    def say(message: dict) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    progress.send, memory.workers = say, workers
    jobs: queue.Queue = queue.Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    doer = Doer(run, kind, options)
    try:
        while (job := jobs.get()) is not None:
            doer.do(tuple(job))
            say({"finished": True})
    except Exception as error:
        about = {"error": type(error).__name__, "module": type(error).__module__, "message": str(error)}
        say({**about, "traceback": traceback.format_exc()})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
