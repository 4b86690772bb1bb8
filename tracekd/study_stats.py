"""Inference on the human study: descriptions, tests over all trace types, pairwise tests with effect sizes.

Every function takes one score a participant (and trace type), so that what is resampled and what is tested is the
participant, never a single answer. Intervals are percentile bootstraps; all draws come from the Generator passed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats as sps

from tracekd.resample import bootstrap
from tracekd.stats import holm
from tracekd.study import SCALES, matrix


def describe(scored: pd.DataFrame, rng: np.random.Generator, resamples: int = 2000) -> pd.DataFrame:
    """Describe each trace type on each scale.

    Args:
        scored: what ``study.scores`` gives.
        rng: source of the bootstrap draws; participants are drawn, with what they rated.
        resamples: number of draws.

    Returns:
        One row a scale and trace type: scale, trace_type, n (participants), mean, low, high, median, median_low,
        median_high, sd; all on the 1 to 5 scale, bounds at 95%.
    """
    rows = []
    for scale in SCALES:
        table = matrix(scored, scale)
        for kind in table.columns:
            values = table[kind].dropna().to_numpy()
            mean, median = (bootstrap(of, rng, values, repeats=resamples) for of in (np.mean, np.median))
            rows.append(
                {"scale": scale, "trace_type": kind, "n": len(values), "mean": mean["value"]}
                | {"low": mean["low"], "high": mean["high"]}
                | {"median": median["value"], "median_low": median["low"], "median_high": median["high"]}
                | {"sd": values.std(ddof=1) if len(values) > 1 else np.nan}
            )
    return pd.DataFrame(rows)


def friedman(table: pd.DataFrame) -> dict[str, float]:
    """Friedman's test over the trace types of a within design.

    Args:
        table: participants x trace types, from ``study.matrix``; participants with a gap are left out.

    Returns:
        test, n (participants), statistic (chi-squared), df, p, effect (Kendall's W =
        chi-squared / (n (k - 1)), 0 to 1).

    Raises:
        ValueError: fewer than 3 trace types or 2 complete participants.
    """
    whole = table.dropna().round(9)  # means of items carry rounding noise that would break ties
    if whole.shape[1] < 3 or len(whole) < 2:
        raise ValueError(
            f"Friedman needs 3 trace types and 2 complete participants, not {whole.shape[1]} and {len(whole)}"
        )
    ranks_differ = bool((whole.nunique(axis=1) > 1).any())
    statistic, p = sps.friedmanchisquare(*whole.to_numpy().T) if ranks_differ else (0.0, 1.0)
    df = whole.shape[1] - 1
    return {"test": "Friedman", "n": len(whole), "statistic": float(statistic), "df": df, "p": float(p)} | {
        "effect": float(statistic) / (len(whole) * df)
    }


def kruskal(table: pd.DataFrame) -> dict[str, float]:
    """Kruskal and Wallis's test over the trace types of a between design.

    Returns:
        As ``friedman``; effect is epsilon squared = H / (n - 1), 0 to 1 (Tomczak and Tomczak, 2014).
    """
    groups = [table[kind].dropna().round(9).to_numpy() for kind in table.columns]
    total = sum(map(len, groups))
    differ = len(np.unique(np.concatenate(groups))) > 1
    statistic, p = sps.kruskal(*groups) if differ else (0.0, 1.0)
    return {
        "test": "Kruskal-Wallis",
        "n": total,
        "statistic": float(statistic),
        "df": len(groups) - 1,
        "p": float(p),
    } | {"effect": float(statistic) / (total - 1)}


def rank_biserial(differences: np.ndarray) -> np.ndarray:
    """Matched-pairs rank-biserial correlation (Kerby, 2014): (W+ - W-) / (W+ + W-), differences of 0 left out.

    Args:
        differences: paired differences along the last axis; earlier axes are independent samples.

    Returns:
        -1 to 1 for each sample; 0 where all differences are 0.
    """
    d = np.round(np.asarray(differences, float), 9)
    # Zeros take the lowest ranks; less their number, the others are ranked as if the zeros were not there.
    ranks = sps.rankdata(np.abs(d), axis=-1) - (d == 0).sum(axis=-1, keepdims=True)
    signed = (np.sign(d) * ranks).sum(axis=-1)
    whole = (np.where(d == 0, 0, ranks)).sum(axis=-1)
    return np.divide(signed, whole, out=np.zeros_like(signed), where=whole > 0)


def cliffs_delta(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Cliff's delta (1993): share of pairs with x above y, less the share with x below y; -1 to 1.

    Args:
        x: one sample along the last axis; earlier axes are independent samples.
        y: the other one, with the same earlier axes.
    """
    n, m = np.shape(x)[-1], np.shape(y)[-1]
    ranks = sps.rankdata(np.round(np.concatenate([x, y], axis=-1), 9), axis=-1)
    u = ranks[..., :n].sum(axis=-1) - n * (n + 1) / 2
    return 2 * u / (n * m) - 1


