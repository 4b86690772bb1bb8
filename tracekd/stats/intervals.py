"""Intervals and tests of 2x2 tables and of paired answers, on scipy and statsmodels.

``bootstrap`` has the intervals over problems and seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import optimize
from scipy import stats as scipy_stats
from scipy.special import softmax
from statsmodels.stats.contingency_tables import mcnemar as _mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

LEVEL = 0.95
NAN = float("nan")
Z = float(scipy_stats.norm.ppf((1 + LEVEL) / 2))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95% score interval of a share, in 0..1; NaN where ``n`` is 0."""
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}: expected a count between 0 and n")
    if n == 0:
        return NAN, NAN
    low, high = proportion_confint(hits, n, alpha=1 - LEVEL, method="wilson")
    return float(low), float(high)


def share(hits: int, n: int) -> dict[str, float]:
    """A share with its Wilson interval: ``value``, ``low``, ``high`` in 0..1, and the counts ``hits``, ``n``."""
    low, high = wilson(hits, n)
    return {"value": hits / n if n else NAN, "low": low, "high": high, "hits": int(hits), "n": int(n)}


def association(both: int, answer_only: int, trace_only: int, neither: int) -> dict[str, Any]:
    """How a step and the answer go together, from the four counts of their table; what is undefined is NaN.

    Returns:
        ``n``; ``joint`` (both of n), ``p_answer_given_trace`` and ``p_answer_given_not_trace`` as of ``share``;
        ``difference`` of the two (Newcombe's interval) and ``phi``, each with value, low and high; ``chi2`` (Pearson,
        no continuity correction, as the paper has it), ``expected_min`` (least expected count); ``test``: ``chi2``,
        ``fisher`` where an expected count is below 5, ``undefined`` where a margin is empty; its ``p_value``.
    """
    cells = [both, trace_only, answer_only, neither]  # rows: trace right or wrong; columns: answer right or wrong
    if any(count < 0 or count != int(count) for count in cells):
        raise ValueError(f"cells {cells}: expected four counts of 0 or more")
    n, traced, untraced = sum(cells), both + trace_only, answer_only + neither
    difference, table = (NAN, NAN, NAN), np.array(cells, float).reshape(2, 2)
    if traced and untraced:
        ends = confint_proportions_2indep(both, traced, answer_only, untraced, method="newcomb", alpha=1 - LEVEL)
        difference = (both / traced - answer_only / untraced, *ends)
    chi2, expected_min, test, p_value = NAN, NAN, "undefined", NAN
    if min(*table.sum(0), *table.sum(1)) > 0:
        chi2, p_value, _, expected = scipy_stats.chi2_contingency(table, correction=False)
        expected_min, test = expected.min(), "chi2"
        if expected_min < 5:
            test, p_value = "fisher", scipy_stats.fisher_exact(table).pvalue
    return {
        "n": n,
        "joint": share(both, n),
        "p_answer_given_trace": share(both, traced),
        "p_answer_given_not_trace": share(answer_only, untraced),
        "difference": dict(zip(("value", "low", "high"), map(float, difference), strict=True)),
        "phi": dict(zip(("value", "low", "high"), phi_interval(cells), strict=True)),
        **{"chi2": float(chi2), "expected_min": float(expected_min), "test": test, "p_value": float(p_value)},
    }


def association_row(cells: Mapping[str, int]) -> dict[str, float]:
    """``association`` flattened for a table: shares as ``joint``, ``joint_low``, ``joint_high`` and so on."""
    counts = {name: int(cells.get(name, 0)) for name in ("both", "answer_only", "trace_only", "neither")}
    row: dict[str, Any] = {"n": sum(counts.values()), **counts}
    for name, value in association(**counts).items():
        parts = value if isinstance(value, dict) else {"value": value}
        row |= {name: parts["value"]} | {f"{name}_{end}": parts[end] for end in ("low", "high") if end in parts}
    return row


def phi_interval(cells: Sequence[int]) -> tuple[float, float, float]:
    """Phi of a 2x2 table with its 95% interval, each in -1..1; NaN where a margin is empty.

    The variance is the large-sample one of Bishop, Fienberg and Holland (1975), Discrete Multivariate Analysis, p. 381,
    which is 0 where phi is 1 or -1. Where a cell has fewer than five counts, ``phi_score_interval`` takes its place.
    ``cells`` are counts in the order yes-yes, yes-no, no-yes, no-no.
    """
    table = np.asarray(cells, float).reshape(2, 2)
    n = table.sum()
    (r1, r2), (c1, c2) = table.sum(1), table.sum(0)
    if min(r1, r2, c1, c2) == 0:
        return NAN, NAN, NAN
    phi = _phi(table.ravel())
    if table.min() < 5:
        return phi, *phi_score_interval(cells)
    skew = (r1 - r2) * (c1 - c2) / math.sqrt(r1 * r2 * c1 * c2)
    square = (r1 - r2) ** 2 / (r1 * r2) + (c1 - c2) ** 2 / (c1 * c2)
    variance = (1 - phi**2 + phi * (1 + phi**2 / 2) * skew - 0.75 * phi**2 * square) / n
    half = Z * math.sqrt(max(variance, 0.0))
    return phi, max(phi - half, -1.0), min(phi + half, 1.0)


