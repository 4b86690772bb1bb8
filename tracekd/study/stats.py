"""Statistics of the human study: means, tests and pairwise effects.

What is resampled and tested is the participant, never a single answer. All draws come from the Generator passed in.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats as sps

from tracekd.stats.bootstrap import bootstrap
from tracekd.stats.intervals import holm
from tracekd.study.ratings import SCALES, careless, scores

DECIMALS = 9  # means of items carry rounding noise that would break ties


def describe(ratings: pd.DataFrame, rng: np.random.Generator, resamples: int = 2000) -> pd.DataFrame:
    """The participants' scores of each trace type on each scale (1 to 5), 95% bootstrap bounds over participants.

    Columns: scale, trace_type, n (participants), mean, low, high, median, median_low, median_high, sd.
    """
    rows = []
    for scale in SCALES:
        for kind, column in scores(ratings, scale).items():
            mean, median = (bootstrap(of, rng, column.to_numpy(), repeats=resamples) for of in (np.mean, np.median))
            rows.append((scale, kind, len(column), *mean.values(), *median.values(), column.std()))
    bounds = ["mean", "low", "high", "median", "median_low", "median_high", "sd"]
    return pd.DataFrame(rows, columns=["scale", "trace_type", "n", *bounds])


def friedman(table: pd.DataFrame) -> dict[str, float]:
    """Friedman's test of participants x trace types: n (participants; ValueError below 2), statistic, df, p."""
    if len(table) < 2:
        raise ValueError(f"Friedman's test needs 2 complete participants, not {len(table)}")
    columns = table.to_numpy().round(DECIMALS).T
    statistic, p = map(float, sps.friedmanchisquare(*columns) if np.ptp(columns, axis=0).any() else (0, 1))
    return {"n": len(table), "statistic": statistic, "df": table.shape[1] - 1, "p": p}


def rank_biserial(differences: np.ndarray) -> float:
    """Matched-pairs rank-biserial correlation (Kerby, 2014): (W+ - W-) / (W+ + W-), differences of 0 left out."""
    d = np.round(np.asarray(differences, float), DECIMALS)
    d = d[d != 0]
    ranks = sps.rankdata(np.abs(d))
    return float((np.sign(d) * ranks).sum() / ranks.sum()) if len(d) else 0.0


def wilcoxon_p(differences: np.ndarray) -> float:
    """P of Wilcoxon's signed-rank test; 1 where nobody rated the two trace types differently."""
    return float(sps.wilcoxon(differences).pvalue) if differences.any() else 1.0


def pairs(table: pd.DataFrame, rng: np.random.Generator | None = None, resamples: int = 2000) -> pd.DataFrame:
    """Each pair of trace types, first and second, by Wilcoxon's signed-rank test, with Holm's correction.

    Columns: first, second, n (participants), difference (of means, points), p, p_holm, effect (rank-biserial; above 0
    where first is rated higher); with ``rng`` also low, high (95%, bootstrap over participants).
    """
    rows, columns = [], ["first", "second", "n", "difference", "p", "p_holm", "effect", "low", "high"]
    for first, second in combinations(table.columns, 2):
        d = (table[first] - table[second]).round(DECIMALS)
        found = bootstrap(rank_biserial, rng, d, repeats=resamples).values() if rng else [rank_biserial(d)]
        rows.append((first, second, len(d), d.mean(), wilcoxon_p(d), np.nan, *found))
    frame = pd.DataFrame(rows, columns=columns[: len(rows[0])])
    return frame.assign(p_holm=holm(frame["p"]))


def compare(
    ratings: pd.DataFrame, rng: np.random.Generator, resamples: int = 2000
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Friedman's tests of both scales, and ``pairs`` with intervals by scale.

    Beside the pairs: n_careful, effect_careful, p_holm_careful without those flagged as careless, and same_verdict:
    whether both effects have the same sign and are on the same side of p 0.05.
    """
    flags, tests, tables = careless(ratings), [], []
    careful = ratings[~ratings["participant"].isin(flags.index[flags])]
    for scale in SCALES:
        table = scores(ratings, scale)
        tests.append({"scale": scale} | friedman(table))
        fewer = pairs(scores(careful, scale))[["first", "second", "n", "effect", "p_holm"]]
        found = pairs(table, rng, resamples).merge(fewer, on=["first", "second"], suffixes=("", "_careful"))
        side = (found["p_holm"] < 0.05) == (found["p_holm_careful"] < 0.05)
        found["same_verdict"] = side & (np.sign(found["effect"]) == np.sign(found["effect_careful"]))
        found.insert(0, "scale", scale)
        tables.append(found)
    return pd.DataFrame(tests), pd.concat(tables, ignore_index=True)
