"""Tables of the replication: costs, accuracy, forced traces; differences and ties over seeds.

Estimates are over the problems and seeds that all compared conditions have, with ``bootstrap.crossed``'s intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from tracekd.analysis import tables
from tracekd.analysis.recorded import ORDER, SIZE, of_sizes
from tracekd.interventions import tables as given
from tracekd.stats import bootstrap, intervals
from tracekd.traces import freeform

FEWEST = 10  # problems of each kind below which there is no verdict on a tie
FEWEST_SHOWN = 20  # problems below which a figure has no point
REPEATS = 20_000  # resamples: the ends of intervals then move by less than 0.1 points from one seed to the next
BY = ["dataset", "source", SIZE, "condition", "teacher"]
TRACED = ("correct", "incorrect", "incorrect_uniform", "any", "foreign")  # traces whose steps can be judged
VARIANTS = ("own", "gold", "wrong_label", "wrong_facts", "both_wrong", "masked", "empty")
EFFECTS = (
    "total_all", "facts_given_right_label", "label_given_right_facts", "total", "natural_direct", "natural_indirect",
)  # fmt: skip


def costs(adapters: pd.DataFrame) -> pd.DataFrame:
    """What each condition's trainings cost: seeds and means over them; one row per ``BY``, in longhand."""
    costs = ["n", "supervised_tokens", "total_tokens", "target_repetition", "seconds", "mean_loss"]
    groups = adapters.groupby(BY, sort=False)
    made = groups[costs].mean().assign(minutes=lambda t: t.pop("seconds") / 60)
    made.insert(0, "seeds", groups.seed.nunique())
    return freeform.spelled(made.reset_index())


