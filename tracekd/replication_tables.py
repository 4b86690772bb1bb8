"""Tables of the replication: differences and ties over problems and seeds, by size, by supporting facts, by dose.

Estimates are over the problems and seeds that all compared conditions have, with ``resample.crossed``'s intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tracekd import resample, stats
from tracekd import training_interventions as ti
from tracekd.replication import SIZE
from tracekd.tables import accuracy

FEWEST = 10  # problems of each kind below which there is no estimate of a tie, and no verdict
REPEATS = 20_000  # resamples: the ends of intervals then move by less than 0.1 points from one seed to the next
ENDS = ("value", "low", "high", "t_low", "t_high")


def cube(frame: pd.DataFrame, conditions: Sequence[str], columns: Sequence[str] = ("answer_correct",)) -> np.ndarray:
    """Verdicts as (problems, seeds, conditions, columns), of the problems and seeds that all conditions have."""
    part = frame[frame.condition.isin(conditions)]
    wide = part.pivot(index="id", columns=["seed", "condition"], values=list(columns)).astype(float)
    seeds = [s for s in sorted(part.seed.unique()) if all((columns[0], s, c) in wide for c in conditions)]
    if not seeds:
        return np.empty((0, 0, len(conditions), len(columns)))
    names = [(name, s, c) for s in seeds for c in conditions for name in columns]
    whole = wide[names].dropna()
    return whole.to_numpy().reshape(len(whole), len(seeds), len(conditions), len(columns))


def difference(frame: pd.DataFrame, first: str, second: str, rng: np.random.Generator, repeats: int = REPEATS) -> dict:
    """Accuracy of ``first`` minus that of ``second``, mean over problems and seeds, and each seed's own.

    Returns:
        what ``resample.crossed`` returns (-1..1), by_seed (a list), fewest (problems that the better of the two answers
        right with any seed); empty where one was not run.
    """
    units = cube(frame, (first, second))[..., 0]
    found = _estimate(units, lambda means: means[:, 0] - means[:, 1], rng, repeats)
    if found and (units[..., 0] == units[..., 1]).all():
        # No resample differs, though the next problem may: the interval of Bonett and Price on the problems.
        for level, mark in ((0.95, ""), (0.9, "90")):
            ends = stats.paired_difference([False] * len(units), [False] * len(units), level)
            found |= {f"low{mark}": ends["low"], f"high{mark}": ends["high"]}
        found |= dict.fromkeys(resample.T_ENDS, np.nan)
    return found and found | {"fewest": int(units.any(axis=1).sum(axis=0).max())}


def tie(
    frame: pd.DataFrame, condition: str, rng: np.random.Generator, repeats: int = REPEATS, step: str = "trace"
) -> dict:
    """Share of right answers where a step of the student's own trace is right minus where it is wrong.

    Args:
        frame: verdicts.
        condition: of training.
        rng: of the intervals.
        repeats: resamples.
        step: ``trace`` (both steps), ``classification`` or ``retrieval``.

    Returns:
        as ``difference``, without an estimate where the step is right in all outputs or in none; fewest (problems where
        it is right, or where it is wrong, with any seed), right_traces (share of outputs where it is right, 0..1).
    """
    units = _by_step(frame, condition, step)
    if not units.size:
        return {}
    found = _estimate(units, lambda means: _after(means, 0) - _after(means, 2), rng, repeats)
    found = found or {"n": len(units), "seeds": units.shape[1]}  # all right, or all wrong: nothing to compare
    if "low" in found and found["low"] == found["high"]:  # answers that are all alike: resampling shows no width
        found |= dict.fromkeys(("low", "high", "low90", "high90", *resample.T_ENDS), np.nan)
    return found | {
        "fewest": int(units[..., [0, 2]].any(axis=1).sum(axis=0).min()),
        "right_traces": float(units[..., 0].mean()),
    }


def _by_step(frame: pd.DataFrame, condition: str, step: str = "trace") -> np.ndarray:
    """(problems, seeds, 4): step right, and answer too; step wrong, and answer right."""
    units = cube(frame, (condition,), (f"{step}_correct", "answer_correct"))
    right, answer = units[:, :, 0, 0], units[:, :, 0, 1]
    return np.stack([right, right * answer, 1 - right, (1 - right) * answer], axis=-1)


def _after(means: np.ndarray, place: int) -> np.ndarray:
    """P(answer right | step) from the share of such steps and of right answers with them; NaN without any."""
    return resample.ratio(means[:, [place + 1, place]])


def shares_by_trace(frame: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """How often trace and answer are both right, and the answer after right and after wrong traces, over all seeds.

    Args:
        frame: verdicts of one size and student.
        rng: of the intervals, over problems and seeds.
        repeats: resamples.

    Returns:
        columns dataset, condition, n (problems), seeds, right_outputs and wrong_outputs (with such a trace), and
        right_traces (share of outputs), joint, p_answer_given_trace, p_answer_given_not_trace (0..1), each with
        ``_low`` and ``_high`` (95%); as ``plots_scores.share_bars`` takes them. NaN where fewer than ``FEWEST``
        problems had such a trace. Where all answers are alike, resampling cannot tell how far another problem's may
        lie: Wilson's interval stands there, on the problems that had such a trace.
    """
    # Name: the statistic, and whose problems it counts.
    statistics = {
        "right_traces": (lambda means: means[:, 0], [0, 2]),
        "joint": (lambda means: means[:, 1], [0, 2]),
        "p_answer_given_trace": (lambda means: _after(means, 0), [0]),
        "p_answer_given_not_trace": (lambda means: _after(means, 2), [2]),
    }
    rows = []
    for (dataset, condition), part in frame.groupby(["dataset", "condition"], sort=False, observed=True):
        units = _by_step(part, condition)
        row = {"dataset": dataset, "condition": condition, "n": units.shape[0], "seeds": units.shape[1]}
        row |= {"right_outputs": int(units[..., 0].sum()), "wrong_outputs": int(units[..., 2].sum())}
        for name, (statistic, places) in statistics.items():
            many = int(units[..., places].any(axis=(1, 2)).sum())
            found = _estimate(units, statistic, rng, repeats) if many >= FEWEST else {}
            if found and found["value"] in (0, 1):
                found["low"], found["high"] = stats.wilson(int(found["value"]) * many, many)
            found = found or dict.fromkeys(("value", "low", "high"), np.nan)
            row |= {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def _estimate(units: np.ndarray, statistic, rng: np.random.Generator, repeats: int) -> dict:
    """``resample.crossed`` of a statistic, and by_seed; empty where it has no value."""
    if not units.size or np.isnan(statistic(units.mean(axis=(0, 1))[None])[0]):
        return {}
    return resample.crossed(units, statistic, rng, repeats) | {"by_seed": statistic(units.mean(axis=0)).tolist()}


def by_supporting_facts(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """Accuracy, and the tie of trace and answer, by how many gold facts a problem has: one, two, more.

    Args:
        verdicts: of ``replication.load``; records without ``n_facts`` give a table without rows. Problems without any
            gold fact are left out.
        rng: of the intervals.
        repeats: resamples.

    Returns:
        columns dataset, training_problems, condition, facts, n, seeds, ``accuracy``, ``accuracy_low`` and so on,
        right_traces (share of outputs), ``tie`` (accuracy after right minus after wrong traces), ``tie_low`` and so on
        (95%, ``t_``: two-way t); the tie is missing below ``FEWEST`` problems with a right or a wrong trace.
    """
    by = ["dataset", SIZE, "condition", "facts"]
    if "n_facts" not in verdicts:
        return pd.DataFrame(columns=by)
    many = verdicts[verdicts.n_facts > 0]
    many = many.assign(facts=np.select([many.n_facts == 1, many.n_facts == 2], ["one", "two"], "more"))
    rows = []
    for key, part in many.groupby(by, sort=False):
        right = accuracy(part, "answer_correct", rng, repeats, by).iloc[0]
        tied = tie(part, key[2], rng, repeats)
        tied = tied if tied["fewest"] >= FEWEST else {"right_traces": tied["right_traces"]}
        row = dict(zip(by, key, strict=True)) | {"n": right.problems, "seeds": right.seeds}
        row |= {_named("accuracy", name): right[name] for name in ENDS}
        row |= {"right_traces": tied["right_traces"]}
        rows.append(row | {_named("tie", name): tied.get(name, np.nan) for name in ENDS})
    return pd.DataFrame(rows, columns=[*rows[0]] if rows else by)


def _named(what: str, end: str) -> str:
    return what if end == "value" else f"{what}_{end}"


def answer_measures(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Exact match, F1 and ROUGE-L of free-text answers and how many decline, by whether a question has an answer.

    Args:
        verdicts: of ``replication.load``; sets without unanswerable questions are left out, and measures that the
            records lack.
        rng: of the intervals.
        repeats: resamples.

    Returns:
        columns dataset, training_problems, condition, answerable, measure, and those of ``tables.accuracy``.
    """
    by = ["dataset", SIZE, "condition", "answerable"]
    some = verdicts[~verdicts.groupby("dataset").answerable.transform("all").astype(bool)]
    measures = {"exact": "answer_correct", "F1": "answer_f1", "ROUGE-L": "answer_rouge_l", "declines": "declined"}
    parts = [
        accuracy(some, column, rng, repeats, by).assign(measure=name)
        for name, column in measures.items()
        if column in some and len(some)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*by, "measure"])


