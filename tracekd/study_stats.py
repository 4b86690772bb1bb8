"""Tests of the human study: means, tests over all trace types, pairwise tests with effect sizes.

What is resampled and tested is the participant, never a single answer. All draws come from the Generator passed in.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scikit_posthocs import posthoc_dunn
from scipy import stats as sps

from tracekd.resample import bootstrap
from tracekd.stats import holm
from tracekd.study import SCALES, design, matrix, scores, without_careless

DECIMALS = 9  # means of items carry rounding noise that would break ties


def describe(scored: pd.DataFrame, rng: np.random.Generator, resamples: int = 2000) -> pd.DataFrame:
    """Describe the scores (``study.scores``) of each trace type on each scale.

    Returns:
        scale, trace_type, n (participants), mean, low, high, median, median_low, median_high, sd; on the 1 to 5 scale,
        with 95% bootstrap bounds over participants.
    """
    rows = []
    for scale in SCALES:
        for kind, column in matrix(scored, scale).items():
            values = column.dropna().to_numpy()
            mean, median = (bootstrap(of, rng, values, repeats=resamples) for of in (np.mean, np.median))
            ends = (mean["value"], mean["low"], mean["high"], median["value"], median["low"], median["high"])
            rows.append((scale, kind, len(values), *ends, column.std()))
    bounds = ["mean", "low", "high", "median", "median_low", "median_high", "sd"]
    return pd.DataFrame(rows, columns=["scale", "trace_type", "n", *bounds])


def friedman(table: pd.DataFrame) -> dict[str, float]:
    """Friedman's test of a within design: participants x trace types, those with a gap left out.

    Returns:
        test, n (participants), statistic (chi-squared), df, p, effect (Kendall's W = chi-squared / (n (k - 1))).

    Raises:
        ValueError: fewer than 3 trace types or 2 complete participants.
    """
    whole = table.dropna().round(DECIMALS)
    n, df = len(whole), whole.shape[1] - 1
    if df < 2 or n < 2:
        raise ValueError(f"Friedman needs 3 trace types and 2 complete participants, not {df + 1} and {n}")
    differ = whole.nunique(axis=1).max() > 1
    statistic, p = map(float, sps.friedmanchisquare(*whole.to_numpy().T) if differ else (0, 1))
    return {"test": "Friedman", "n": n, "statistic": statistic, "df": df, "p": p, "effect": statistic / (n * df)}


def kruskal(table: pd.DataFrame) -> dict[str, float]:
    """Kruskal and Wallis's test of a between design; effect is epsilon squared = H / (n - 1)."""
    groups = [table[kind].dropna().round(DECIMALS) for kind in table.columns]
    n, differ = sum(map(len, groups)), pd.concat(groups).nunique() > 1
    statistic, p = map(float, sps.kruskal(*groups) if differ else (0, 1))
    found = {"test": "Kruskal-Wallis", "n": n, "statistic": statistic, "df": len(groups) - 1, "p": p}
    return found | {"effect": statistic / (n - 1)}


def rank_biserial(differences: np.ndarray) -> float:
    """Matched-pairs rank-biserial correlation (Kerby, 2014): (W+ - W-) / (W+ + W-), differences of 0 left out."""
    d = np.round(np.asarray(differences, float), DECIMALS)
    d = d[d != 0]
    ranks = sps.rankdata(np.abs(d))
    return float((np.sign(d) * ranks).sum() / ranks.sum()) if len(d) else 0.0


def cliffs_delta(x: np.ndarray, y: np.ndarray) -> float:
    """Cliff's delta (1993): share of pairs with x above y, minus the share with x below y."""
    ranks = sps.rankdata(np.round(np.concatenate([x, y]), DECIMALS))
    u = ranks[: len(x)].sum() - len(x) * (len(x) + 1) / 2
    return float(2 * u / (len(x) * len(y)) - 1)


def wilcoxon_p(table: pd.DataFrame, first: str, second: str) -> float:
    """P of Wilcoxon's signed-rank test of two trace types; 1 where nobody rated them differently."""
    d = (table[first] - table[second]).dropna().round(DECIMALS)
    return float(sps.wilcoxon(d).pvalue) if d.any() else 1.0


def dunn_p(table: pd.DataFrame, first: str, second: str) -> float:
    """P of Dunn's test (1964) of two trace types, ranked among all; 1 where all scores are alike."""
    long = table.round(DECIMALS).melt(var_name="kind", value_name="score").dropna()
    return float(posthoc_dunn(long, "score", "kind").loc[first, second]) if long["score"].nunique() > 1 else 1.0


# The test over all trace types and that of a pair, uncorrected.
TESTS = {"within": (friedman, wilcoxon_p), "between": (kruskal, dunn_p)}


def pairs(table: pd.DataFrame, kind: str, rng: np.random.Generator | None = None, resamples: int = 2000):
    """Each pair of trace types by the test of the design ``kind``, with Holm's correction.

    Returns:
        first, second, n (participants who rated both; between: either), difference (of means, points), p, p_holm,
        effect (above 0 where first is rated higher: rank-biserial within, Cliff's delta between); with ``rng`` also
        low, high (95%, bootstrap over participants).
    """
    rows = []
    for first, second in combinations(table.columns, 2):
        if kind == "within":
            samples, effect = [(table[first] - table[second]).dropna().round(DECIMALS)], rank_biserial
            difference = samples[0].mean()
        else:
            samples, effect = [table[name].dropna().round(DECIMALS) for name in (first, second)], cliffs_delta
            difference = samples[0].mean() - samples[1].mean()
        row = {"first": first, "second": second, "n": sum(map(len, samples)), "difference": difference}
        row |= {"p": TESTS[kind][1](table, first, second), "p_holm": np.nan, "effect": effect(*samples)}
        found = bootstrap(effect, rng, *samples, repeats=resamples) if rng else {}
        rows.append(row | {name: found[name] for name in ("low", "high") if rng})
    frame = pd.DataFrame(rows)
    return frame.assign(p_holm=holm(frame["p"]))


def compare(
    ratings: pd.DataFrame, rng: np.random.Generator, resamples: int = 2000
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All tests on both scales, with all participants and without those flagged as careless.

    Returns:
        The tests over all trace types (one row per scale), and ``pairs`` with intervals (one row per scale and pair);
        beside them n_careful, effect_careful, p_holm_careful without the careless, and same_verdict: whether both
        effects have the same sign and are on the same side of p 0.05.
    """
    tests, tables, kind = [], [], design(ratings)
    everyone, careful = scores(ratings), scores(without_careless(ratings))
    for scale in SCALES:
        table = matrix(everyone, scale)
        tests.append({"scale": scale} | TESTS[kind][0](table))
        found, less = pairs(table, kind, rng, resamples), pairs(matrix(careful, scale), kind)
        found = found.merge(less[["first", "second", "n", "effect", "p_holm"]], on=["first", "second"], how="left",
                            suffixes=("", "_careful"))  # fmt: skip
        side = (found["p_holm"] < 0.05) == (found["p_holm_careful"] < 0.05)
        found["same_verdict"] = side & (np.sign(found["effect"]) == np.sign(found["effect_careful"]))
        tables.append(found.assign(scale=scale))
    frame = pd.concat(tables, ignore_index=True)
    return pd.DataFrame(tests), frame[["scale", *frame.columns.drop("scale")]]
