"""The paper's sentences tested on the replication: estimate, interval, test with its margin, verdict.

An estimate is a difference between two training conditions on the same problems, averaged over seeds, or between
answers after right and after wrong traces within one condition. Intervals draw problems and seeds again
(``stats.crossed_bootstrap``). With one seed they speak of that training alone, and the verdict says so.

Rules of decision, level 0.05, margin ``MARGIN``:

* ``not lower``: non-inferiority. Holds where the 90% interval lies above minus the margin.
* ``not higher``: the same from the other side: it holds where the 90% interval lies below the margin.
* ``no difference``: equivalence. Holds where the 90% interval lies within the margin on both sides (two one-sided
  tests, Schuirmann 1987).
* ``higher``, ``lower``: superiority. Holds where the 95% interval lies on that side of zero.

A sentence does not hold where the 95% interval leaves out zero on the other side (for ``higher`` and ``lower``: where
the 90% interval lies below, or above, the margin). Both can be so for a difference that is real and smaller than the
margin: it then holds, since the margin says what counts. Everything else cannot be told at this size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tracekd import stats
from tracekd import training_interventions as ti
from tracekd.replication import SIZE

MARGIN = 0.05  # five points of accuracy
LINK_MARGIN = 0.10  # of the difference between answers after right and after wrong traces
HOLDS, NOT, UNTOLD, NOT_RUN = "holds here", "does not hold here", "cannot be told at this size", "not run"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper and the contrast that tests it.

    Attributes:
        sentence: in the paper's sense, short.
        rule: one of the rules in the module's text.
        first, second: training conditions, first less second; for a link between trace and answer ``second`` is empty.
        datasets: the sets it is said of.
    """

    sentence: str
    rule: str
    first: str
    second: str = ""
    datasets: tuple[str, ...] = ("cotempqa", "marco", "babi")


CLAIMS = (
    Claim("Incorrect traces do not degrade the answers (against correct ones)", "not lower", "incorrect", "correct"),
    Claim("Incorrect traces do not degrade the answers (against none)", "not lower", "incorrect", "vanilla"),
    Claim("Traces do not help (correct ones against none)", "not higher", "correct", "vanilla"),
    Claim("Trace correctness does not predict the answer", "no difference", "correct"),
    Claim("The verbose traces train best (against none)", "higher", "r1", "vanilla", ("cotempqa",)),
    Claim("The verbose traces train best (against correct ones)", "higher", "r1", "correct", ("cotempqa",)),
    Claim("Swapped traces destroy the answers (against none)", "lower", "swapped", "vanilla", ("cotempqa",)),
)


def cube(frame: pd.DataFrame, conditions: Sequence[str], columns: Sequence[str] = ("answer_correct",)) -> np.ndarray:
    """Verdicts as (problems, seeds, conditions, columns), of the problems and seeds that all conditions have."""
    part = frame[frame.condition.isin(conditions)]
    wide = part.pivot(index="id", columns=["seed", "condition"], values=list(columns)).astype(float)
    seeds = [s for s in sorted(part.seed.unique()) if all((columns[0], s, c) in wide for c in conditions)]
    if not seeds:
        return np.empty((0, 0, len(conditions), len(columns)))
    names = [(name, s, c) for s in seeds for c in conditions for name in columns]
    kept = wide[names].dropna()
    return kept.to_numpy().reshape(len(kept), len(seeds), len(conditions), len(columns))


def difference(frame: pd.DataFrame, first: str, second: str, rng: np.random.Generator, repeats: int = 2000) -> dict:
    """Accuracy of ``first`` less that of ``second``, mean over problems and seeds, and each seed's own.

    Returns:
        value, low, high, low90, high90 (-1..1), n (problems), seeds, by_seed (a list); empty where one was not run.
    """
    return _estimate(cube(frame, (first, second)), lambda u: (u[:, :, 0, 0] - u[:, :, 1, 0]).mean(), rng, repeats)


def link(frame: pd.DataFrame, condition: str, rng: np.random.Generator, repeats: int = 2000) -> dict:
    """Share of right answers where the student's own trace is right less where it is wrong; see ``difference``."""
    units = cube(frame, (condition,), ("trace_correct", "answer_correct"))
    return _estimate(units, lambda u: _gap(u[:, :, 0, 0], u[:, :, 0, 1]), rng, repeats)


def _gap(trace: np.ndarray, answer: np.ndarray) -> float:
    right = trace.sum()
    if right in (0, trace.size):
        return float("nan")  # traces of one kind alone: nothing to compare
    return float((trace * answer).sum() / right - ((1 - trace) * answer).sum() / (trace.size - right))


def _estimate(units: np.ndarray, statistic, rng: np.random.Generator, repeats: int) -> dict:
    if not units.size or np.isnan(statistic(units)):
        return {}
    found = stats.crossed_bootstrap(units, statistic, rng, repeats)
    by_seed = [float(statistic(units[:, [s]])) for s in range(units.shape[1])]
    return found | {"n": len(units), "seeds": units.shape[1], "by_seed": by_seed}