def wilcoxon_pairs(table: pd.DataFrame, rng: np.random.Generator, resamples: int = 2000) -> pd.DataFrame:
    """Wilcoxon's signed-rank test for each pair of trace types of a within design, Holm-corrected.

    Returns:
        One row a pair: first, second, n (participants who rated both), difference (mean of first - second, points),
        statistic, p, p_holm, effect (rank-biserial, above 0 where first is rated higher), low, high (95%).
    """
    rows = []
    for first, second in combinations(table.columns, 2):
        both = table[[first, second]].dropna()
        d = np.round((both[first] - both[second]).to_numpy(), 9)
        test = sps.wilcoxon(d) if d.any() else None
        rows.append(
            _pair(first, second, len(d), d.mean())
            | {"statistic": float(test.statistic) if test else 0.0, "p": float(test.pvalue) if test else 1.0}
            | _effect(bootstrap(rank_biserial, rng, d, repeats=resamples))
        )
    return _holm(rows)


def dunn_pairs(table: pd.DataFrame, rng: np.random.Generator, resamples: int = 2000) -> pd.DataFrame:
    """Dunn's test after Kruskal-Wallis for each pair of a between design, with Holm.

    Returns:
        As ``wilcoxon_pairs``; n is the two groups' participants together, statistic is z, effect is Cliff's delta.
    """
    groups = {kind: table[kind].dropna().round(9).to_numpy() for kind in table.columns}
    rows = []
    for (first, second), z in dunn_z(groups).items():
        x, y = groups[first], groups[second]
        rows.append(
            _pair(first, second, len(x) + len(y), x.mean() - y.mean())
            | {"statistic": z, "p": float(2 * sps.norm.sf(abs(z)))}
            | _effect(bootstrap(cliffs_delta, rng, x, y, repeats=resamples))
        )
    return _holm(rows)


def dunn_z(groups: Mapping[str, np.ndarray]) -> dict[tuple[str, str], float]:
    """The statistic of Dunn's test (1964) for each pair of groups, corrected for ties; normal under no difference.

    z = (mean rank i - mean rank j) / sqrt((N(N+1)/12 - sum(t^3 - t) / (12 (N-1))) (1/n_i + 1/n_j)), with t the sizes
    of the ties.
    """
    joined = np.concatenate(list(groups.values()))
    total, ends = len(joined), np.cumsum([len(group) for group in groups.values()])[:-1]
    ranks = dict(zip(groups, np.split(sps.rankdata(joined), ends), strict=True))
    ties = np.unique(joined, return_counts=True)[1].astype(float)
    variance = total * (total + 1) / 12 - (ties**3 - ties).sum() / (12 * (total - 1))
    found = {}
    for first, second in combinations(groups, 2):
        spread = np.sqrt(variance * (1 / len(groups[first]) + 1 / len(groups[second])))
        found[first, second] = float((ranks[first].mean() - ranks[second].mean()) / spread) if spread > 0 else 0.0
    return found


def compare(
    scored: pd.DataFrame, design: str, rng: np.random.Generator, resamples: int = 2000
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All tests of a design on both scales.

    Args:
        scored: what ``study.scores`` gives.
        design: ``within`` (Friedman, Wilcoxon) or ``between`` (Kruskal-Wallis, Dunn).
        rng: source of the bootstrap draws.
        resamples: draws for each interval.

    Returns:
        The tests over all trace types (one row a scale) and the pairs (one row a scale and pair).

    Raises:
        ValueError: an unknown design.
    """
    if design not in ("within", "between"):
        raise ValueError(f"design {design!r} is unknown: within or between")
    whole, pairs = (friedman, wilcoxon_pairs) if design == "within" else (kruskal, dunn_pairs)
    tests, tables = [], []
    for scale in SCALES:
        table = matrix(scored, scale)
        tests.append({"scale": scale} | whole(table))
        tables.append(pairs(table, rng, resamples).assign(scale=scale))
    frame = pd.concat(tables, ignore_index=True)
    return pd.DataFrame(tests), frame[["scale", *frame.columns.drop("scale")]]


def _pair(first: str, second: str, n: int, difference: float) -> dict:
    return {"first": first, "second": second, "n": n, "difference": float(difference)}


def _effect(found: dict[str, float]) -> dict[str, float]:
    return {"effect": found["value"], "low": found["low"], "high": found["high"]}


def _holm(rows: list[dict]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame["p_holm"] = holm(frame["p"])
    order = ["first", "second", "n", "difference", "statistic", "p", "p_holm", "effect", "low", "high"]
    return frame[order]
