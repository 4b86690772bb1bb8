"""The tables of the evaluation notebooks, from verdict frames: the same for our students and for the authors'."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tracekd.data.problem import Problem, near_duplicate_lines
from tracekd.data.problems import kept, training_set
from tracekd.grid import run_grid
from tracekd.scoring.aligned import CELLS
from tracekd.scoring.verdict_tables import verdict_frame, without_text, write_table
from tracekd.stats import bootstrap, intervals
from tracekd.students import sft
from tracekd.students.records import UNTRAINED, evaluation_problems
from tracekd.traces import freeform

# The verdicts on a claim; inconclusive was tested, not tested would have meant nothing.
SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE, NOT_TESTED = "supported", "not supported", "inconclusive", "not tested"
STEPS = ("classification", "retrieval", "trace")
BY = ("dataset", "condition")
LEAST = 6  # problems: an exact McNemar test of five that all go one way has p = 2 / 2^5 > 0.05
ENDS = ("value", "low", "high", "t_low", "t_high")
# Names of flags and numbers in 0..1: how right an answer is, strictly and by two lenient measures; how right the steps.
ANSWERS = {"answer_correct": "answer exactly right", "answer_contains": "contains the answer", "answer_f1": "mean F1"}
RIGHT = {
    "classification_correct": "label right", "retrieval_correct": "facts right", "trace_correct": "trace right",
    "retrieval_any": "any gold fact",
}  # fmt: skip
PAIR = (
    "first", "second", "n", "only_first", "only_second", "difference", "low", "high", "p_value", "p_holm", "tost_p",
    "tost_holm", "equivalent", "detectable",
)  # fmt: skip


def _shown(form: str, *shares: float) -> list[str]:
    """Shares times 100, of the six digits that a CSV file has, so that a half is rounded alike there and here."""
    return [format(100 * float(f"{share:.6g}"), form) for share in shares]


def percent(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """A share as ``57.2% [52.7, 61.7]``; ``undefined`` for NaN."""
    if value != value:
        return "undefined"
    mean, *ends = _shown(".1f", value, low, high)
    return f"{mean}%" + ("" if low != low else f" [{', '.join(ends)}]")


def points(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """A difference in points as ``-2.2 [-7.3, +2.8]``; empty for NaN."""
    if value != value:
        return ""
    gap, *ends = _shown("+.1f", value, low, high)
    return gap + ("" if low != low else f" [{', '.join(ends)}]")


def in_words(table: pd.DataFrame, words: Callable = percent, columns: Sequence[str] = ENDS[:3]) -> list[str]:
    """Each row's estimate and interval by ``percent`` or ``points``."""
    return [words(*row) for row in table[list(columns)].itertuples(index=False)]


