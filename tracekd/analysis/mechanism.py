"""The from-scratch student's record: accuracies with seeds as the unit, and four accounts against what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.analysis.recorded import FOLDER, SIZE, main_sizes
from tracekd.analysis.replication_tables import difference
from tracekd.analysis.tables import INCONCLUSIVE, NOT_TESTED
from tracekd.grid.mechanism import FILE
from tracekd.interventions.from_scratch import VARIANTS
from tracekd.interventions.tables import ENDS, sign
from tracekd.stats.bootstrap import bootstrap

LEARNED = 0.9  # share of right answers from which a seed counts as one that learned
FEWEST = 5  # seeds: under these nothing is tested
HELD, FAILED = "held", "did not hold"
# What each account says of K = 5: are the answers right, or no better than chance? Rows: trained on, forced trace.
ACCOUNTS = ("trace is the reasoning", "trace is copied", "trace trains retrieval", "exclusion")
_RIGHT, _CHANCE, _SILENT = "right", "chance", ""
PREDICTIONS = (
    ("none", "own", _CHANCE, _SILENT, _CHANCE, _SILENT),
    ("right", "own", _RIGHT, _RIGHT, _RIGHT, _SILENT),
    ("right", "gold", _SILENT, _RIGHT, _SILENT, _SILENT),
    ("right", "wrong_facts", _SILENT, _CHANCE, _SILENT, _SILENT),
    ("one_wrong", "own", _CHANCE, _CHANCE, _RIGHT, _CHANCE),
    ("one_wrong", "gold", _SILENT, _RIGHT, _SILENT, _SILENT),
    ("one_wrong", "wrong_facts", _SILENT, _CHANCE, _RIGHT, _SILENT),
    ("all_wrong", "own", _CHANCE, _SILENT, _RIGHT, _RIGHT),
    ("all_wrong", "gold", _SILENT, _SILENT, _SILENT, _CHANCE),
    ("all_wrong", "all_wrong", _SILENT, _SILENT, _SILENT, _RIGHT),
    ("any", "own", _CHANCE, _CHANCE, _RIGHT, _CHANCE),
    ("any", "gold", _SILENT, _RIGHT, _SILENT, _SILENT),
    ("any", "wrong_facts", _SILENT, _CHANCE, _RIGHT, _SILENT),
    ("foreign", "own", _CHANCE, _SILENT, _CHANCE, _SILENT),
    ("filler", "own", _SILENT, _SILENT, _CHANCE, _SILENT),
)
SHORT = ("none", "right", "one_wrong", "all_wrong", "any", "foreign")  # the kinds of the short answer
# The small student's order, by the real one's training: is it better than a student without traces?
ORDER = {"correct": "above zero", "incorrect": "above zero", "any": "above zero", "foreign": "not above zero"}


def recorded(folder: Path = FOLDER) -> pd.DataFrame:
    """The recorded trainings (``grid.mechanism.table``) in a folder such as ``figures/data``; empty where none are."""
    if not (folder / FILE).exists():
        return pd.DataFrame()
    return pd.read_csv(folder / FILE, dtype={"commit": str}).astype({"smeared": bool})


def shares(looks: pd.DataFrame) -> pd.DataFrame:
    """One row per training, look and forced trace: ``variant`` and ``share`` (0..1) in place of the counts."""
    names = [name for name in looks if name not in (*VARIANTS, "n")]
    long = looks.melt([*names, "n"], [name for name in VARIANTS if name in looks], "variant", "right")
    return long.assign(share=long.right / long.n)


def last(looks: pd.DataFrame) -> pd.DataFrame:
    """``shares`` at the last step of each training."""
    found = shares(looks)
    return found[found.step == found.steps].reset_index(drop=True)


def shortest(final: pd.DataFrame) -> pd.DataFrame:
    """Of several lengths of training the shortest of each kind, which is the same number of steps for all kinds."""
    return final[final.steps == final.groupby("kind").steps.transform("min")]


def levels(final: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Mean accuracy over seeds of ``last`` with its 95% bootstrap interval over seeds (NaN with one).

    Returns:
        One row per ``smeared``, ``facts``, ``kind``, ``steps`` and ``variant``: ``value``, ``low``, ``high`` (0..1),
        ``seeds``, ``learned`` (seeds with at least 90% right answers), ``n`` (problems per seed).
    """
    rows, keys = [], ["smeared", "facts", "kind", "steps", "variant"]
    for name, part in final.groupby(keys, sort=False):
        found = bootstrap(np.mean, rng, part.share.to_numpy(), repeats=repeats)
        if len(part) < 2:
            found |= {"low": np.nan, "high": np.nan}
        learned = int((part.share >= LEARNED).sum())
        counts = {"seeds": len(part), "learned": learned, "n": int(part.n.iloc[0])}
        rows.append({**dict(zip(keys, name, strict=True)), **found, **counts})
    return pd.DataFrame(rows)


