"""Intervals over problems and seeds: mean squares by statsmodels, t quantiles by hand."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from tracekd.stats import bootstrap


def rng(seed=0):
    return np.random.default_rng(seed)


def crossed_table(seed=1, problems=40, seeds=4):
    draws = rng(seed)
    return (
        draws.normal(0, 0.5, (problems, 1)) + draws.normal(0, 0.3, (1, seeds)) + draws.normal(0, 0.4, (problems, seeds))
    )


def mean(means):
    return means[:, 0]


@pytest.mark.parametrize("scale", [1, 0])  # without differences between seeds their variance comes out negative: 0
def test_the_standard_error_and_its_degrees_of_freedom_by_the_mean_squares(scale):
    """Against statsmodels' two-way layout: variance (MS(problem) + MS(seed) - MS(rest)) / (P S), Satterthwaite's df."""
    values = crossed_table()
    values -= (1 - scale) * (values.mean(axis=0) - values.mean())
    long = pd.DataFrame(values).rename_axis("problem").reset_index().melt("problem", var_name="seed")
    squares = anova_lm(ols("value ~ C(problem) + C(seed)", long).fit())
    problem, seed, rest = squares["sum_sq"] / squares["df"]
    seed = max(seed, rest)
    error, df = bootstrap.standard_error(values)
    assert error**2 == pytest.approx((problem + seed - rest) / (40 * 4))
    assert df == pytest.approx((problem + seed - rest) ** 2 / (problem**2 / 39 + seed**2 / 3 + rest**2 / 117))
    # One seed: the seeds' variance is not in it.
    assert bootstrap.standard_error(values[:, :1]) == (pytest.approx(values[:, 0].std(ddof=1) / 40**0.5), 39)


def test_linearised_values_have_the_statistics_mean_and_the_delta_methods_variance():
    """A ratio of means a / b: influence (x - r y) / b, by hand."""
    units = np.abs(rng(2).normal(1, 0.3, (50, 3, 2)))
    a, b = units.mean(axis=(0, 1))
    found = bootstrap.linearised(units, bootstrap.ratio)
    assert found == pytest.approx(a / b + (units[..., 0] - a / b * units[..., 1]) / b, abs=1e-6)
    assert found.mean() == pytest.approx(a / b)


def test_a_problem_that_lacks_a_seed_counts_with_those_it_has():
    values = pd.Series([1.0, 0.0, 1.0], pd.MultiIndex.from_tuples([(1, 1), (1, 2), (2, 1)], names=["id", "seed"]))
    found = bootstrap.pooled(values, rng(), 200, "share")
    assert (found["value"], found["n"], found["seeds"], found["interval"]) == (pytest.approx(2 / 3), 2, 2, "crossed")


def test_crossed_bootstrap_of_one_seed_draws_problems_alone():
    """The interval of a mean of n independent 0/1 values is near the normal one: p +- 1.96 sqrt(p (1 - p) / n)."""
    units = (np.arange(400) % 4 == 0).astype(float)[:, None, None]  # p = 0.25, standard error 0.02165
    found = bootstrap.crossed_bootstrap(units, mean, rng(), 4000)
    assert found["value"] == 0.25 and found["low"] == pytest.approx(0.25 - 1.96 * 0.02165, abs=0.004)
    assert found["high90"] == pytest.approx(0.25 + 1.645 * 0.02165, abs=0.004)
    # The least difference: variance 400/399 p (1 - p), t(399) quantiles 1.965927 and 0.842523.
    found = bootstrap.crossed(units, mean, rng(), 50)
    assert found["least_difference"] == pytest.approx((1.965927 + 0.842523) * (0.1875 / 399) ** 0.5, abs=1e-6)
    assert np.isnan(found["t_low"])


@pytest.mark.parametrize(("kind", "value"), [("share", 1), ("share", 0), ("difference", 0), ("difference", -1)])
def test_intervals_keep_a_width_where_all_problems_are_alike(kind, value):
    index = pd.MultiIndex.from_product([range(20), [1]], names=["id", "seed"])
    found = bootstrap.pooled(pd.Series(float(value), index), rng(), 200, kind)
    assert found["value"] == value and found["high"] - found["low"] > 0.1
    assert np.isnan(bootstrap.pooled(pd.Series(float(value), index[:1]), rng(), 200, kind)["low"])
    lone = pd.Series([0, 1, 1], index[:3].set_names(["seed", "id"]))  # one problem
    assert bootstrap.pooled(lone, rng())["value"] == pytest.approx(2 / 3)


def test_shares_apart_keep_the_width_of_a_share_that_is_all_alike():
    """All of 20 right after right steps: Wilson's 0.839 to 1, by square-and-add with the other interval."""
    right = np.repeat([1.0, 0.0], [20, 40])
    answer = np.concatenate([np.ones(20), np.arange(40) % 4 == 0])
    units = np.stack([right * answer, right, (1 - right) * answer, 1 - right], axis=-1)[:, None]
    found = bootstrap.shares_apart(units, rng(), 500)
    other = bootstrap.crossed_bootstrap(units[..., 2:], bootstrap.ratio, rng(), 500)
    below = np.hypot(1 - 20 / (20 + 1.959964**2), other["high"] - 0.25)
    assert (found["value"], found["low"]) == (0.75, pytest.approx(0.75 - below))
    assert found["high"] == pytest.approx(0.75 + 0.25 - other["low"]) and np.isnan(found["t_low"])


def test_an_estimate_does_not_depend_on_those_before_it():
    """A seed or a size that is recorded later leaves the other rows' intervals as they are."""
    units, draws = crossed_table()[..., None], rng()
    both = [(bootstrap.crossed(units, mean, draws, 200), bootstrap.bootstrap(np.mean, draws, [0, 1])) for _ in range(2)]
    assert both[0] == both[1]
