"""Intervals over what was sampled. Each draws from a copy of its generator, so none depends on those made before it."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from tracekd.stats import intervals
from tracekd.stats.intervals import LEVEL, NAN

T_ENDS = ("t_low", "t_high", "t_low90", "t_high90")
CHUNK = 1000  # resamples at once: 5,000 problems then take 40 MB


def bootstrap(
    statistic: Callable[..., float], rng: np.random.Generator, sample: Sequence | np.ndarray, repeats: int = 2000
) -> dict[str, float]:
    """``value``, ``low`` and ``high`` (percentile bootstrap, 95%) of a statistic of one sample; ends of one are NaN."""
    found = {"value": float(statistic(sample)), "low": NAN, "high": NAN}
    if len(sample) > 1:
        options = {"n_resamples": repeats, "method": "percentile", "vectorized": False, "rng": deepcopy(rng)}
        ends = scipy_stats.bootstrap((sample,), statistic, confidence_level=LEVEL, **options).confidence_interval
        found |= {"low": float(ends.low), "high": float(ends.high)}
    return found


def _ends(drawn: np.ndarray, level: float, mark: str = "") -> dict[str, float]:
    """Percentile bounds of resampled values; NaN values are left out."""
    ends = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2]) if not np.isnan(drawn).all() else (NAN, NAN)
    return {f"low{mark}": float(ends[0]), f"high{mark}": float(ends[1])}


def crossed_bootstrap(
    units: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator, repeats: int = 2000
) -> dict[str, float]:
    """Percentile bootstrap over problems and seeds: the pigeonhole bootstrap (Owen 2007, Ann. Appl. Stat. 1:386).

    ``units`` are (problems, seeds, columns); the statistic takes means (draws, columns) to numbers (draws,), NaN ones
    are left out. It is too narrow where few seeds differ more than problems do; ``crossed`` adds a t interval.
    Returns ``value``; ``low``, ``high`` (95%); ``low90``, ``high90`` over the same resamples.
    """
    units, drawn, rng = np.asarray(units, float), [], deepcopy(rng)
    for first in range(0, repeats, CHUNK):
        draws, weights = min(CHUNK, repeats - first), []
        for size in units.shape[:2]:  # how often each problem and each seed was drawn, as weights
            index = rng.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
            weights.append(np.bincount(index.ravel(), minlength=draws * size).reshape(draws, size) / size)
        by_seed = np.einsum("dp,psc->dsc", weights[0], units, optimize=True)
        drawn.append(statistic(np.einsum("ds,dsc->dc", weights[1], by_seed)))
    drawn, value = np.concatenate(drawn), float(statistic(units.mean(axis=(0, 1))[None])[0])
    return {"value": value, **_ends(drawn, LEVEL), **_ends(drawn, 0.9, "90")}


def standard_error(values: np.ndarray) -> tuple[float, float]:
    """Standard error of the mean of a (problems, seeds) table, both random, and its degrees of freedom.

    By the mean squares of a two-way layout, a negative variance being 0 (Searle, Casella and McCulloch 1992, Variance
    Components, chapter 4), and Satterthwaite (1946), Biometrics Bulletin 2:110. With one seed by problems alone.
    """
    problems, seeds = values.shape
    if seeds == 1:
        return math.sqrt(values.var(ddof=1) / problems), problems - 1
    by_problem, by_seed, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    freedom = (problems - 1, seeds - 1, (problems - 1) * (seeds - 1))
    rest = float(((values - by_problem[:, None] - by_seed + mean) ** 2).sum()) / freedom[2]
    squares = (max(seeds * by_problem.var(ddof=1), rest), max(problems * by_seed.var(ddof=1), rest), -rest)
    below = sum(square**2 / df for square, df in zip(squares, freedom, strict=True))
    return math.sqrt(sum(squares) / (problems * seeds)), sum(squares) ** 2 / below if below else float(freedom[0])


def linearised(units: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A smooth statistic of means as one value per problem and seed, whose mean is its value (the delta method)."""
    centre = units.mean(axis=(0, 1))
    steps = 1e-6 * np.eye(len(centre))
    slopes = (statistic(centre + steps) - statistic(centre - steps)) / 2e-6
    return statistic(centre[None])[0] + (units - centre) @ slopes