def predictions() -> pd.DataFrame:
    """What each account predicts for K = 5, one row per (trained on, forced trace), one column per account."""
    return pd.DataFrame(PREDICTIONS, columns=["kind", "variant", *ACCOUNTS])


def judged(measured: pd.DataFrame, smeared: bool = True, facts: int = 5) -> pd.DataFrame:
    """``predictions`` with what was ``measured`` (of ``levels``) on one student, and whether each held.

    A cell counts as right where its interval lies above the middle between chance (1/K) and 1, as chance where it
    lies below; across it is inconclusive; under ``FEWEST`` seeds nothing is tested. Of several lengths of training the
    shortest counts.
    """
    part = measured[(measured.facts == facts) & (measured.smeared == smeared)]
    cells = shortest(part).set_index(["kind", "variant"])
    found = predictions()
    rows = [cells.loc[cell] if cell in cells.index else None for cell in zip(found.kind, found.variant, strict=True)]
    found["measured"] = [
        NOT_TESTED if row is None else f"{row.value:.2f}, {row.learned:.0f} of {row.seeds:.0f} seeds learned"
        for row in rows
    ]
    for name in ACCOUNTS:
        held = zip(found[name], rows, strict=True)
        found[name] = [said and f"{said}: {_held(row, said, (1 + 1 / facts) / 2)}" for said, row in held]
    return found


def _held(row: pd.Series | None, said: str, middle: float) -> str:
    if row is None or row.seeds < FEWEST:
        return NOT_TESTED
    if row.low <= middle <= row.high:
        return INCONCLUSIVE
    return HELD if (row.low > middle) == (said == _RIGHT) else FAILED


def summary(judgements: pd.DataFrame) -> pd.DataFrame:
    """How many predictions of each account held, did not hold, were inconclusive, were not tested."""
    found = judgements[list(ACCOUNTS)].apply(lambda said: said.str.partition(": ")[2].value_counts())
    found = found.reindex([HELD, FAILED, INCONCLUSIVE, NOT_TESTED]).fillna(0).astype(int)
    return found.T.rename_axis("account").reset_index()


def order_in_real_student(verdicts: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Whether the small student's order (``ORDER``) holds for the recorded pretrained one on bAbI, at its main size.

    Returns:
        One row per training: ``condition``, ``small_student`` (the sign of its accuracy minus that without traces),
        ``value``, ``low``, ``high``, ``t_low``, ``t_high`` (the real student's, -1..1), ``n``, ``seeds``, ``holds``
        (yes, no, inconclusive, not tested).
    """
    babi = verdicts[verdicts.dataset == "babi"]
    part = babi[babi[SIZE] == main_sizes(babi)["babi"]]
    rows = []
    for condition, wanted in ORDER.items():
        found = difference(part, condition, "vanilla", rng, repeats)
        real = sign(found) if found else NOT_TESTED
        above = (real == "above zero") == (wanted == "above zero")
        holds = real if real in (INCONCLUSIVE, NOT_TESTED) else "yes" if above else "no"
        numbers = {name: found.get(name, np.nan) for name in (*ENDS, "n", "seeds")}
        rows.append({"condition": condition, "small_student": wanted, **numbers, "holds": holds})
    return pd.DataFrame(rows).astype({"n": "Int64", "seeds": "Int64"})
