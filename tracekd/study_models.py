"""Models of the single answers, how far items and participants agree, and rank correlation over trace types."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats as sps

from tracekd.resample import bootstrap
from tracekd.study import SCALES, TRACE_TYPES, is_check, matrix, scale_of, scores


def answers(ratings: pd.DataFrame, scale: str) -> pd.DataFrame:
    """The single answers to one scale's items, without attention checks, sorted by participant."""
    rows = ratings[~is_check(ratings["item"])]
    return rows[rows["item"].map(scale_of()) == scale].sort_values("participant", kind="stable").reset_index(drop=True)


def ordinal(ratings: pd.DataFrame, scale: str, reference: str = "correct") -> pd.DataFrame:
    """Proportional-odds model of the single answers with participants as clusters.

    Generalised estimating equations on the cumulative logits (Heagerty and Zeger, 1996; statsmodels ``OrdinalGEE``),
    independence as the working covariance, so that the robust standard errors carry the clustering.

    Args:
        ratings: the long format.
        scale: one of ``SCALES``.
        reference: trace type that the others are compared with.

    Returns:
        One row a trace type but the reference: scale, model, trace_type, reference, answers, participants, estimate
        (log odds of a higher rating), low, high (95%), p. Estimates are missing where the model cannot be fitted.
    """
    rows = answers(ratings, scale)
    x = _indicators(rows, reference)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            groups = rows["participant"].astype("category").cat.codes.to_numpy()
            model = sm.OrdinalGEE(rows["rating"].to_numpy(float), x.to_numpy(float), groups=groups)
            fit = model.fit(maxiter=100)
        k = x.shape[1]
        estimate, error = np.asarray(fit.params)[-k:], np.sqrt(np.diag(fit.cov_params()))[-k:]
    except (ValueError, np.linalg.LinAlgError):
        estimate = error = np.full(x.shape[1], np.nan)
    # An estimate beyond e^12 to 1 means separation: one trace type has a single rating throughout.
    estimate, error = np.where(np.abs(estimate) < 12, estimate, np.nan), np.where(np.abs(estimate) < 12, error, np.nan)
    return _rows(scale, "ordinal GEE", rows, x.columns, reference, estimate, error)


def mixed(ratings: pd.DataFrame, scale: str, reference: str = "correct") -> pd.DataFrame:
    """Linear mixed model of the single answers: the sensitivity row.

    One random intercept a participant, and one a participant and trace type where participants rated several: a
    rating's items on one trace share more than their rater.

    Returns:
        As ``ordinal``; the estimate is in points of the 1 to 5 scale.
    """
    rows = answers(ratings, scale)
    x = _indicators(rows, reference)
    frame = rows[["rating", "participant", "trace_type"]].join(x)
    several = frame.groupby("participant").trace_type.nunique().max() > 1
    parts = {"re_formula": "1", "vc_formula": {"trace_type": "0 + C(trace_type)"}} if several else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("rating ~ " + " + ".join(x.columns), frame, groups=frame["participant"], **parts)
        fit = model.fit(reml=True)
    return _rows(scale, "linear mixed", rows, x.columns, reference, fit.params[x.columns], fit.bse[x.columns])


def models(ratings: pd.DataFrame, reference: str = "correct") -> pd.DataFrame:
    """Both models on both scales, one below the other."""
    return pd.concat([fit(ratings, s, reference) for s in SCALES for fit in (ordinal, mixed)], ignore_index=True)


def _indicators(rows: pd.DataFrame, reference: str) -> pd.DataFrame:
    present = [kind for kind in TRACE_TYPES if (rows["trace_type"] == kind).any()]
    if reference not in present:
        raise ValueError(f"reference {reference!r} was not rated; rated were {', '.join(present)}")
    return pd.DataFrame({kind: (rows["trace_type"] == kind).astype(float) for kind in present if kind != reference})


def _rows(scale, model, rows, kinds, reference, estimate, error) -> pd.DataFrame:
    estimate, error = np.asarray(estimate, float), np.asarray(error, float)
    half = sps.norm.ppf(0.975) * error
    return pd.DataFrame(
        {"scale": scale, "model": model, "trace_type": list(kinds), "reference": reference, "answers": len(rows)}
        | {"participants": rows["participant"].nunique(), "estimate": estimate}
        | {"low": estimate - half, "high": estimate + half, "p": 2 * sps.norm.sf(np.abs(estimate / error))}
    )


