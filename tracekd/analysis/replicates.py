"""Seed replicates: mean and range over seeds, and a logistic model that knows which answers share a problem."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

COLUMNS = ("term", "coefficient", "odds_ratio", "low", "high", "z", "p_value", "note")


def over_seeds(frame: pd.DataFrame, by: Sequence[str], column: str) -> pd.DataFrame:
    """Mean and range over seeds of each seed's mean of ``column`` (a verdict, or a published percentage).

    Returns:
        columns ``by``, ``mean``, ``lowest``, ``highest``, ``seeds`` (count): two or three seeds carry no interval.
    """
    each = frame.groupby([*by, "seed"], sort=False, observed=True)[column].mean().reset_index()
    groups = each.groupby(list(by), sort=False, observed=True)[column]
    return groups.agg(mean="mean", lowest="min", highest="max", seeds="size").reset_index()


def cluster_logit(frame: pd.DataFrame, formula: str = "answer ~ trace_correct * condition", cluster: str = "id"):
    """Logistic model of the answer by generalised estimating equations, independence working correlation.

    Robust (sandwich) errors take the problem as the cluster (Liang and Zeger 1986), so that its answers under other
    conditions and seeds do not count as new problems.

    Args:
        frame: one row per output, with the formula's columns (booleans are taken as 0 and 1) and ``cluster``.
        formula: in patsy's language.
        cluster: column that names the problem.

    Returns:
        ``COLUMNS``: coefficient (log odds), odds_ratio with its 95% interval, and ``note``: empty, or why a row is NaN
        (a cell without variation makes its odds infinite).
    """
    flags = [name for name in frame if frame[name].dtype == np.bool_]  # not the ones that can be missing
    data = frame.assign(**{name: frame[name].astype(int) for name in flags})
    with warnings.catch_warnings():
        # Empty cells show as warnings of several kinds on the way; the table below names the rows that they spoil.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", PerfectSeparationWarning)
        try:
            fit = smf.gee(formula, cluster, data, family=sm.families.Binomial()).fit()
        except (PerfectSeparationWarning, np.linalg.LinAlgError, ValueError) as error:
            return pd.DataFrame([{"term": formula, "note": f"not estimable: {error}"}], columns=COLUMNS)
    table = pd.DataFrame({"coefficient": fit.params, "z": fit.tvalues, "p_value": fit.pvalues})
    # Log odds beyond 10, or an error beyond 10, say only that a cell of the table is empty.
    wild = (fit.params.abs() > 10) | ~(fit.bse < 10) | ~np.isfinite(table.z)
    bounds = fit.conf_int().mask(wild)
    table["odds_ratio"] = np.exp(table.coefficient.mask(wild))
    table["low"], table["high"] = np.exp(bounds[0]), np.exp(bounds[1])
    table.loc[wild, ["coefficient", "z", "p_value"]] = np.nan
    table["note"] = np.where(wild, "not estimable: a cell has no variation", "" if fit.converged else "not settled")
    return table.rename_axis("term").reset_index()[list(COLUMNS)]
