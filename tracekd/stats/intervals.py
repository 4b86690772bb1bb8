"""Intervals and tests of 2x2 tables and of paired answers, on scipy and statsmodels.

``bootstrap`` has the intervals over problems and seeds.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import optimize
from scipy import stats as scipy_stats
from scipy.special import softmax
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

LEVEL = 0.95
NAN = float("nan")
BOUNDS = ("", "_low", "_high")
Z = float(scipy_stats.norm.ppf((1 + LEVEL) / 2))


def wilson(hits: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a share, in 0..1; NaN where ``n`` is 0."""
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} hits of {n}: expected a count between 0 and n")
    if n == 0:
        return NAN, NAN
    return tuple(map(float, proportion_confint(hits, n, alpha=1 - level, method="wilson")))


def newcombe(hits: int, n: int, other_hits: int, other_n: int) -> tuple[float, float, float]:
    """Difference of two independent shares with Newcombe's 95% interval, in -1..1; NaN where one has no n."""
    if not n or not other_n:
        return NAN, NAN, NAN
    ends = confint_proportions_2indep(hits, n, other_hits, other_n, method="newcomb", alpha=1 - LEVEL)
    return float(hits / n - other_hits / other_n), *map(float, ends)


def association(both: int = 0, answer_only: int = 0, trace_only: int = 0, neither: int = 0) -> dict[str, Any]:
    """How a step and the answer go together, from the four counts of their table; what is undefined is NaN.

    Returns ``n`` and the counts; with ``_low`` and ``_high``: ``joint`` (both of n), ``p_answer_given_trace`` and
    ``p_answer_given_not_trace`` (Wilson), ``difference`` of the two (Newcombe), ``phi``; ``chi2`` (Pearson, no
    continuity correction, as the paper has it), ``expected_min`` (least expected count); ``test``: ``chi2``, ``fisher``
    where an expected count is below 5, ``undefined`` where a margin is empty; its ``p_value``.
    """
    cells = [both, trace_only, answer_only, neither]  # rows: trace right or wrong; columns: answer right or wrong
    if any(count < 0 or count != int(count) for count in cells):
        raise ValueError(f"cells {cells}: expected four counts of 0 or more")
    both, trace_only, answer_only, neither = cells = [int(count) for count in cells]
    n, traced, untraced = sum(cells), both + trace_only, answer_only + neither
    shares = {"joint": (both, n), "p_answer_given_trace": (both, traced)}
    shares["p_answer_given_not_trace"] = answer_only, untraced
    found = {name: (hits / of if of else NAN, *wilson(hits, of)) for name, (hits, of) in shares.items()}
    found |= {"difference": newcombe(both, traced, answer_only, untraced), "phi": phi_interval(cells)}
    chi2, expected_min, test, p_value = NAN, NAN, "undefined", NAN
    table = np.array(cells, float).reshape(2, 2)
    if min(*table.sum(0), *table.sum(1)) > 0:
        chi2, p_value, _, expected = scipy_stats.chi2_contingency(table, correction=False)
        expected_min, test = expected.min(), "chi2"
        if expected_min < 5:
            test, p_value = "fisher", scipy_stats.fisher_exact(table).pvalue
    return {
        "n": n, "both": both, "answer_only": answer_only, "trace_only": trace_only, "neither": neither,
        **{name + end: value for name, of in found.items() for end, value in zip(BOUNDS, of, strict=True)},
        "chi2": float(chi2), "expected_min": float(expected_min), "test": test, "p_value": float(p_value),
    }  # fmt: skip


def phi_interval(cells: Sequence[int]) -> tuple[float, float, float]:
    """Phi of a 2x2 table with its 95% interval, each in -1..1; NaN where a margin is empty.

    The variance is the large-sample one of Bishop, Fienberg and Holland (1975), Discrete Multivariate Analysis, p. 381,
    for cells (yes-yes, yes-no, no-yes, no-no) of five or more; else ``phi_score_interval`` takes its place.
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


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p-values over a whole table; NaN stays NaN and does not count as a test."""
    adjusted = np.array(p_values, float)
    known = ~np.isnan(adjusted)
    if known.any():
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    return adjusted


def compare(first: Sequence[bool], second: Sequence[bool], margin: float) -> dict[str, float]:
    """Two conditions on the same problems: do their shares differ, and do they differ by less than ``margin``?

    ``margin`` is a share (0.05 = five points). Returns those of ``paired_difference``, ``p_value`` (exact McNemar),
    ``tost_p`` (two one-sided tests, the larger one), ``detectable`` (of ``minimum_detectable``).
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin {margin}: expected a share between 0 and 1, such as 0.05 for five points")
    found = paired_difference(first, second)
    discordant = found["only_first"] + found["only_second"]
    table = [[0, found["only_first"]], [found["only_second"], 0]]
    found["p_value"] = float(mcnemar(table, exact=True).pvalue) if discordant else 1.0
    # The test on the side of the centre has the larger p-value.
    found["tost_p"] = float(scipy_stats.norm.sf((margin - abs(found["centre"])) / found["se"]))
    return found | {"detectable": minimum_detectable(found["n"], discordant / found["n"])}


def minimum_detectable(n: int, discordant: float) -> float:
    """Least difference of two paired shares that McNemar's test at 0.05 finds with 80% power (Connor 1987).

    The root of ``d sqrt(n) = z_a sqrt(psi) + z_b sqrt(psi - d^2)``, psi being the share of discordant pairs, or NaN.
    """
    psi, b = max(discordant, 1 / n), scipy_stats.norm.ppf(0.8)
    inside = max(n - Z**2 + b**2, 0.0)
    d = float(Z * math.sqrt(n * psi) + b * math.sqrt(psi * inside)) / (n + b**2)
    return d if inside and d < psi else NAN