def _seeded(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with seed 0 where it states none, as the released outputs do."""
    return frame.assign(seed=frame.seed.fillna(0) if "seed" in frame else 0)


def first_seed(frame: pd.DataFrame, by: Sequence[str] = BY) -> pd.DataFrame:
    """The rows of each group's first seed: tests count problems, and a second seed adds none."""
    frame = _seeded(frame)
    return frame[frame.seed == frame.groupby(list(by), observed=True).seed.transform("min")]


def accuracy(
    frame: pd.DataFrame, column: str, rng: np.random.Generator, repeats: int = 2000, by: Sequence[str] = BY
) -> pd.DataFrame:
    """Mean of a flag, or of a number in 0..1 such as F1, for each group.

    Returns columns ``by``; value, low, high (0..1, of ``bootstrap.pooled``), t_low, t_high (two-way random-effects t
    interval, from two seeds on), problems, outputs, seeds, interval (its kind).
    """
    rows = []
    for key, part in _seeded(frame).groupby(list(by), sort=False, observed=True):
        values = part.set_index(["id", "seed"])[column].astype(float)
        found = bootstrap.pooled(values, rng, repeats, "share")
        row = dict(zip(by, key, strict=True)) | {name: found[name] for name in ENDS} | {"problems": found["n"]}
        rows.append(row | {"outputs": len(part), "seeds": found["seeds"], "interval": found["interval"]})
    return pd.DataFrame(rows)


def accuracies(
    frame: pd.DataFrame, measures: Mapping[str, str], rng: np.random.Generator, repeats: int = 2000, by=BY
) -> pd.DataFrame:
    """``accuracy`` of each column in ``measures`` that there is, its name in the column ``measure`` after ``by``.

    Rows without a value are left out.
    """
    some = {name: (c, frame[frame[c].notna()]) for c, name in measures.items() if c in frame}
    found = [accuracy(part, c, rng, repeats, by).assign(measure=name) for name, (c, part) in some.items()]
    found, first = pd.concat(found, ignore_index=True), [*by, "measure"]
    return found[[*first, *found.columns.drop(first)]] if len(found) else pd.DataFrame(columns=[*first, *ENDS])


def gold_free(frame: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """``accuracies`` of the check without gold (``passes_check``): its agreement with gold, and what it buys.

    Outputs whose problem has no derivation are left out.
    """
    checked = frame[frame.passes_check.notna()]
    passes, answer = checked.passes_check.astype(bool), checked.answer_correct.astype(float)
    measures = {
        "agrees with gold": passes == checked.trace_correct.astype(bool), "passes": passes, "answer right": answer,
        "answer right, trace passes": answer.where(passes), "answer right, trace fails": answer.where(~passes),
    }  # fmt: skip
    names = {name: f"gold-free check: {name}" for name in measures}
    return accuracies(checked.assign(**measures), names, rng, repeats)


def cells(frame: pd.DataFrame, step: str) -> dict[str, int]:
    """The four counts of a step against the answer."""
    right, answer = frame[f"{step}_correct"].astype(bool), frame["answer_correct"].astype(bool)
    return {name: int(((right == a) & (answer == b)).sum()) for (a, b), name in CELLS.items()}


def associations(frame: pd.DataFrame, by: Sequence[str] = BY) -> pd.DataFrame:
    """``association_table`` of each group and step, first seeds only (``replication`` has all seeds)."""
    groups = first_seed(frame, by).groupby(list(by), sort=False, observed=True)
    heads = ((dict(zip(by, key, strict=True)), part) for key, part in groups)
    return association_table((head | {"step": step}, cells(part, step)) for head, part in heads for step in STEPS)


def association_table(counted: Iterable[tuple[dict, Mapping]]) -> pd.DataFrame:
    """One row per pair of keys and 2x2 counts, with ``intervals.association``, p-values Holm-adjusted (p_holm)."""
    rows = [head | intervals.association(**counts) for head, counts in counted]
    table = pd.DataFrame(rows, columns=[*rows[0]] if rows else [*BY, "step", *intervals.association()])
    return table.assign(p_holm=intervals.holm(table.p_value))


def contrasts(
    frame: pd.DataFrame, margin: float = 0.05, column: str = "answer_correct", within=("dataset",), order: Sequence = ()
) -> pd.DataFrame:
    """Every pair of conditions on the same problems: exact McNemar with Holm over the table, and equivalence.

    Only the first seed of each condition enters, since replicates of a problem are no new problems. Pairs on fewer than
    ``LEAST`` problems can never be told apart: they do not count as tests of Holm's family, and their p_holm is 1.

    Returns columns ``within`` and ``PAIR``: of them tost_holm is also Holm over the table, equivalent is within
    ``margin`` at 0.05 by tost_holm, detectable the least difference found with 80% power.
    """
    rows = []
    for key, part in frame.groupby(list(within), sort=False, observed=True):
        wide = first_seed(part, ("condition",)).pivot(index="id", columns="condition", values=column)
        for first, second in combinations((c for c in (order or part.condition.unique()) if c in wide), 2):
            pair = wide[[first, second]].dropna().astype(bool)
            if len(pair):
                about = dict(zip(within, key, strict=True)) | {"first": first, "second": second}
                rows.append(about | intervals.compare(pair[first], pair[second], margin))
    table = pd.DataFrame(rows).rename(columns={"value": "difference"})
    if table.empty:
        return pd.DataFrame(columns=[*within, *PAIR])
    for name, adjusted in (("p_value", "p_holm"), ("tost_p", "tost_holm")):
        table[adjusted] = np.nan_to_num(intervals.holm(table[name].where(table.n >= LEAST)), nan=1.0)
    return table.assign(equivalent=table.tost_holm < 0.05)[[*within, *PAIR]]


class Evaluation(NamedTuple):
    """The outputs of a run (``paths``) on its ``problems`` and their verdicts, conditions in longhand.

    ``frame`` and ``files`` are of ``verdict_frame``; ``twins`` says how many training problems nearly repeat test ones.
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
        """``accuracies`` of answers and, where steps were taught, of steps and ``gold_free``."""
        answers = accuracies(self.frame, ANSWERS, rng, repeats)
        steps = accuracies(self.traced, RIGHT, rng, repeats)
        return pd.concat([answers, steps, gold_free(self.traced, rng, repeats)], ignore_index=True)

    def contrasts(self, margin: float) -> pd.DataFrame:
        """``contrasts`` by exact match and by the lenient one (column ``measure``).

        The prompted student comes last, so that a difference reads "trained minus prompted".
        """
        order = sorted(dict.fromkeys(self.frame.condition), key="prompted".__eq__)
        measures = list(ANSWERS.items())[:2]
        found = [contrasts(self.frame, margin, c, order=order).assign(measure=name) for c, name in measures]
        return pd.concat(found, ignore_index=True)


def evaluate(run) -> Evaluation:
    """Score the run's outputs; those that are missing are generated first, nothing is trained.

    Verdicts without text go to the run's ``04_verdicts.csv.gz``. Missing adapters: FileNotFoundError with the command.
    """
    paths, problems, asked = run_grid.generate(run), kept(run), evaluation_problems(run)
    everything = [problem for part in problems.values() for problem in part]
    frame, files = verdict_frame(everything, paths, asked, run.seed)
    teachers = sft.teachers(sft.kept(run))
    frame = freeform.with_teacher(frame.assign(student=run.student), teachers)
    write_table(run.path("figures", "data", "04_verdicts.csv.gz"), without_text(frame))
    files = freeform.spelled(files.assign(seed=[int(path.stem.rpartition("-")[2]) for path in paths]), teachers)
    trained = {dataset: training_set(run, dataset, part) for dataset, part in problems.items()}
    return Evaluation(everything, paths, freeform.spelled(frame), files, near_duplicate_lines(trained, asked))
