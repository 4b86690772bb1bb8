"""Statistics of 2x2 tables and of paired answers: estimates with intervals, on scipy and statsmodels.

``bootstrap`` has the intervals over problems and seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.contingency_tables import mcnemar as _mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import GofChisquarePower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from tracekd.stats.phi import LEVEL, phi_interval

NAN = float("nan")


def wilson(hits: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson score interval of a share, in 0..1; NaN where ``n`` is 0.

    Raises:
        ValueError: ``hits`` is not in 0..n.
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}: expected a count between 0 and n")
    if n == 0:
        return NAN, NAN
    low, high = proportion_confint(hits, n, alpha=1 - level, method="wilson")
    return float(low), float(high)


def share(hits: int, n: int, level: float = LEVEL) -> dict[str, float]:
    """A share with its Wilson interval: ``value``, ``low``, ``high`` in 0..1, and the counts ``hits``, ``n``."""
    low, high = wilson(hits, n, level)
    return {"value": hits / n if n else NAN, "low": low, "high": high, "hits": int(hits), "n": int(n)}


def association(both: int, answer_only: int, trace_only: int, neither: int, level: float = LEVEL) -> dict[str, Any]:
    """How a step and the answer go together, from the four counts of their table.

    Returns:
        ``n``; ``joint`` (both of n), ``p_answer_given_trace`` and ``p_answer_given_not_trace`` as of ``share``;
        ``difference`` of the two (Newcombe's interval), ``phi`` and ``odds_ratio`` (0.5 is added to each cell where
        one is empty), each with value, low and high; ``chi2`` (Pearson, 1 degree of freedom, no continuity correction,
        as the paper has it), ``chi2_p``, ``fisher_p``, ``expected_min`` (least expected count); ``test``: ``chi2``,
        ``fisher`` where an expected count is below 5, ``undefined`` where a margin is empty; ``p_value``, that of
        ``test``. What is undefined is NaN.
    """
    cells = [both, trace_only, answer_only, neither]  # rows: trace right or wrong; columns: answer right or wrong
    if any(count < 0 or count != int(count) for count in cells):
        raise ValueError(f"cells {cells}: expected four counts of 0 or more")
    n, traced, untraced = sum(cells), both + trace_only, answer_only + neither
    found: dict[str, Any] = {
        "n": n,
        "joint": share(both, n, level),
        "p_answer_given_trace": share(both, traced, level),
        "p_answer_given_not_trace": share(answer_only, untraced, level),
        "difference": _estimate(),
        "phi": _estimate(*phi_interval(cells, level)),
        "odds_ratio": _estimate(),
        **dict.fromkeys(("chi2", "chi2_p", "fisher_p", "expected_min"), NAN),
        "test": "undefined",
        "p_value": NAN,
    }
    if traced and untraced:
        ends = confint_proportions_2indep(both, traced, answer_only, untraced, method="newcomb", alpha=1 - level)
        found["difference"] = _estimate(both / traced - answer_only / untraced, *ends)
    table = np.array(cells, float).reshape(2, 2)
    if min(*table.sum(0), *table.sum(1)) == 0:
        return found
    found["chi2"], found["chi2_p"], _, expected = scipy_stats.chi2_contingency(table, correction=False)
    found["fisher_p"], found["expected_min"] = scipy_stats.fisher_exact(table).pvalue, expected.min()
    found["test"] = "chi2" if expected.min() >= 5 else "fisher"
    found["p_value"] = found[f"{found['test']}_p"]
    # A shift of 0.5 in every cell (Haldane and Anscombe) keeps the odds ratio finite where a cell is empty.
    odds = Table2x2(table + 0.5 * (table.min() == 0), shift_zeros=False)
    found["odds_ratio"] = _estimate(odds.oddsratio, *odds.oddsratio_confint(alpha=1 - level))
    return {k: float(v) if isinstance(v, np.floating) else v for k, v in found.items()}


def _estimate(value: float = NAN, low: float = NAN, high: float = NAN) -> dict[str, float]:
    return {"value": float(value), "low": float(low), "high": float(high)}


def association_row(cells: Mapping[str, int], level: float = LEVEL) -> dict[str, float]:
    """``association`` flattened for a table: shares as ``joint``, ``joint_low``, ``joint_high`` and so on."""
    counts = {name: int(cells.get(name, 0)) for name in ("both", "answer_only", "trace_only", "neither")}
    row: dict[str, Any] = {"n": sum(counts.values()), **counts}
    for name, value in association(**counts, level=level).items():
        if isinstance(value, dict):
            row |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        else:
            row[name] = value
    return row


def paired_difference(first: Sequence[bool], second: Sequence[bool], level: float = LEVEL) -> dict[str, float]:
    """Share of ``first`` minus share of ``second`` on the same problems, with the interval of Bonett and Price (2012).

    One is added to each discordant count, so that the interval has a width even where nothing differs.

    Returns:
        ``value``, ``low``, ``high`` in -1..1; ``centre`` and ``se``, the interval's own; ``only_first``,
        ``only_second``, ``n``.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if len(first) != len(second) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} verdicts: expected the same problems, at least one, in order")
    n, only_first, only_second = len(first), int((first & ~second).sum()), int((second & ~first).sum())
    p10, p01 = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    centre, se = p10 - p01, math.sqrt((p10 + p01 - (p10 - p01) ** 2) / (n + 2))
    half = scipy_stats.norm.ppf((1 + level) / 2) * se
    return {
        "value": (only_first - only_second) / n, "low": max(centre - half, -1.0), "high": min(centre + half, 1.0),
        "centre": centre, "se": se, "only_first": only_first, "only_second": only_second, "n": n,
    }  # fmt: skip


