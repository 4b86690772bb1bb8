"""What the rows of ``forced`` show: levels under each trace, changes against the own one, what answers follow.

Every table has one row per estimate: ``student``, ``dataset``, ``condition``, what it is, ``value``, ``low``, ``high``
(95%, over problems and seeds), ``t_low``, ``t_high`` (two-way random-effects t interval, from two seeds on), ``n``
(problems), ``seeds``; see ``bootstrap.pooled``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from tracekd.interventions.variants import VARIANTS
from tracekd.stats import bootstrap

GROUP = ["student", "dataset", "condition"]
OUTCOMES = ("answer_correct", "logp_gold")
FOLLOW_KINDS = ("trace", "context", "neither", "prefers_trace")
ENDS = ("value", "low", "high", "t_low", "t_high")


def frame(rows: Iterable[Mapping]) -> pd.DataFrame:
    """Rows of ``forced`` as a table, without the variants that do not exist.

    Raises:
        ValueError: a (student, dataset, condition, seed, id, variant) comes twice, or there is no row.
    """
    table = pd.DataFrame(list(rows))
    if table.empty:
        raise ValueError("no intervention rows: run the interventions first")
    twice = table.duplicated([*GROUP, "seed", "id", "variant"])
    if twice.any():
        first = table[twice].iloc[0]
        raise ValueError(
            f"{twice.sum()} rows come twice, first {first.id} {first.variant} of {first.condition}, seed {first.seed}: "
            "give each file once"
        )
    table = table[table.left_out == ""].copy()
    return table.astype({"answer_correct": bool, "trace_correct": bool, "logp_gold": float, "logp_implied": float})


def coverage(rows: Iterable[Mapping]) -> pd.DataFrame:
    """How many (problem, seed, variant) were asked for, ``exist``, imply an answer, and imply another than gold.

    Returns:
        One row per student, dataset and condition: ``asked``, ``exist``, ``imply``, ``disagree`` (counts).
    """
    table = pd.DataFrame(list(rows))
    exists = table.left_out == ""
    flags = {"exist": exists, "imply": exists & table.implied.notna(), "disagree": exists & table.disagrees.eq(True)}
    groups = table.assign(asked=1, **flags).groupby(GROUP, sort=False)
    return groups[["asked", *flags]].sum().astype(int).reset_index()


def levels(table: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Accuracy and log-probability of the gold answer under each variant, each on the problems that have it.

    Columns beside those of the module's text: ``variant``, ``outcome`` (``answer_correct`` in 0..1, ``logp_gold`` in
    nats).
    """
    names = dict.fromkeys([*VARIANTS, *table.variant])
    return contrasts(table, {v: {v: 1} for v in names}, "variant", rng, repeats)


def changes(table: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """What each variant changes against the student's own trace, on the problems that have both.

    A student (data set and condition) without any own trace, such as a vanilla one, is compared with the empty trace;
    ``against`` says which. Other columns as in ``levels``.
    """
    owned = set(table[table.variant == "own"].groupby(GROUP).groups)
    parts = []
    for name, part in table.groupby(GROUP, sort=False):
        against = "own" if name in owned else "empty"
        wanted = {v: {v: 1, against: -1} for v in VARIANTS if v != against}
        parts.append(contrasts(part, wanted, "variant", rng, repeats).assign(against=against))
    return pd.concat(parts, ignore_index=True)


def follow_shares(table: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """What answers follow where trace and context disagree (the implied answer is not the gold one).

    Columns beside those of the module's text: ``variant``; ``follows``: ``trace``, ``context``, ``neither``, or
    ``prefers_trace`` (the implied answer has the higher log-probability). Values are shares in 0..1. Variant ``given``
    joins all but ``own`` (whose trace is no intervention), a problem's rows averaged.
    """
    apart = table[table.disagrees.eq(True)].copy()
    for name in FOLLOW_KINDS[:3]:
        apart[name] = apart.follows.eq(name)
    apart["prefers_trace"] = apart.logp_implied > apart.logp_gold
    given = apart[apart.variant != "own"].assign(variant="given")
    rows = []
    for (*name, variant), part in pd.concat([apart, given]).groupby([*GROUP, "variant"], sort=False):
        for kind in FOLLOW_KINDS:
            values = part.groupby(["id", "seed"])[kind].mean()
            head = {**dict(zip(GROUP, name, strict=True)), "variant": variant, "follows": kind}
            rows.append(head | summary(values, "share", rng, repeats))
    return pd.DataFrame(rows)


def wide(part: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """One row per (problem, seed), one column per variant; those of ``VARIANTS`` are always there, and come first."""
    found = part.pivot(index=["id", "seed"], columns="variant", values=outcome)
    return found.reindex(columns=list(dict.fromkeys([*VARIANTS, *found.columns]))).astype(float)


def contrasts(
    table: pd.DataFrame, wanted: Mapping[str, Mapping[str, int]], column: str, rng: np.random.Generator, repeats: int,
    about: Callable[[pd.DataFrame], Mapping[str, pd.Index]] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Weighted sums of variants' outcomes, such as gold minus empty, within a problem and then over problems.

    Args:
        table: from ``frame``.
        wanted: name of an estimate to the weight of each variant in it.
        column: what the estimates are, a column of the result.
        rng: the only source of chance.
        repeats: resamples.
        about: from one student's rows to the (id, seed) that an estimate is about, for those not about all.
    """
    rows = []
    for name, part in table.groupby(GROUP, sort=False):
        head, only = dict(zip(GROUP, name, strict=True)), about(part) if about else {}
        for outcome in OUTCOMES:
            outcomes = wide(part, outcome)
            for label, weights in wanted.items():
                values = sum(weight * outcomes[variant] for variant, weight in weights.items())
                values = values[values.index.isin(only[label])] if label in only else values
                found = summary(values, kind_of(outcome, sum(weights.values())), rng, repeats)
                rows.append({**head, column: label, "outcome": outcome, **found})
    return pd.DataFrame(rows)


def kind_of(outcome: str, weight: int) -> str:
    """What an estimate is, for ``bootstrap.pooled``: weights that add up to 1 leave a share, to 0 a difference."""
    return "other" if outcome != "answer_correct" else "share" if weight else "difference"


def summary(values: pd.Series, kind: str, rng: np.random.Generator, repeats: int = 2000) -> dict:
    """Mean of values that are indexed by (id, seed), with intervals (``bootstrap.pooled``), ``n`` and ``seeds``."""
    found = bootstrap.pooled(values, rng, repeats, kind)
    return {name: found[name] for name in (*ENDS, "n", "seeds")}


def by_reveals(table: pd.DataFrame, make: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """``make`` of the problems together and by what their wrong trace reveals, with the first column ``reveals``.

    Args:
        table: of ``frame``. A problem counts under what its ``both_wrong`` trace reveals: ``none``, ``excludes``,
            ``names`` or ``derives``; records without the column have the row ``all`` alone.
        make: a function of such a table to a table.
    """
    parts = {"all": table}
    if "reveals" in table and (table.reveals.fillna("") != "").any():
        wrong = table[table.variant == "both_wrong"].drop_duplicates(["dataset", "id"])
        revealed = table.merge(wrong[["dataset", "id", "reveals"]], on=["dataset", "id"], suffixes=("_of_trace", ""))
        parts |= dict(iter(revealed.groupby("reveals", sort=False)))
    made = pd.concat({name: make(part) for name, part in parts.items()}, names=["reveals"])
    return made.reset_index("reveals").reset_index(drop=True)