def decide(rule: str, found: Mapping, margin: float) -> str:
    """The verdict of a rule (see the module's text) on an estimate.

    Raises:
        ValueError: a rule that is not known.
    """
    if not found:
        return NOT_RUN
    low, high, low90, high90 = (found[name] for name in ("low", "high", "low90", "high90"))
    rules = {
        "not lower": (low90 > -margin, high < 0),
        "not higher": (high90 < margin, low > 0),
        "no difference": (-margin < low90 and high90 < margin, low > 0 or high < 0),
        "higher": (low > 0, high90 < margin),
        "lower": (high < 0, low90 > -margin),
    }
    if rule not in rules:
        raise ValueError(f"rule {rule!r}: expected one of {', '.join(rules)}")
    holds, fails = rules[rule]
    return HOLDS if holds else NOT if fails else UNTOLD


def tested(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Every claim on every data set it is said of.

    Args:
        verdicts: of ``replication.load``, one student.
        rng: of the intervals.
        repeats: resamples.

    Returns:
        columns claim, dataset, source, training_problems, rule, contrast, margin, value, low, high (95%), low90,
        high90, n, seeds, by_seed (in words), verdict. One row for each training size that has both conditions, largest
        first; where none has, one row "not run" of size 0 with NaN.
    """
    rows = []
    for claim in CLAIMS:
        for dataset in claim.datasets:
            part = verdicts[verdicts.dataset == dataset]
            sizes = [(size, _found(claim, some, rng, repeats)) for size, some in part.groupby(SIZE)]
            for size, found in [(s, f) for s, f in reversed(sizes) if f] or [(0, {})]:
                rows.append(_row(claim, dataset, part.source.iloc[0] if len(part) else "", size, found))
    return pd.DataFrame(rows)


def _found(claim: Claim, part: pd.DataFrame, rng: np.random.Generator, repeats: int) -> dict:
    if claim.second:
        return difference(part, claim.first, claim.second, rng, repeats)
    return link(part, claim.first, rng, repeats)


def _row(claim: Claim, dataset: str, source: str, size: int, found: Mapping) -> dict:
    margin = MARGIN if claim.second else LINK_MARGIN
    contrast = f"accuracy of {claim.first} less {claim.second}"
    if not claim.second:
        contrast = f"{claim.first}: right answers after right less after wrong traces"
    return {
        "claim": claim.sentence, "dataset": dataset, "source": source, SIZE: size,
        "rule": claim.rule, "contrast": contrast, "margin": margin,
        **{name: found.get(name, np.nan) for name in ("value", "low", "high", "low90", "high90")},
        "n": found.get("n", 0), "seeds": found.get("seeds", 0),
        "by_seed": "; ".join(f"{value:+.3f}" for value in found.get("by_seed", ())),
        "verdict": _words(decide(claim.rule, found, margin), found),
    }  # fmt: skip


def _words(verdict: str, found: Mapping) -> str:
    return f"{verdict} (one seed)" if found.get("seeds") == 1 else verdict


def two_by_two(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """The 2 x 2 of training: what a wrong label and wrong facts each change in accuracy, per data set and size.

    Effects are means over the other step's two values; the interaction is the difference between these two values'
    effects. Columns: dataset, training_problems, effect, value, low, high, n, seeds. Data sets and sizes without all
    four conditions are left out.
    """
    # Axes of the conditions as in ``ti.TWO_BY_TWO``: right-right, label wrong, facts wrong, both wrong.
    weights = {
        "wrong label": np.array([-0.5, 0.5, -0.5, 0.5]),
        "wrong facts": np.array([-0.5, -0.5, 0.5, 0.5]),
        "interaction": np.array([1.0, -1.0, -1.0, 1.0]),
    }
    rows = []
    for (dataset, size), part in verdicts.groupby(["dataset", SIZE], sort=False):
        units = cube(part, ti.TWO_BY_TWO)
        for effect, weight in weights.items():
            found = _estimate(units, lambda u, w=weight: (u[:, :, :, 0] @ w).mean(), rng, repeats)
            if found:
                kept = {name: found[name] for name in ("value", "low", "high", "n", "seeds")}
                rows.append({"dataset": dataset, SIZE: size, "effect": effect, **kept})
    return pd.DataFrame(rows, columns=["dataset", SIZE, "effect", "value", "low", "high", "n", "seeds"])


def doses(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Accuracy at each share of corrupted traces, less that at none, per data set and training size.

    Only seeds that have every dose enter, so that all differences rest on the same trainings. Columns: dataset,
    training_problems, dose (percent), accuracy, change, low, high (of the change), n, seeds.
    """
    rows = []
    for (dataset, size), part in verdicts.groupby(["dataset", SIZE], sort=False):
        units = cube(part, tuple(ti.BY_DOSE))
        for place, dose in enumerate(ti.BY_DOSE.values()):
            found = _estimate(units, lambda u, k=place: (u[:, :, k, 0] - u[:, :, 0, 0]).mean(), rng, repeats)
            if found:
                kept = {name: found[name] for name in ("low", "high", "n", "seeds")}
                accuracy = float(units[:, :, place, 0].mean())
                head = {"dataset": dataset, SIZE: size, "dose": dose}
                rows.append(head | {"accuracy": accuracy, "change": found["value"], **kept})
    return pd.DataFrame(rows, columns=["dataset", SIZE, "dose", "accuracy", "change", "low", "high", "n", "seeds"])
