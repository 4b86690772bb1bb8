"""A model of the single answers, how far items agree, and rank correlation over trace types."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats as sps

from tracekd.resample import bootstrap
from tracekd.study import SCALES, TRACE_TYPES, answers, published


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
    """Mean interpretability (``study_stats.describe``) against the published accuracy of each student.

    Returns:
        student, and the columns of ``rank_correlation``.
    """
    rated = described[described["scale"] == "interpretability"].set_index("trace_type")["mean"]
    accuracy = published().loc["accuracy"]
    return pd.DataFrame({"student": name} | rank_correlation(rated, row) for name, row in accuracy.iterrows())
