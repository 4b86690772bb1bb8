"""What notebook 04 evaluates: the outputs of a run's students, scored, with the verdicts kept in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.analysis import gold_free, tables
from tracekd.data.problem import Problem
from tracekd.data.problems import kept, training_set
from tracekd.data.splits import near_duplicate_lines
from tracekd.grid import run_grid
from tracekd.scoring.released_verdicts import write_table
from tracekd.scoring.score_runs import trace_likeness, verdict_frame, without_text
from tracekd.students import registry, sft
from tracekd.students.outputs import evaluation_problems
from tracekd.traces import freeform
from tracekd.traces.natural import STEPPED

_FILE = ("dataset", "condition", "seed")


@dataclass(frozen=True)
class Evaluation:
    """The outputs of a run (``paths``) on its ``problems`` and their verdicts, conditions in longhand.

    ``frame`` and ``files`` are of ``score_runs.verdict_frame``, ``teachers`` of ``sft.teachers``; ``twins`` says how
    many training problems nearly are test problems.
    """

    problems: Sequence[Problem]
    paths: Sequence[Path]
    frame: pd.DataFrame
    files: pd.DataFrame
    teachers: Mapping[tuple[str, str], str]
    twins: str

    @property
    def traced(self) -> pd.DataFrame:
        """The verdicts on students that were taught to write the steps."""
        return self.frame[self.frame.condition.isin(STEPPED)]

    def outputs_table(self, student: str) -> pd.DataFrame:
        """Columns of ``tables.statuses`` and, with the tokens of ``student``, of ``score_runs.trace_likeness``."""
        found = trace_likeness(self.problems, self.paths, registry.load_tokenizer(student))
        found = found.rename(columns={"outputs": "compared"})
        found.loc[~found.condition.isin(STEPPED), "rouge_l"] = None  # not taught the form of a gold trace
        counted = tables.statuses(self.frame, self.files, _FILE)
        return counted.merge(freeform.spelled(found, self.teachers), how="left", on=list(_FILE))

    def accuracies(self, rng: np.random.Generator, repeats: int) -> pd.DataFrame:
        """``tables.accuracies`` of answers and, where steps were taught, of steps and ``gold_free.at_inference``."""
        answers = tables.accuracies(self.frame, tables.ANSWERS, rng, repeats)
        steps = tables.accuracies(self.traced, tables.RIGHT, rng, repeats)
        checked = gold_free.at_inference(self.traced, rng, repeats)
        checked["measure"] = "gold-free check: " + checked.measure
        return pd.concat([answers, steps, checked], ignore_index=True)

    def contrasts(self, margin: float) -> pd.DataFrame:
        """``tables.contrasts`` by exact match and by the milder measure (column ``measure``).

        The prompted student comes last, so that a difference reads "trained minus prompted".
        """
        order = sorted(dict.fromkeys(self.frame.condition), key="prompted".__eq__)
        columns = ("answer_correct", "answer_contains")
        found = [
            tables.contrasts(self.frame, margin, c, order=order).assign(measure=tables.ANSWERS[c]) for c in columns
        ]
        return pd.concat(found, ignore_index=True)


def evaluate(run) -> Evaluation:
    """Score the run's outputs; those that are missing are generated first, nothing is trained.

    Verdicts without text go to ``verdicts/DATASET.csv.gz`` and ``figures/data/04_verdicts.csv.gz`` of the run.

    Raises:
        FileNotFoundError: adapters are missing; the message has the command that trains them.
    """
    paths, problems, asked = run_grid.generate(run), kept(run), evaluation_problems(run)
    everything = [problem for part in problems.values() for problem in part]
    frame, files = verdict_frame(everything, paths, asked, run.seed)
    teachers = sft.teachers(sft.kept(run))
    frame = freeform.with_teacher(frame.assign(student=run.student), teachers)
    flags = without_text(frame)
    for dataset, part in flags.groupby("dataset", sort=False):
        write_table(run.path("verdicts", f"{dataset}.csv.gz"), part)
    write_table(run.path("figures", "data", "04_verdicts.csv.gz"), flags)
    files = freeform.spelled(files.assign(seed=[int(path.stem.rpartition("-")[2]) for path in paths]), teachers)
    trained = {dataset: training_set(run, dataset, part) for dataset, part in problems.items()}
    twins = near_duplicate_lines(trained, asked)
    return Evaluation(everything, paths, freeform.spelled(frame), files, teachers, twins)