def crossed(
    units: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator, repeats: int = 2000
) -> dict[str, float]:
    """``crossed_bootstrap`` and, from two seeds on, the two-way random-effects t interval beside it.

    Returns what ``crossed_bootstrap`` returns; ``T_ENDS`` (NaN with one seed); ``least_difference``, the least true one
    that a two-sided t test at 0.05 finds with 80% power; ``n`` (problems); ``seeds``.
    """
    units = np.asarray(units, float)
    problems, seeds = units.shape[:2]
    found = crossed_bootstrap(units, statistic, rng, repeats) | dict.fromkeys(T_ENDS, NAN)
    found |= {"least_difference": NAN, "n": problems, "seeds": seeds}
    if problems < 2 or np.isnan(found["value"]):
        return found
    error, df = standard_error(linearised(units, statistic))
    half, half90, beside = (float(scipy_stats.t.ppf(p, df)) * error for p in (0.975, 0.95, 0.8))
    if seeds > 1:
        ends = (found["value"] + by for by in (-half, half, -half90, half90))
        found |= dict(zip(T_ENDS, ends, strict=True))
    return found | {"least_difference": half + beside or NAN}


def shares_apart(units: np.ndarray, rng: np.random.Generator, repeats: int = 2000) -> dict[str, float]:
    """``crossed`` of one share minus another: columns 0 over 1 and 2 over 3 of ``units`` (problems, seeds, 4).

    A share of answers all alike has no width by resampling. It then has Wilson's interval over its problems, both
    intervals are put together by square-and-add (Newcombe 1998, Statistics in Medicine 17:873), and t ends are NaN.
    """
    found = crossed(units, lambda means: ratio(means[:, :2]) - ratio(means[:, 2:]), rng, repeats)
    parts = [(part, crossed_bootstrap(part, ratio, rng, repeats)) for part in (units[..., :2], units[..., 2:])]
    if np.isnan(found["value"]) or not any(share["low"] == share["high"] for _, share in parts):
        return found
    for level, mark in ((LEVEL, ""), (0.9, "90")):
        gaps = []  # down to the low end and up to the high end
        for part, share in parts:
            n, ends = int(part[..., 1].any(axis=1).sum()), (share[f"low{mark}"], share[f"high{mark}"])
            ends = intervals.wilson(round(share["value"] * n), n, level) if share["low"] == share["high"] else ends
            gaps += [share["value"] - ends[0], ends[1] - share["value"]]
        found[f"low{mark}"] = found["value"] - math.hypot(gaps[0], gaps[3])
        found[f"high{mark}"] = found["value"] + math.hypot(gaps[1], gaps[2])
    return found | dict.fromkeys(T_ENDS, NAN)


def pooled(values: pd.Series, rng: np.random.Generator, repeats: int = 2000, kind: str = "other") -> dict[str, float]:
    """Mean of values indexed by (id, seed), each value counting alike, with the interval that suits them.

    Values that are all alike leave a bootstrap no width. A ``share`` then has Wilson's interval (as with one seed of
    zeros and ones), a ``difference`` of -1, 0 or 1 that of ``paired_difference``. Missing values do not count.

    Returns ``value``, ``low``, ``high``, ``t_low``, ``t_high``, ``n`` (problems), ``seeds``, ``interval`` (its kind).
    """
    known = values.dropna().astype(float)
    wide = known.unstack("seed")
    n, seeds = wide.shape
    first, mean = (float(known.iloc[0]), float(known.mean())) if n else (NAN, NAN)
    found = {"value": mean, **dict.fromkeys(("low", "high", "t_low", "t_high"), NAN), "n": n, "seeds": seeds}
    if n < 2:
        return found | {"interval": ""}
    alike = first in (-1, 0, 1) and bool((wide.isna() | (wide == first)).all(axis=None))
    if kind == "share" and (alike or (seeds == 1 and wide.isin([0, 1]).all(axis=None))):
        low, high = intervals.wilson(round(n * mean), n)
        return found | {"low": low, "high": high, "interval": "wilson"}
    if kind == "difference" and alike:
        made = intervals.paired_difference([first == 1] * n, [first == -1] * n)
        return found | {name: made[name] for name in ("low", "high")} | {"interval": "paired"}
    made = crossed(np.stack([wide.fillna(0), wide.notna()], axis=-1), ratio, rng, repeats)
    return {name: made[name] for name in found} | {"interval": "crossed" if seeds > 1 else "bootstrap"}


def ratio(means: np.ndarray) -> np.ndarray:
    """First column over the second, (draws,); NaN where the second is 0."""
    return np.divide(means[:, 0], means[:, 1], out=np.full(len(means), NAN), where=means[:, 1] > 0)
