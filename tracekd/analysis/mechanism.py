"""The from-scratch student's record: accuracies with seeds as the unit, and four accounts against what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tracekd.analysis.narrative import INCONCLUSIVE, NOT_TESTED
from tracekd.analysis.recorded import FOLDER
from tracekd.grid.mechanism import FILE
from tracekd.interventions.from_scratch_training import VARIANTS
from tracekd.stats.bootstrap import bootstrap

LEARNED = 0.9  # share of right answers from which a seed counts as one that learned
FEWEST = 5  # seeds: under these nothing is tested
HELD, FAILED = "held", "did not hold"
# What each account says of K = 5: (trained on, forced trace) to whether the answers are right or no better than chance.
ACCOUNTS = {
    "trace is the reasoning": {
        ("none", "own"): False, ("right", "own"): True, ("one_wrong", "own"): False, ("all_wrong", "own"): False,
        ("any", "own"): False, ("foreign", "own"): False,
    },
    "trace is copied": {
        ("right", "own"): True, ("one_wrong", "own"): False, ("any", "own"): False, ("right", "gold"): True,
        ("right", "wrong_facts"): False, ("one_wrong", "gold"): True, ("one_wrong", "wrong_facts"): False,
        ("any", "gold"): True, ("any", "wrong_facts"): False,
    },
    "trace trains retrieval": {
        ("none", "own"): False, ("right", "own"): True, ("one_wrong", "own"): True, ("all_wrong", "own"): True,
        ("any", "own"): True, ("foreign", "own"): False, ("filler", "own"): False,
        ("one_wrong", "wrong_facts"): True, ("any", "wrong_facts"): True,
    },
    "exclusion": {
        ("one_wrong", "own"): False, ("all_wrong", "own"): True, ("all_wrong", "gold"): False,
        ("all_wrong", "all_wrong"): True, ("any", "own"): False,
    },
}  # fmt: skip


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


def levels(final: pd.DataFrame, rng: np.random.Generator, repeats: int = 2000) -> pd.DataFrame:
    """Mean accuracy over seeds with its 95% bootstrap interval over seeds (NaN with one).

    Args:
        final: of ``last``.
        rng: the only source of chance.
        repeats: resamples.

    Returns:
        One row per ``smeared``, ``facts``, ``kind``, ``steps`` and ``variant``: ``value``, ``low``, ``high`` (0..1),
        ``seeds``, ``learned`` (seeds with at least 90% right answers), ``n`` (problems per seed).
    """
    rows = []
    keys = ["smeared", "facts", "kind", "steps", "variant"]
    for name, part in final.groupby(keys, sort=False):
        found = bootstrap(np.mean, rng, part.share.to_numpy(), repeats=repeats)
        if len(part) < 2:
            found |= {"low": np.nan, "high": np.nan}
        about = dict(zip(keys, name, strict=True))
        learned = int((part.share >= LEARNED).sum())
        rows.append({**about, **found, "seeds": len(part), "learned": learned, "n": int(part.n.iloc[0])})
    return pd.DataFrame(rows)


def predictions() -> pd.DataFrame:
    """What each account predicts for K = 5, one row per (trained on, forced trace), one column per account."""
    words = {True: "right", False: "chance"}
    columns = {name: {cell: words[high] for cell, high in cells.items()} for name, cells in ACCOUNTS.items()}
    found = pd.DataFrame(columns).fillna("").rename_axis(["kind", "variant"]).reset_index()
    kinds = list(dict.fromkeys(kind for cells in ACCOUNTS.values() for kind, _ in cells))
    order = found.assign(a=found.kind.map(kinds.index), b=found.variant.map(VARIANTS.index)).sort_values(["a", "b"])
    return order.drop(columns=["a", "b"]).reset_index(drop=True)


def judged(measured: pd.DataFrame, smeared: bool, facts: int = 5) -> pd.DataFrame:
    """``predictions`` with what was measured on one student (plain or with smeared keys), and whether each held.

    A cell counts as right where its interval lies above the middle between chance (1/K) and 1, as chance where it
    lies below; across it is inconclusive; under ``FEWEST`` seeds nothing is tested. Of several lengths of training the
    shortest counts.
    """
    part = (
        measured[(measured.facts == facts) & (measured.smeared == smeared)]
        .sort_values("steps")
        .drop_duplicates(["kind", "variant"])
    )
    cells = part.set_index(["kind", "variant"])
    found = predictions()
    found["measured"] = [_words(cells, cell) for cell in zip(found.kind, found.variant, strict=True)]
    for name, wanted in ACCOUNTS.items():
        found[name] = [
            f"{said}: {_held(cells, cell, wanted[cell], facts)}" if said else ""
            for cell, said in zip(zip(found.kind, found.variant, strict=True), found[name], strict=True)
        ]
    return found


def _words(cells: pd.DataFrame, cell: tuple[str, str]) -> str:
    if cell not in cells.index:
        return NOT_TESTED
    row = cells.loc[cell]
    return f"{row.value:.2f}, {row.learned:.0f} of {row.seeds:.0f} seeds learned"


def _held(cells: pd.DataFrame, cell: tuple[str, str], high: bool, facts: int) -> str:
    if cell not in cells.index or cells.loc[cell].seeds < FEWEST:
        return NOT_TESTED
    row, middle = cells.loc[cell], (1 + 1 / facts) / 2
    if row.low <= middle <= row.high:
        return INCONCLUSIVE
    return HELD if (row.low > middle) == high else FAILED


def summary(judgements: pd.DataFrame) -> pd.DataFrame:
    """How many predictions of each account held, did not hold, were inconclusive, were not tested."""
    rows = []
    for name in ACCOUNTS:
        said = judgements[name][judgements[name] != ""].str.partition(": ")[2]
        rows.append({"account": name, **{word: int((said == word).sum()) for word in _WORDS}})
    return pd.DataFrame(rows)


_WORDS = (HELD, FAILED, INCONCLUSIVE, NOT_TESTED)
