"""Tables of the replication: costs, accuracy, kinds of problems, forced traces; differences and ties over seeds.

Estimates are over the problems and seeds that all compared conditions have, with ``bootstrap.crossed``'s intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from tracekd.analysis.recorded import ORDER, SIZE, of_sizes
from tracekd.analysis.tables import accuracy
from tracekd.interventions import tables as given
from tracekd.stats import bootstrap, intervals
from tracekd.traces import freeform

FEWEST = 10  # problems of each kind below which there is no estimate of a tie, and no verdict
FEWEST_SHOWN = 20  # problems below which a figure has no point
REPEATS = 20_000  # resamples: the ends of intervals then move by less than 0.1 points from one seed to the next
BY = ["dataset", "source", SIZE, "condition", "teacher"]
VARIANTS = ("own", "gold", "wrong_label", "wrong_facts", "both_wrong", "masked", "empty")
EFFECTS = (
    "observed", "total_all", "facts_given_right_label", "label_given_right_facts", "total", "natural_direct",
    "natural_indirect",
)  # fmt: skip


def costs(adapters: pd.DataFrame) -> pd.DataFrame:
    """What each condition's trainings cost, means over seeds; one row per ``BY``, ``condition`` in longhand."""
    made = adapters.groupby(BY, sort=False).agg(
        seeds=("seed", "nunique"), examples=("n", "first"), supervised_tokens=("supervised_tokens", "mean"),
        total_tokens=("total_tokens", "mean"), repetition=("target_repetition", "mean"),
        minutes=("seconds", lambda s: s.mean() / 60), loss=("mean_loss", "mean"),
        hardware=("hardware", lambda h: "; ".join(sorted(set(h)))),
        commits=("commit", lambda c: " ".join(sorted(set(c)))),
    )  # fmt: skip
    return freeform.spelled(made.reset_index())


