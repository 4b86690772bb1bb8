"""What notebook 04 evaluates: the outputs of a run's students, scored, with the verdicts kept in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.analysis import tables
from tracekd.data.problem import Problem
from tracekd.data.problems import kept, training_set
from tracekd.data.splits import near_duplicate_lines
from tracekd.grid import run_grid
from tracekd.scoring.released_verdicts import write_table
from tracekd.scoring.score_runs import verdict_frame, without_text
from tracekd.students import sft
from tracekd.students.records import UNTRAINED, evaluation_problems
from tracekd.traces import freeform


@dataclass(frozen=True)
class Evaluation:
    """The outputs of a run (``paths``) on its ``problems`` and their verdicts, conditions in longhand.

    ``frame`` and ``files`` are of ``score_runs.verdict_frame``; ``twins`` says how many training problems nearly are
    test problems.
    """

    problems: Sequence[Problem]
    paths: Sequence[Path]
    frame: pd.DataFrame
    files: pd.DataFrame
    twins: str

    @property
    def traced(self) -> pd.DataFrame:
        """The verdicts on students that were taught to write the steps."""
        names = self.frame.condition.str.partition(" (")[0]
        return self.frame[~names.isin([*UNTRAINED, "vanilla"]) & ~names.map(freeform.takes_texts).astype(bool)]

    def statuses(self) -> pd.DataFrame:
        """How many outputs of each file have each status, with ``missing`` ones, which add up to ``n``; new_tokens."""
        by = ["dataset", "condition", "seed"]
        table = self.frame.groupby([*by, "status"], sort=False).size().unstack(fill_value=0)
        missing = self.files.groupby(by, sort=False).missing.sum()
        table = table.reindex(missing.index, fill_value=0).assign(missing=missing)
        table.insert(0, "n", table.sum(axis=1))
        return table.assign(new_tokens=self.frame.groupby(by).n_tokens.mean()).rename_axis(columns=None).reset_index()

    def accuracies(self, rng: np.random.Generator, repeats: int) -> pd.DataFrame:
        """``tables.accuracies`` of answers and, where steps were taught, of steps and ``tables.gold_free``."""
        answers = tables.accuracies(self.frame, tables.ANSWERS, rng, repeats)
        steps = tables.accuracies(self.traced, tables.RIGHT, rng, repeats)
        return pd.concat([answers, steps, tables.gold_free(self.traced, rng, repeats)], ignore_index=True)

    def contrasts(self, margin: float) -> pd.DataFrame:
        """``tables.contrasts`` by exact match and by the milder measure (column ``measure``).

        The prompted student comes last, so that a difference reads "trained minus prompted".
        """
        order = sorted(dict.fromkeys(self.frame.condition), key="prompted".__eq__)
        found = {c: tables.contrasts(self.frame, margin, c, order=order) for c in ("answer_correct", "answer_contains")}
        return pd.concat([made.assign(measure=tables.ANSWERS[c]) for c, made in found.items()], ignore_index=True)


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
    return Evaluation(everything, paths, freeform.spelled(frame), files, near_duplicate_lines(trained, asked))
