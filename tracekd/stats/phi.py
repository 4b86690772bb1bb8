"""Phi, the correlation of two flags, with an interval that holds in small tables too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize
from scipy import stats as scipy_stats
from scipy.special import softmax

LEVEL = 0.95
NAN = float("nan")


def phi_interval(cells: Sequence[int], level: float = LEVEL) -> tuple[float, float, float]:
    """Phi of a 2x2 table with its interval, each in -1..1; NaN where a margin is empty.

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
        return phi, *phi_score_interval(cells, level)
    skew = (r1 - r2) * (c1 - c2) / math.sqrt(r1 * r2 * c1 * c2)
    square = (r1 - r2) ** 2 / (r1 * r2) + (c1 - c2) ** 2 / (c1 * c2)
    variance = (1 - phi**2 + phi * (1 + phi**2 / 2) * skew - 0.75 * phi**2 * square) / n
    half = scipy_stats.norm.ppf((1 + level) / 2) * math.sqrt(max(variance, 0.0))
    return phi, max(phi - half, -1.0), min(phi + half, 1.0)


def phi_score_interval(cells: Sequence[int], level: float = LEVEL) -> tuple[float, float]:
    """The least and the largest phi among the shares that Pearson's test does not reject, as Wilson's for one share.

    Pearson's test does not reject shares p where ``sum(count^2 / (n p)) - n`` is at most the squared normal quantile.
    That set is convex, and it holds more than the counts' own shares even where a cell is empty.
    """
    counts = np.asarray(cells, float)
    n, square = counts.sum(), scipy_stats.norm.ppf((1 + level) / 2) ** 2
    # Shares as a softmax of four free numbers: all positive, with sum 1.
    inside = {"type": "ineq", "fun": lambda x: 1 - ((counts**2 / (n * softmax(x))).sum() - n) / square}
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