def mcnemar(first: Sequence[bool], second: Sequence[bool], level: float = LEVEL) -> dict[str, float]:
    """Exact McNemar test of two conditions on the same problems: ``paired_difference`` and ``p_value``."""
    found = paired_difference(first, second, level)
    table = [[0, found["only_first"]], [found["only_second"], 0]]
    p_value = float(_mcnemar(table, exact=True).pvalue) if found["only_first"] + found["only_second"] else 1.0
    return {**found, "p_value": p_value}


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values over a whole table; NaN stays NaN and does not count as a test."""
    p_values = np.asarray(p_values, float)
    known = ~np.isnan(p_values)
    adjusted = np.full(len(p_values), NAN)
    if known.any():
        adjusted[known] = multipletests(p_values[known], method="holm")[1]
    return adjusted


def tost(first: Sequence[bool], second: Sequence[bool], margin: float, alpha: float = 0.05) -> dict[str, Any]:
    """Two one-sided tests: do two conditions' shares on the same problems differ by less than ``margin``?

    Both tests use the centre and standard error of ``paired_difference``; the ``1 - 2 alpha`` interval lies in
    the margin exactly where both reject.

    Args:
        first: verdicts of one condition.
        second: verdicts of the other, same problems in the same order.
        margin: largest difference that counts as none, as a share (0.05 = five points).
        alpha: level of each test.

    Returns:
        ``value``, ``low``, ``high`` (the 1 - 2 alpha interval), ``margin``, ``p_value`` (the larger one),
        ``equivalent``, ``n``, and ``detectable``: see ``minimum_detectable``.
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin {margin}: expected a share between 0 and 1, such as 0.05 for five points")
    found = paired_difference(first, second, 1 - 2 * alpha)
    p_value = max(
        scipy_stats.norm.sf((found["centre"] + margin) / found["se"]),
        scipy_stats.norm.cdf((found["centre"] - margin) / found["se"]),
    )
    discordant = (found["only_first"] + found["only_second"]) / found["n"]
    return {
        "value": found["value"], "low": found["low"], "high": found["high"], "margin": margin,
        "p_value": float(p_value), "equivalent": bool(p_value < alpha), "n": found["n"],
        "detectable": minimum_detectable(found["n"], discordant),
    }  # fmt: skip


def minimum_detectable(n: int, discordant: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Least difference of two paired shares that McNemar's test finds with the given power (Connor 1987).

    The root of ``d sqrt(n) = z_a sqrt(psi) + z_b sqrt(psi - d^2)``, ``psi`` being the share of discordant pairs; NaN
    where ``n`` is too small for any.
    """
    psi = max(discordant, 1 / n)
    a, b = scipy_stats.norm.ppf(1 - alpha / 2), scipy_stats.norm.ppf(power)
    inside = max(n - a**2 + b**2, 0.0)
    d = float(a * math.sqrt(n * psi) + b * math.sqrt(psi * inside)) / (n + b**2)
    return d if inside and d < psi else NAN


def minimum_detectable_phi(n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Least phi that a chi-squared test of a 2x2 table of ``n`` finds with the given power (Cohen's w, 1 df)."""
    return float(GofChisquarePower().solve_power(None, nobs=n, alpha=alpha, power=power, n_bins=2))
