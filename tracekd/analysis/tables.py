"""The tables of the evaluation notebooks, from verdict frames: the same for our students and for the authors'."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from tracekd.scoring.aligned import CELLS
from tracekd.stats import bootstrap, intervals

# The verdicts on a claim; inconclusive was tested, not tested would have meant nothing.
SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE, NOT_TESTED = "supported", "not supported", "inconclusive", "not tested"
STEPS = ("classification", "retrieval", "trace")
BY = ("dataset", "condition")
LEAST = 6  # problems: an exact McNemar test of five that all go one way has p = 2 / 2^5 > 0.05
ENDS = ("value", "low", "high", "t_low", "t_high")
# Names of flags and numbers in 0..1: how right an answer is, strictly and by two milder measures; how right the steps.
ANSWERS = {"answer_correct": "answer exactly right", "answer_contains": "contains the answer", "answer_f1": "mean F1"}
RIGHT = {
    "classification_correct": "label right", "retrieval_correct": "facts right", "trace_correct": "trace right",
    "answer_correct": "answer right", "retrieval_any": "any gold fact",
}  # fmt: skip


def percent(value: float, low: float | None = None, high: float | None = None) -> str:
    """A share as ``57.2% [52.7, 61.7]``; ``undefined`` for NaN."""
    if value != value:
        return "undefined"
    text = f"{100 * value:.1f}%"
    return text if low is None or low != low else f"{text} [{100 * low:.1f}, {100 * high:.1f}]"


def points(value: float, low: float | None = None, high: float | None = None) -> str:
    """A difference in points as ``-2.2 [-7.3, +2.8]``; empty for NaN."""
    if value != value:
        return ""
    ends = "" if low is None or low != low else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f}{ends}"


def in_words(table: pd.DataFrame, words: Callable = percent, columns: Sequence[str] = ENDS[:3]) -> list[str]:
    """Each row's estimate and interval by ``percent`` or ``points``."""
    return [words(*row) for row in table[list(columns)].itertuples(index=False)]


def first_seed(frame: pd.DataFrame, by: Sequence[str] = BY) -> pd.DataFrame:
    """The rows of each group's first seed, or all: tests count problems, and a second seed adds none."""
    if "seed" not in frame or frame.seed.isna().all():
        return frame
    return frame[frame.seed == frame.groupby(list(by), observed=True).seed.transform("min")]


def accuracy(
    frame: pd.DataFrame, column: str, rng: np.random.Generator, repeats: int = 2000, by: Sequence[str] = BY
) -> pd.DataFrame:
    """Mean of a flag, or of a number in 0..1 such as F1, for each group, over outputs and over categories.

    ``value`` counts each problem alike (micro), so that large categories decide it; ``macro`` counts each category
    alike. Both have a 95% interval over problems and seeds, of ``bootstrap.pooled``'s kinds.

    Returns:
        columns ``by``, value, low, high (0..1), t_low, t_high (two-way random-effects t interval, from two seeds on),
        problems, outputs, seeds, interval (its kind); and, where ``frame`` has ``category``, macro, macro_low,
        macro_high.
    """
    rows = []
    for key, part in frame.groupby(list(by), sort=False, observed=True):
        values = by_problem(part, column)
        found = bootstrap.pooled(values, rng, repeats, "share")
        row = dict(zip(by, key, strict=True)) | {name: found[name] for name in ENDS} | {"problems": found["n"]}
        row |= {"outputs": len(part), "seeds": found["seeds"], "interval": found["interval"]}
        if "category" in part:
            row |= _macro(values, part.groupby("id").category.first(), found, rng, repeats)
        rows.append(row)
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


def gold_free(frame: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000, by=BY) -> pd.DataFrame:
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
    return accuracies(checked.assign(**measures), names, rng, repeats, by)


def by_problem(part: pd.DataFrame, column: str) -> pd.Series:
    """A column indexed by (id, seed); seed 0 where there are none."""
    seed = part.seed if "seed" in part and part.seed.notna().all() else 0
    return part.assign(seed=seed).set_index(["id", "seed"])[column].astype(float)