def accuracies(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """``tables.accuracy`` of right answers per ``BY``, largest training first.

    Further columns: contains, cut (shares of outputs that contain the answer, that ran into the limit).
    """
    shares, mild = (
        tables.accuracy(verdicts, column, rng, repeats, BY) for column in ("answer_correct", "answer_contains")
    )
    cut = verdicts.assign(cut=verdicts.status == "truncated").groupby(BY, sort=False).cut.mean()
    shares = shares.assign(contains=mild.value).merge(cut.reset_index(), on=BY)
    shares = shares.sort_values(["dataset", SIZE], ascending=[True, False], kind="stable", ignore_index=True)
    return freeform.spelled(shares)


def by_condition(shares: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``accuracies`` on ``FEWEST_SHOWN`` problems or more, in the figure's order.

    By data set, untrained first, larger trainings before smaller, the paper's conditions before ours.
    """
    place = shares.condition.str.partition(" (")[0].map({name: k for k, name in enumerate(ORDER)}).fillna(len(ORDER))
    part = shares.assign(place=place, size=-shares[SIZE].where(shares[SIZE] > 0, np.inf))
    part = part[part.problems >= FEWEST_SHOWN]
    part = part.sort_values(["dataset", "size", "place"], kind="stable", ignore_index=True)
    return part.drop(columns=["place", "size"])


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
        what ``bootstrap.crossed`` returns (-1..1), by_seed (a list), fewest (problems that the better of the two
        answers right with any seed); empty where one was not run.
    """
    units = cube(frame, (first, second))[..., 0]
    found = _estimate(units, lambda means: means[:, 0] - means[:, 1], rng, repeats)
    if found and (units[..., 0] == units[..., 1]).all():
        # No resample differs, though the next problem may.
        found |= dict.fromkeys(bootstrap.T_ENDS, np.nan)
        for level, mark in ((0.95, ""), (0.9, "90")):
            ends = intervals.paired_difference([False] * len(units), [False] * len(units), level)
            found |= {f"low{mark}": ends["low"], f"high{mark}": ends["high"]}
    return found and found | {"fewest": int(units.any(axis=1).sum(axis=0).max())}


def tie(
    frame: pd.DataFrame, condition: str, rng: np.random.Generator, repeats: int = REPEATS, step: str = "trace"
) -> dict:
    """Share of right answers where ``step`` of the student's own trace is right minus where it is wrong.

    Returns:
        as ``difference``, without an estimate where the step is right in all outputs or in none; fewest (problems where
        it is right, or where it is wrong, with any seed).
    """
    steps = cube(frame, (condition,), (f"{step}_correct", "answer_correct"))[:, :, 0]
    if not steps.size:
        return {}
    right, answer = steps[..., 0], steps[..., 1]
    # (problems, seeds, 4): answer and step right, step right; answer right and step wrong, step wrong
    units = np.stack([right * answer, right, (1 - right) * answer, 1 - right], axis=-1)
    found = _estimate(units, lambda m: bootstrap.ratio(m[:, :2]) - bootstrap.ratio(m[:, 2:]), rng, repeats)
    found = found or {"n": len(units), "seeds": units.shape[1]}  # all right, or all wrong: nothing to compare
    if "low" in found and found["low"] == found["high"]:  # answers that are all alike: resampling shows no width
        found |= dict.fromkeys(("low", "high", "low90", "high90", *bootstrap.T_ENDS), np.nan)
    return found | {"fewest": int(units[..., [1, 3]].any(axis=1).sum(axis=0).min())}


def _estimate(units: np.ndarray, statistic: Callable, rng: np.random.Generator, repeats: int) -> dict:
    """``bootstrap.crossed`` of a statistic, and by_seed; empty where it has no value."""
    if not units.size or np.isnan(statistic(units.mean(axis=(0, 1))[None])[0]):
        return {}
    return bootstrap.crossed(units, statistic, rng, repeats) | {"by_seed": statistic(units.mean(axis=0)).tolist()}


def by_answerable(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """``tables.accuracies`` of exact match, F1, ROUGE-L and declining, of the sets with unanswerable questions.

    Its groups: dataset, training_problems, condition, answerable.
    """
    some = verdicts[~verdicts.groupby("dataset").answerable.transform("all").astype(bool)]
    measures = {"answer_correct": "exact", "answer_f1": "F1", "answer_rouge_l": "ROUGE-L", "declined": "declines"}
    return tables.accuracies(some, measures, rng, repeats, ["dataset", SIZE, "condition", "answerable"])


def by_trace(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """``tables.accuracy`` of answers after the student's own right and wrong traces (``trace_correct``).

    Of students taught ``TRACED``, on answerable questions; no row on fewer than ``FEWEST_SHOWN`` problems.
    """
    some = verdicts[verdicts.condition.isin(TRACED) & verdicts.answerable].drop(columns="category")
    found = tables.accuracy(some, "answer_correct", rng, repeats, [*BY[:-1], "trace_correct"])
    return found[found.problems >= FEWEST_SHOWN]


def forced(asked: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """What right answers do after forced traces (``asked``: of ``recorded.load``, in longhand), size by size.

    Returns:
        columns training_problems, quantity, reveals (what a problem's wrong trace reveals, or all) and those of
        ``tables.effects``. ``quantity`` is ``effect`` (of a right trace), ``accuracy`` (after the trace in
        ``effect``) or ``follows`` (share of answers that follow ``effect`` where trace and context disagree).
    """

    def by_size(make: Callable) -> pd.DataFrame:
        parts = {size: make(rows) for size, rows in sorted(asked.groupby(SIZE), reverse=True)}
        return pd.concat(parts, names=[SIZE]).reset_index(SIZE).reset_index(drop=True)

    levels = by_size(lambda rows: given.by_reveals(rows, lambda part: given.levels(part, rng, repeats)))
    moved = by_size(lambda rows: given.by_reveals(rows, lambda part: given.effects(part, rng, repeats)))
    follows = by_size(lambda rows: given.follow_shares(rows, rng, repeats))
    follows = follows[follows.variant == "given"].drop(columns="variant").rename(columns={"follows": "effect"})
    parts = {
        "effect": moved[moved.effect.isin(EFFECTS) & (moved.n > 0)],
        "accuracy": levels[levels.variant.isin(VARIANTS)].rename(columns={"variant": "effect"}),
        "follows": follows.assign(outcome="answer_correct", reveals="all"),
    }
    table = pd.concat([part.assign(quantity=name) for name, part in parts.items()], ignore_index=True)
    table = table[table.outcome == "answer_correct"].drop(columns="outcome")
    return table[[SIZE, "quantity", *table.columns.drop([SIZE, "quantity"])]]


def forced_panel(
    asked: pd.DataFrame, verdicts: pd.DataFrame, sizes: Mapping[str, int], rng: np.random.Generator, repeats: int = 2000
) -> pd.DataFrame:
    """Accuracy after the gold, no and a wrong trace of students taught correct or incorrect ones, for the figure.

    On answerable questions at the main sizes; nothing on fewer than ``FEWEST_SHOWN`` problems. Columns of ``levels``.
    """
    some = of_sizes(asked[asked.id.isin(verdicts.id[verdicts.answerable])], sizes)
    some = some[some.condition.isin(["correct", "incorrect"]) & some.variant.isin(["gold", "empty", "both_wrong"])]
    if some.empty:
        return some
    levels = given.levels(some, rng, repeats)
    return levels[(levels.outcome == "answer_correct") & (levels.n >= FEWEST_SHOWN)]