def two_by_two(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """The 2 x 2 of training: what a wrong label and wrong facts each change in accuracy, per data set and size.

    Effects are means over the other step's two values; the interaction is the difference between these two values'
    effects. Columns: dataset, training_problems, effect, value, low, high, t_low, t_high, n, seeds. Data sets and sizes
    without all four conditions are left out.
    """
    # Axes of the conditions as in ``ti.TWO_BY_TWO``: right-right, label wrong, facts wrong, both wrong.
    weights = {
        "wrong label": np.array([-0.5, 0.5, -0.5, 0.5]),
        "wrong facts": np.array([-0.5, -0.5, 0.5, 0.5]),
        "interaction": np.array([1.0, -1.0, -1.0, 1.0]),
    }
    rows = []
    for (dataset, size), part in verdicts.groupby(["dataset", SIZE], sort=False):
        units = cube(part, ti.TWO_BY_TWO)[..., 0]
        for effect, weight in weights.items():
            found = _estimate(units, lambda means, w=weight: means @ w, rng, repeats)
            if found:
                kept = {name: found[name] for name in (*ENDS, "n", "seeds")}
                rows.append({"dataset": dataset, SIZE: size, "effect": effect, **kept})
    return pd.DataFrame(rows, columns=["dataset", SIZE, "effect", *ENDS, "n", "seeds"])


def doses(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """Accuracy at each share of corrupted traces, minus that at none, per data set and training size.

    Only seeds that have every dose enter, so that all differences rest on the same trainings. Columns: dataset,
    training_problems, dose (percent), accuracy, change, low, high, t_low, t_high (of the change), n, seeds.
    """
    rows = []
    for (dataset, size), part in verdicts.groupby(["dataset", SIZE], sort=False):
        units = cube(part, tuple(ti.BY_DOSE))[..., 0]
        for place, dose in enumerate(ti.BY_DOSE.values()):
            found = _estimate(units, lambda means, k=place: means[:, k] - means[:, 0], rng, repeats)
            if found:
                kept = {name: found[name] for name in (*ENDS[1:], "n", "seeds")}
                accuracy = float(units[:, :, place].mean())
                head = {"dataset": dataset, SIZE: size, "dose": dose}
                rows.append(head | {"accuracy": accuracy, "change": found["value"], **kept})
    return pd.DataFrame(rows, columns=["dataset", SIZE, "dose", "accuracy", "change", *ENDS[1:], "n", "seeds"])