def _macro(values: pd.Series, category: pd.Series, found: dict, rng: np.random.Generator, repeats: int) -> dict:
    """Mean over categories of each one's mean; where that is the mean over problems, its interval too."""
    if category.nunique() == 1 or values.nunique() == 1 or len(category) < 2:
        return {"macro": found["value"], "macro_low": found["low"], "macro_high": found["high"]}
    wide = values.unstack("seed")
    of = category.reindex(wide.index).to_numpy()[:, None] == np.unique(category)
    units = np.stack([wide.fillna(0), wide.notna()], axis=-1)[:, :, None] * of[:, None, :, None]

    def mean(means: np.ndarray) -> np.ndarray:
        """Categories that a resample has no problem of are left out of its mean."""
        pairs = means.reshape(len(means), -1, 2)
        return np.nanmean(np.where(pairs[..., 1] > 0, pairs[..., 0] / np.maximum(pairs[..., 1], 1e-12), np.nan), axis=1)

    made = bootstrap.crossed_bootstrap(units.reshape(*units.shape[:2], -1), mean, rng, repeats)
    return {"macro": made["value"], "macro_low": made["low"], "macro_high": made["high"]}


def cells(frame: pd.DataFrame, step: str) -> dict[str, int]:
    """The four counts of a step against the answer."""
    right, answer = frame[f"{step}_correct"].astype(bool), frame["answer_correct"].astype(bool)
    return {name: int(((right == a) & (answer == b)).sum()) for (a, b), name in CELLS.items()}


def associations(frame: pd.DataFrame, by: Sequence[str] = BY, steps: Sequence[str] = STEPS) -> pd.DataFrame:
    """One row per group and step: the 2x2 counts and all of ``intervals.association_row``, p-values Holm-adjusted.

    Only the first seed of a group enters; ``replication_tables`` has the differences over all seeds.
    """
    table = pd.DataFrame(
        dict(zip(by, key, strict=True)) | {"step": step, **intervals.association_row(cells(part, step))}
        for key, part in first_seed(frame, by).groupby(list(by), sort=False, observed=True)
        for step in steps
    )
    return table.assign(p_holm=intervals.holm(table.p_value))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of ``associations`` that a reader needs, in reading order; the data file of a figure has all."""
    first = table.columns[: table.columns.get_loc("step") + 1]
    wanted = ["n", "both", "answer_only", "trace_only", "neither", "joint", "p_answer_given_trace"]
    wanted += ["p_answer_given_not_trace", "phi", "phi_low", "phi_high", "chi2", "expected_min", "test", "p_value"]
    return table[[*first, *wanted, "p_holm"]]


def contrasts(
    frame: pd.DataFrame,
    margin: float = 0.05,
    column: str = "answer_correct",
    within: Sequence[str] = ("dataset",),
    order: Sequence[str] = (),
) -> pd.DataFrame:
    """Every pair of conditions on the same problems: exact McNemar with Holm over the table, and equivalence.

    Only the first seed of each condition enters, since replicates of a problem are no new problems. Pairs on fewer than
    ``LEAST`` problems can never be told apart: they do not count as tests of Holm's family, and their p_holm is 1.

    Returns:
        columns ``within``, first, second, n, only_first, only_second, difference, low, high, p_value, p_holm, tost_p,
        tost_holm (also Holm over the table), equivalent (within ``margin`` at 0.05, by tost_holm), detectable (least
        difference found with 80% power).
    """
    rows = []
    for key, part in frame.groupby(list(within), sort=False, observed=True):
        wide = first_seed(part, ("condition",)).pivot(index="id", columns="condition", values=column)
        names = [c for c in (order or part.condition.unique()) if c in wide]
        for first, second in combinations(names, 2):
            pair = wide[[first, second]].dropna().astype(bool)
            if pair.empty:
                continue
            test, same = intervals.mcnemar(pair[first], pair[second]), intervals.tost(pair[first], pair[second], margin)
            row = {**dict(zip(within, key, strict=True)), "first": first, "second": second, "n": len(pair)}
            row |= {"only_first": test["only_first"], "only_second": test["only_second"], "difference": test["value"]}
            row |= {name: test[name] for name in ("low", "high", "p_value")}
            rows.append(row | {"tost_p": same["p_value"], "detectable": same["detectable"]})
    table = pd.DataFrame(rows)
    if len(table):
        for name, adjusted in (("p_value", "p_holm"), ("tost_p", "tost_holm")):
            found = pd.Series(intervals.holm(table[name].where(table.n >= LEAST))).fillna(1.0)
            table.insert(table.columns.get_loc(name) + 1, adjusted, found)
        table.insert(table.columns.get_loc("tost_holm") + 1, "equivalent", table.tost_holm < 0.05)
    return table