def accuracies(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Share of right answers per ``BY``, largest training first.

    Returns:
        columns of ``tables.accuracy``; lowest and highest (seed); contains_value, contains_low, contains_high (outputs
        that contain the answer); cut (share of outputs that ran into the limit); repetition (mean).
    """
    shares = accuracy(verdicts, "answer_correct", rng, repeats, BY)
    each = verdicts.groupby([*BY, "seed"], sort=False).answer_correct.mean()
    spread = each.groupby(BY, sort=False).agg(lowest="min", highest="max").reset_index()
    mild = accuracy(verdicts, "answer_contains", rng, repeats, BY).set_index(BY)[["value", "low", "high"]]
    cut = verdicts.assign(cut=verdicts.status == "truncated").groupby(BY, sort=False)[["cut", "repetition"]].mean()
    for other in (spread, mild.add_prefix("contains_").reset_index(), cut.reset_index()):
        shares = shares.merge(other, on=BY)
    order = {"by": ["dataset", SIZE], "ascending": [True, False], "kind": "stable", "ignore_index": True}
    return freeform.spelled(shares.sort_values(**order))


ENDS = ("value", "low", "high", "t_low", "t_high")


def by_condition(shares: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """The rows of ``accuracies`` for the figure: the paper's conditions, untrained students beside the main size.

    Returns:
        the rows of each size that has students trained on no and on correct traces, in the order of conditions, with
        ``group`` (data set and training problems).
    """
    base = shares.condition.str.partition(" (")[0]
    part = shares.assign(place=base.map({name: k for k, name in enumerate(ORDER)})).dropna(subset="place")
    size = part[SIZE].where(part[SIZE] > 0, part.dataset.map(sizes))
    part = part.assign(group=part.dataset + " " + size.map("{:,}".format))
    whole = set(part.group[part.condition == "vanilla"]) & set(part.group[part.condition == "correct"])
    part = part[part.group.isin(whole) & (part.problems >= FEWEST_SHOWN)].assign(shown_size=-size)
    part = part.sort_values(["dataset", "shown_size", "place"], kind="stable", ignore_index=True)
    return part.drop(columns=["place", "shown_size"])


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
        for level, mark in ((0.95, ""), (0.9, "90")):
            ends = intervals.paired_difference([False] * len(units), [False] * len(units), level)
            found |= {f"low{mark}": ends["low"], f"high{mark}": ends["high"]}
        found |= dict.fromkeys(bootstrap.T_ENDS, np.nan)
    return found and found | {"fewest": int(units.any(axis=1).sum(axis=0).max())}


def tie(
    frame: pd.DataFrame, condition: str, rng: np.random.Generator, repeats: int = REPEATS, step: str = "trace"
) -> dict:
    """Share of right answers where ``step`` of the student's own trace is right minus where it is wrong.

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
        found |= dict.fromkeys(("low", "high", "low90", "high90", *bootstrap.T_ENDS), np.nan)
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
    return bootstrap.ratio(means[:, [place + 1, place]])


def _estimate(units: np.ndarray, statistic, rng: np.random.Generator, repeats: int) -> dict:
    """``bootstrap.crossed`` of a statistic, and by_seed; empty where it has no value."""
    if not units.size or np.isnan(statistic(units.mean(axis=(0, 1))[None])[0]):
        return {}
    return bootstrap.crossed(units, statistic, rng, repeats) | {"by_seed": statistic(units.mean(axis=0)).tolist()}


def shares_by_trace(frame: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """How often trace and answer are both right, and the answer after right and after wrong traces, over all seeds.

    Returns:
        columns dataset, condition, n (problems), seeds, right_outputs and wrong_outputs (with such a trace), and
        right_traces (share of outputs), joint, p_answer_given_trace, p_answer_given_not_trace (0..1), each with
        ``_low`` and ``_high`` (95%; Wilson's where all answers are alike). NaN below ``FEWEST_SHOWN`` problems.
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
            found = _estimate(units, statistic, rng, repeats) if many >= FEWEST_SHOWN else {}
            if found and found["value"] in (0, 1):
                found["low"], found["high"] = intervals.wilson(int(found["value"]) * many, many)
            found = found or dict.fromkeys(("value", "low", "high"), np.nan)
            row |= {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def by_kind(verdicts: pd.DataFrame, main: pd.DataFrame, rng, rng_facts, repeats: int = 2000) -> pd.DataFrame:
    """Answers by kind of problem: answerable and not, where a set has both; and by number of gold facts.

    Args:
        verdicts: of all sizes, for the first split.
        main: of the main sizes, for the second.
        rng: of the first split's intervals.
        rng_facts: of the second's.
        repeats: resamples.

    Returns:
        columns dataset, training_problems, condition, kind, measure, value, low, high, t_low, t_high, problems, seeds.
    """
    parts = [_by_answerable(verdicts, rng, repeats), _by_facts(main, rng_facts)]
    columns = ["dataset", SIZE, "condition", "kind", "measure", *ENDS, "problems", "seeds"]
    return pd.concat([part.reindex(columns=columns) for part in parts if len(part)] or [pd.DataFrame(columns=columns)])


def _by_answerable(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int) -> pd.DataFrame:
    """``exact``, ``F1``, ``ROUGE-L``, ``declines`` by whether a question has an answer, for sets that have both."""
    some = verdicts[~verdicts.groupby("dataset").answerable.transform("all").astype(bool)]
    measures = {"exact": "answer_correct", "F1": "answer_f1", "ROUGE-L": "answer_rouge_l", "declines": "declined"}
    parts = [
        accuracy(some, column, rng, repeats, ["dataset", SIZE, "condition", "answerable"]).assign(measure=name)
        for name, column in measures.items()
        if column in some and len(some)
    ]
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    return table.assign(kind=np.where(table.answerable.astype(bool), "answerable", "unanswerable"))


def _by_facts(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = REPEATS) -> pd.DataFrame:
    """Accuracy (``exact``) and ``tie`` of trace and answer for problems with one, two and more gold facts.

    Without a tie below ``FEWEST`` problems with a right or a wrong trace; nothing where ``n_facts`` is not recorded.
    """
    many = verdicts[verdicts.n_facts > 0] if "n_facts" in verdicts else verdicts.head(0).assign(n_facts=0)
    many = many.assign(kind=np.select([many.n_facts == 1, many.n_facts == 2], ["one fact", "two facts"], "more facts"))
    rows, by = [], ["dataset", SIZE, "condition", "kind"]
    for key, part in many.groupby(by, sort=False):
        right, tied = accuracy(part, "answer_correct", rng, repeats, by).iloc[0], tie(part, key[2], rng, repeats)
        head = dict(zip(by, key, strict=True)) | {"problems": right.problems, "seeds": right.seeds}
        rows.append({**head, "measure": "exact", **right[list(ENDS)]})
        if tied.get("fewest", 0) >= FEWEST:
            rows.append({**head, "measure": "tie", **{name: tied[name] for name in ENDS}})
    return pd.DataFrame(rows)


def forced(asked: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000, *, few: int = FEWEST) -> pd.DataFrame:
    """What answers do after forced traces, size by size.

    Args:
        asked: forced answers, of ``recorded.load``, conditions in longhand.
        rng: of the intervals.
        repeats: resamples.
        few: own right or wrong traces below which there is no observed difference.

    Returns:
        columns training_problems, quantity, reveals and those of ``tables.effects``. ``quantity`` is ``effect`` (of a
        right trace); ``accuracy`` after the trace in ``effect``; ``follows`` (share of answers that follow ``effect``
        where trace and context disagree); ``training`` (trained on correct minus on incorrect traces).
    """

    def by_reveals(make: Callable) -> Callable:
        return lambda rows: given.by_reveals(rows, lambda part: make(part, rng, repeats))

    levels = _by_size(asked, by_reveals(given.levels)).rename(columns={"variant": "effect"})
    moved = _by_size(asked, by_reveals(given.effects))
    follows = _by_size(asked, lambda rows: given.follow_shares(rows, rng, repeats))
    between = _by_size(asked, lambda rows: given.between_conditions(rows, rng, repeats=repeats))
    own = asked[asked.variant == "own"].groupby(["dataset", "condition", SIZE]).trace_correct
    rare = own.sum()[(own.sum() < few) | (own.size() - own.sum() < few)].index
    rare = moved.set_index(["dataset", "condition", SIZE]).index.isin(rare)
    moved = moved[moved.effect.isin(EFFECTS) & (moved.n > 0) & ((moved.effect != "observed") | ~rare)]
    follows = follows[follows.variant == "given"].drop(columns="variant").rename(columns={"follows": "effect"})
    between = between.assign(condition=between["first"] + " minus " + between["second"])
    parts = {
        "effect": moved, "accuracy": levels[levels.effect.isin(VARIANTS)],
        "follows": follows.assign(outcome="answer_correct", reveals="all"),
        "training": between[between.n > 0].drop(columns=["first", "second"]).assign(reveals="all"),
    }  # fmt: skip
    table = pd.concat([part.assign(quantity=name) for name, part in parts.items()], ignore_index=True)
    table = table[table.outcome == "answer_correct"].drop(columns="outcome")
    first = [SIZE, "quantity"]
    return table[[*first, *table.columns.drop(first)]]


def _by_size(frame: pd.DataFrame, make: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """``make`` of each training size by itself, largest first, with ``training_problems`` as first column."""
    parts = [make(part).assign(**{SIZE: size}) for size, part in sorted(frame.groupby(SIZE), reverse=True)]
    table = pd.concat(parts, ignore_index=True)
    return table[[SIZE, *table.columns.drop(SIZE)]]


def forced_panels(
    asked: pd.DataFrame, verdicts: pd.DataFrame, sizes: Mapping[str, int], rng: np.random.Generator, repeats: int = 2000
) -> pd.DataFrame:
    """Accuracy after the student's own, the gold, a wrong and no trace, for the figure.

    On answerable questions at the main sizes; nothing on fewer than ``FEWEST_SHOWN`` problems.
    """
    some = of_sizes(asked[asked.id.isin(verdicts.id[verdicts.answerable])], sizes)
    if some.empty:
        return some
    levels = given.levels(some, rng, repeats)
    return levels[levels.variant.isin(["own", "gold", "both_wrong", "empty"]) & (levels.n >= FEWEST_SHOWN)]