def phi_score_interval(cells: Sequence[int]) -> tuple[float, float]:
    """The least and the largest phi among the shares that Pearson's test does not reject, as Wilson's for one share.

    Pearson's test does not reject shares p where ``sum(count^2 / (n p)) - n`` is at most the squared normal quantile.
    That set is convex, and it holds more than the counts' own shares even where a cell is empty.
    """
    counts = np.asarray(cells, float)
    n = counts.sum()
    # Shares as a softmax of four free numbers: all positive, with sum 1.
    inside = {"type": "ineq", "fun": lambda x: 1 - ((counts**2 / (n * softmax(x))).sum() - n) / Z**2}
    ends = []
    for sign in (1, -1):
        reached = [sign * _phi(counts)]
        for added in (0.1, 0.5, 1.0):  # starts that differ in how far they lie from empty cells
            found = optimize.minimize(
                lambda x, sign=sign: sign * _phi(softmax(x)), np.log(counts + added), method="SLSQP",
                constraints=inside, bounds=[(-30, 30)] * 4, options={"maxiter": 200, "ftol": 1e-9},
            )  # fmt: skip
            if inside["fun"](found.x) > -1e-4:
                reached.append(found.fun)
        ends.append(float(np.clip(sign * min(reached), -1, 1)))
    return ends[0], ends[1]


def _phi(p: np.ndarray) -> float:
    a, b, c, d = p
    return float((a * d - b * c) / math.sqrt((a + b) * (c + d) * (a + c) * (b + d)))


def paired_difference(first: Sequence[bool], second: Sequence[bool], level: float = LEVEL) -> dict[str, float]:
    """Share of ``first`` minus share of ``second`` on the same problems, with the interval of Bonett and Price (2012).

    One is added to each discordant count, so that the interval has a width even where nothing differs. Returns
    ``value``, ``low``, ``high`` in -1..1; ``centre``, ``se`` of the interval; ``only_first``, ``only_second``, ``n``.
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


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> dict[str, float]:
    """Exact McNemar test of two conditions on the same problems: ``paired_difference`` and ``p_value``."""
    found = paired_difference(first, second)
    table = [[0, found["only_first"]], [found["only_second"], 0]]
    p_value = float(_mcnemar(table, exact=True).pvalue) if found["only_first"] + found["only_second"] else 1.0
    return {**found, "p_value": p_value}


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values over a whole table; NaN stays NaN and does not count as a test."""
    adjusted = np.array(p_values, float)
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    return adjusted


def tost(first: Sequence[bool], second: Sequence[bool], margin: float) -> dict[str, float]:
    """Two one-sided tests: do two conditions' shares on the same problems differ by less than ``margin``?

    Both tests use the centre and standard error of ``paired_difference``. ``margin`` is the largest difference that
    counts as none, as a share (0.05 = five points). Returns ``p_value`` (the larger one) and ``detectable`` (of
    ``minimum_detectable``).
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin {margin}: expected a share between 0 and 1, such as 0.05 for five points")
    found = paired_difference(first, second)
    # The test on the side of the centre has the larger p-value.
    p_value = float(scipy_stats.norm.sf((margin - abs(found["centre"])) / found["se"]))
    discordant = (found["only_first"] + found["only_second"]) / found["n"]
    return {"p_value": p_value, "detectable": minimum_detectable(found["n"], discordant)}


def minimum_detectable(n: int, discordant: float) -> float:
    """Least difference of two paired shares that McNemar's test at 0.05 finds with 80% power (Connor 1987).

    The root of ``d sqrt(n) = z_a sqrt(psi) + z_b sqrt(psi - d^2)``, ``psi`` being the share of discordant pairs; NaN
    where ``n`` is too small for any.
    """
    psi, b = max(discordant, 1 / n), scipy_stats.norm.ppf(0.8)
    inside = max(n - Z**2 + b**2, 0.0)
    d = float(Z * math.sqrt(n * psi) + b * math.sqrt(psi * inside)) / (n + b**2)
    return d if inside and d < psi else NAN
