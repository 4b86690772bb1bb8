"""Statistics of the human study: means, tests, pairwise effects, a model of single answers, alpha, rank correlation.

What is resampled and tested is the participant, never a single answer. All draws come from the Generator passed in.
"""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scikit_posthocs import posthoc_dunn
from scipy import stats as sps

from tracekd.stats.bootstrap import bootstrap
from tracekd.stats.intervals import holm
from tracekd.study.ratings import SCALES, TRACE_TYPES, answers, design, matrix, published, scores, without_careless

DECIMALS = 9  # means of items carry rounding noise that would break ties


def describe(scored: pd.DataFrame, rng: np.random.Generator, resamples: int = 2000) -> pd.DataFrame:
    """Describe the scores (``ratings.scores``) of each trace type on each scale.

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


def models(ratings: pd.DataFrame, reference: str = "correct") -> pd.DataFrame:
    """Proportional-odds model of the single answers to each scale, with participants as clusters.

    Generalised estimating equations with robust standard errors (Heagerty and Zeger, 1996; statsmodels ``OrdinalGEE``).

    Returns:
        scale, model, trace_type, reference, answers, participants, estimate (log odds of a higher rating than for the
        reference), low, high (95%), p; missing where the model cannot be fitted.

    Raises:
        ValueError: the reference was not rated.
    """
    tables = []
    for scale in SCALES:
        rows = answers(ratings).query("scale == @scale").sort_values("participant", kind="stable")
        kinds = [kind for kind in TRACE_TYPES if rows["trace_type"].eq(kind).any()]
        if reference not in kinds:
            raise ValueError(f"reference {reference!r} was not rated; rated were {', '.join(kinds)}")
        kinds.remove(reference)
        x = np.column_stack([rows["trace_type"].eq(kind) for kind in kinds]).astype(float)
        groups = rows["participant"].astype("category").cat.codes.to_numpy()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fit = sm.OrdinalGEE(rows["rating"].to_numpy(float), x, groups=groups).fit(maxiter=100)
            estimate, error = (v[-len(kinds) :] for v in (fit.params, np.sqrt(np.diag(fit.cov_params()))))
        except (ValueError, np.linalg.LinAlgError):
            estimate = error = np.full(len(kinds), np.nan)
        # Beyond e^12 to 1 is separation: one trace type has a single rating throughout.
        estimate = np.where(np.abs(estimate) < 12, estimate, np.nan)
        half, p = sps.norm.ppf(0.975) * error, 2 * sps.norm.sf(np.abs(estimate / error))
        about = {"scale": scale, "model": "ordinal GEE", "trace_type": kinds, "reference": reference}
        about |= {"answers": len(rows), "participants": rows["participant"].nunique()}
        found = {"estimate": estimate, "low": estimate - half, "high": estimate + half, "p": p}
        tables.append(pd.DataFrame(about | found))
    return pd.concat(tables, ignore_index=True)


def cronbach_alpha(items: np.ndarray) -> float:
    """Cronbach's alpha (1951) of participants x items: k / (k - 1) (1 - sum of item variances / variance of the sum).

    Returns:
        At most 1; missing where the sums do not vary.

    Raises:
        ValueError: fewer than two items.
    """
    items = np.asarray(items, float)
    k = items.shape[1]
    if k < 2:
        raise ValueError(f"Cronbach's alpha needs at least 2 items, not {k}")
    whole = items.sum(axis=1).var(ddof=1)
    return float(k / (k - 1) * (1 - items.var(axis=0, ddof=1).sum() / whole)) if whole > 0 else np.nan


def reliability(ratings: pd.DataFrame, rng: np.random.Generator, resamples: int = 500) -> pd.DataFrame:
    """Cronbach's alpha of each scale for each trace type.

    Returns:
        scale, trace_type, n (participants), value, low, high (95%, bootstrap over participants).
    """
    rows = []
    for scale in SCALES:
        for kind in TRACE_TYPES:
            one = answers(ratings).query("scale == @scale and trace_type == @kind")
            items = one.pivot_table(index="participant", columns="item", values="rating").dropna().to_numpy()
            if len(items):
                found = bootstrap(cronbach_alpha, rng, items, repeats=resamples)
                rows.append({"scale": scale, "trace_type": kind, "n": len(items)} | found)
    return pd.DataFrame(rows)


def rank_correlation(x: pd.Series, y: pd.Series) -> dict[str, float]:
    """Spearman's rank correlation over trace types, with its exact permutation test.

    Four trace types have 24 orders: no two-sided p below 2/24 = 0.083 can come out, whatever the data.

    Returns:
        n (trace types with both numbers), rho, p (share of all orders with at least that |rho|), smallest_p (the least
        that n allows); missing below three trace types.
    """
    both = pd.DataFrame({"x": x, "y": y}).dropna()
    if len(both) < 3:
        return {"n": len(both), "rho": np.nan, "p": np.nan, "smallest_p": np.nan}
    result = sps.permutation_test(
        (both["x"].to_numpy(),), lambda a: sps.spearmanr(a, both["y"]).statistic, permutation_type="pairings",
        n_resamples=np.inf,
    )  # fmt: skip
    reached, rho = np.abs(result.null_distribution), float(result.statistic)
    p, smallest = (float((reached >= level - 1e-9).mean()) for level in (abs(rho), reached.max()))
    return {"n": len(both), "rho": rho, "p": p, "smallest_p": smallest}


def against_accuracy(described: pd.DataFrame) -> pd.DataFrame:
    """Mean interpretability (``stats.describe``) against the published accuracy of each student.

    Returns:
        student, and the columns of ``rank_correlation``.
    """
    rated = described[described["scale"] == "interpretability"].set_index("trace_type")["mean"]
    accuracy = published().loc["accuracy"]
    return pd.DataFrame({"student": name} | rank_correlation(rated, row) for name, row in accuracy.iterrows())
