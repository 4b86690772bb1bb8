"""Models of the single answers, how far items and participants agree, and rank correlation over trace types."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats as sps

from tracekd.resample import bootstrap
from tracekd.study import SCALES, TRACE_TYPES, answers, matrix, published, scores


def models(ratings: pd.DataFrame, reference: str = "correct") -> pd.DataFrame:
    """Two models of the single answers to each scale: how the other trace types differ from ``reference``.

    ``ordinal GEE``: proportional odds by generalised estimating equations with participants as clusters and robust
    standard errors (Heagerty and Zeger, 1996); estimates are log odds of a higher rating. ``linear mixed``: estimates
    in points, with a random intercept per participant, and one per participant and trace type where participants rated
    several.

    Returns:
        scale, model, trace_type, reference, answers, participants, estimate, low, high (95%), p; missing where the
        ordinal model cannot be fitted.

    Raises:
        ValueError: the reference was not rated.
    """
    tables = []
    for scale in SCALES:
        rows = answers(ratings).query("scale == @scale").sort_values("participant", kind="stable", ignore_index=True)
        kinds = [kind for kind in TRACE_TYPES if rows["trace_type"].eq(kind).any()]
        if reference not in kinds:
            raise ValueError(f"reference {reference!r} was not rated; rated were {', '.join(kinds)}")
        x = pd.DataFrame({k: rows["trace_type"].eq(k).astype(float) for k in kinds if k != reference})
        about = {"answers": len(rows), "participants": rows["participant"].nunique()}
        for model, fit in (("ordinal GEE", _ordinal), ("linear mixed", _mixed)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimate, error = (np.asarray(found, float) for found in fit(rows, x))
            half, p = sps.norm.ppf(0.975) * error, 2 * sps.norm.sf(np.abs(estimate / error))
            table = pd.DataFrame(
                {"scale": scale, "model": model, "trace_type": x.columns, "reference": reference} | about
            )
            tables.append(table.assign(estimate=estimate, low=estimate - half, high=estimate + half, p=p))
    return pd.concat(tables, ignore_index=True)


def _ordinal(rows: pd.DataFrame, x: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    groups = rows["participant"].astype("category").cat.codes.to_numpy()
    try:
        fit = sm.OrdinalGEE(rows["rating"].to_numpy(float), x.to_numpy(), groups=groups).fit(maxiter=100)
        estimate, variance = np.asarray(fit.params)[-x.shape[1] :], np.diag(fit.cov_params())[-x.shape[1] :]
    except (ValueError, np.linalg.LinAlgError):
        estimate = variance = np.full(x.shape[1], np.nan)
    # Beyond e^12 to 1 is separation: one trace type has a single rating throughout.
    return np.where(np.abs(estimate) < 12, estimate, np.nan), np.sqrt(variance)


def _mixed(rows: pd.DataFrame, x: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    # An answer shares more with the participant's other answers on the same trace than with those on other traces.
    several = rows.groupby("participant")["trace_type"].nunique().max() > 1
    parts = {"re_formula": "1", "vc_formula": {"trace_type": "0 + C(trace_type)"}} if several else {}
    formula = "rating ~ " + " + ".join(x.columns)
    fit = smf.mixedlm(formula, rows.join(x), groups=rows["participant"], **parts).fit(reml=True)
    return fit.params[x.columns], fit.bse[x.columns]


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


def icc(table: np.ndarray) -> dict[str, float]:
    """Agreement of raters by Shrout and Fleiss (1979), from targets x raters (here trace types x participants).

    Returns:
        icc_2_1 (of one rater, raters random), icc_2_k (of the mean of all); missing where nothing varies.
    """
    table = np.asarray(table, float)
    n, k = table.shape
    grand = table.mean()
    rows = k * ((table.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((table.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    residual = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + grand
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    if rows + error == 0:
        return {"icc_2_1": np.nan, "icc_2_k": np.nan}
    single = (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)
    return {"icc_2_1": float(single), "icc_2_k": float((rows - error) / (rows + (columns - error) / n))}


def reliability(ratings: pd.DataFrame, rng: np.random.Generator, resamples: int = 500) -> pd.DataFrame:
    """Cronbach's alpha of each scale for each trace type, and the participants' agreement on the trace types.

    Returns:
        scale, measure (``alpha``, ``icc_2_1``, ``icc_2_k``), trace_type ("all" for the ICCs, which need a within
        design), n (participants), value, low, high (95%, bootstrap over participants).
    """
    rows = []
    for scale in SCALES:
        some = answers(ratings).query("scale == @scale")
        for kind in (k for k in TRACE_TYPES if some["trace_type"].eq(k).any()):
            one = some[some["trace_type"] == kind]
            items = one.pivot_table(index="participant", columns="item", values="rating").dropna().to_numpy()
            found = bootstrap(cronbach_alpha, rng, items, repeats=resamples)
            rows.append({"scale": scale, "measure": "alpha", "trace_type": kind, "n": len(items)} | found)
        table = matrix(scores(ratings), scale).dropna().to_numpy()
        if len(table) > 1:
            for name in ("icc_2_1", "icc_2_k"):
                found = bootstrap(lambda rows, name=name: icc(rows.T)[name], rng, table, repeats=resamples)
                rows.append({"scale": scale, "measure": name, "trace_type": "all", "n": len(table)} | found)
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
    """Mean interpretability (``study_stats.describe``) against the published accuracy of each student.

    Returns:
        student, and the columns of ``rank_correlation``.
    """
    rated = described[described["scale"] == "interpretability"].set_index("trace_type")["mean"]
    accuracy = published().loc["accuracy"]
    return pd.DataFrame({"student": name} | rank_correlation(rated, row) for name, row in accuracy.iterrows())