def cronbach_alpha(items: np.ndarray) -> float:
    """Cronbach's alpha (1951): k / (k - 1) (1 - sum of item variances / variance of the sum).

    Args:
        items: participants x items, no gaps.

    Returns:
        At most 1; missing where the sums do not vary.

    Raises:
        ValueError: fewer than two items.
    """
    items = np.asarray(items, float)
    k = items.shape[-1]
    if k < 2:
        raise ValueError(f"alpha needs at least 2 items, not {k}")
    whole = items.sum(axis=-1).var(ddof=1)
    return float(k / (k - 1) * (1 - items.var(axis=-2, ddof=1).sum() / whole)) if whole > 0 else np.nan


def icc(table: np.ndarray) -> dict[str, float]:
    """Intraclass correlations of Shrout and Fleiss (1979) from the mean squares of a two-way table.

    Args:
        table: targets x raters (trace types x participants here), no gaps.

    Returns:
        icc_2_1 (agreement of one rater, raters random), icc_2_k (of the mean of all), icc_3_1, icc_3_k (consistency).
    """
    table = np.asarray(table, float)
    n, k = table.shape
    grand = table.mean()
    rows = k * ((table.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((table.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    residual = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + grand
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    if rows + error == 0:
        return dict.fromkeys(("icc_2_1", "icc_2_k", "icc_3_1", "icc_3_k"), np.nan)
    return {
        "icc_2_1": float((rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)),
        "icc_2_k": float((rows - error) / (rows + (columns - error) / n)),
        "icc_3_1": float((rows - error) / (rows + (k - 1) * error)),
        "icc_3_k": float((rows - error) / rows) if rows else np.nan,
    }


def reliability(ratings: pd.DataFrame, rng: np.random.Generator, resamples: int = 500) -> pd.DataFrame:
    """Cronbach's alpha of each scale for each trace type, and the participants' agreement on the trace types.

    Returns:
        One row a measure: scale, measure (``alpha``, ``icc_2_1``, ``icc_2_k``), trace_type ("all" for the ICCs),
        n (participants), value, low, high (95%, bootstrap over participants). ICCs need a within design.
    """
    rows = []
    for scale in SCALES:
        some = answers(ratings, scale)
        for kind in (k for k in TRACE_TYPES if (some["trace_type"] == k).any()):
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
    """Spearman's rank correlation of two numbers over the trace types, with its exact permutation test.

    With four trace types there are 24 orders, so that no two-sided p below 2/24 = 0.083 can come out: at this n the
    test cannot reject at 0.05 whatever the data.

    Args:
        x: one number a trace type (index: trace type); missing ones are left out.
        y: the same for the other quantity.

    Returns:
        n, rho (-1 to 1), p (share of all orders with at least that |rho|), smallest_p (the least that n allows),
        low_without_one, high_without_one (range of rho when one trace type is left out).
    """
    both = pd.DataFrame({"x": x, "y": y}).reindex([k for k in TRACE_TYPES if k in x.index]).dropna()
    n = len(both)
    if n < 3:
        return {"n": n, "rho": np.nan, "p": np.nan, "smallest_p": np.nan} | {
            "low_without_one": np.nan, "high_without_one": np.nan,
        }  # fmt: skip

    def spearman(a: pd.Series, b: pd.Series) -> float:
        return float(sps.spearmanr(a, b).statistic)

    result = sps.permutation_test(
        (both["x"].to_numpy(),), lambda a: sps.spearmanr(a, both["y"]).statistic, permutation_type="pairings",
        n_resamples=np.inf, alternative="two-sided",
    )  # fmt: skip
    reached = np.abs(result.null_distribution)
    rho = spearman(both["x"], both["y"])
    fewer = [spearman(both["x"].drop(kind), both["y"].drop(kind)) for kind in both.index]
    return {"n": n, "rho": rho, "p": float((reached >= abs(rho) - 1e-9).mean())} | {
        "smallest_p": float((reached >= reached.max() - 1e-9).mean()),
        "low_without_one": min(fewer), "high_without_one": max(fewer),
    }  # fmt: skip
