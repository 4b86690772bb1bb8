"""Intervals over problems and seeds: mean squares by statsmodels, t quantiles by hand, recorded differences again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from tracekd import replication, resample
from tracekd import replication_claims as rc
from tracekd import replication_tables as rtab


def rng(seed=0):
    return np.random.default_rng(seed)


def crossed_table(seed=1, problems=40, seeds=4):
    draws = rng(seed)
    return (
        draws.normal(0, 0.5, (problems, 1)) + draws.normal(0, 0.3, (1, seeds)) + draws.normal(0, 0.4, (problems, seeds))
    )


def mean(means):
    return means[:, 0]


def test_components_are_those_of_the_mean_squares():
    """Against statsmodels' two-way layout: MS(problem) = S var(problem) + rest, MS(seed) = P var(seed) + rest."""
    values = crossed_table()
    long = pd.DataFrame(values).rename_axis("problem").reset_index().melt("problem", var_name="seed")
    squares = anova_lm(ols("value ~ C(problem) + C(seed)", long).fit())
    squares = squares["sum_sq"] / squares["df"]
    found = resample.components(values)
    assert found.rest == pytest.approx(squares["Residual"])
    assert found.problem == pytest.approx((squares["C(problem)"] - found.rest) / 4)
    assert found.seed == pytest.approx((squares["C(seed)"] - found.rest) / 40)


def test_the_standard_error_and_its_degrees_of_freedom_by_hand():
    # Components 1, 2, 3 of 10 problems and 3 seeds: variance 1/10 + 2/3 + 3/30; mean squares 6, 23, 3.
    error, df = resample.standard_error(resample.Components(1, 2, 3), 10, 3)
    assert error**2 == pytest.approx(1 / 10 + 2 / 3 + 3 / 30)
    assert df == pytest.approx((6 + 23 - 3) ** 2 / (6**2 / 9 + 23**2 / 2 + 3**2 / 18))
    # One seed: the seeds' variance is not in it, and t has the problems' degrees of freedom.
    assert resample.standard_error(resample.Components(1, 2, 3), 10, 1) == (pytest.approx(np.sqrt(4 / 10)), 9)


def test_least_difference_by_hand():
    """Problems alone, variance 0.25, n = 400: error 0.025; t(399) quantiles 1.965927 and 0.842523."""
    found = resample.least_difference(resample.Components(0.25, 0, 0), 400, 1)
    assert found == pytest.approx((1.965927 + 0.842523) * 0.025, abs=1e-6)


def test_a_test_finds_the_least_difference_four_times_in_five():
    parts, hits = resample.Components(0.2, 0.0, 0.1), 0
    least = resample.least_difference(parts, 60, 3)
    for seed in range(400):
        draws = rng(seed)
        values = least + draws.normal(0, 0.2**0.5, (60, 1)) + draws.normal(0, 0.1**0.5, (60, 3))
        found = resample.components(values)
        error, df = resample.standard_error(found, 60, 3)
        hits += values.mean() - resample.scipy_stats.t.ppf(0.975, df) * error > 0
    assert 0.72 < hits / 400 < 0.88  # 0.8, four standard errors of 400 draws either way


def test_linearised_values_have_the_statistics_mean_and_the_delta_methods_variance():
    """A ratio of means a / b: influence (x - r y) / b, by hand."""
    units = np.abs(rng(2).normal(1, 0.3, (50, 3, 2)))
    a, b = units.mean(axis=(0, 1))
    found = resample.linearised(units, resample.ratio)
    assert found == pytest.approx(a / b + (units[..., 0] - a / b * units[..., 1]) / b, abs=1e-6)
    assert found.mean() == pytest.approx(a / b)


@given(st.integers(0, 1000))
def test_t_intervals_lie_around_the_value_and_shift_with_it(seed):
    values = crossed_table(seed, 12, 3)
    one = resample.crossed(values[..., None], mean, rng(), 20)
    other = resample.crossed(values[..., None] + 1, mean, rng(), 20)
    assert one["t_low"] < one["t_low90"] < one["value"] < one["t_high90"] < one["t_high"]
    assert other["t_low"] == pytest.approx(one["t_low"] + 1) and other["t_high"] == pytest.approx(one["t_high"] + 1)
    assert one["least_difference"] == pytest.approx(other["least_difference"])


def test_t_intervals_over_three_seeds_cover_where_the_bootstrap_does_not():
    """Seeds differ more than problems do: the bootstrap of three seeds is too narrow, the t interval is not."""
    covered = {"low": 0, "t_low": 0}
    for seed in range(200):
        draws = rng(seed)
        values = draws.normal(0, 0.1, (100, 1)) + draws.normal(0, 0.3, (1, 3)) + draws.normal(0, 0.1, (100, 3))
        found = resample.crossed(values[..., None], mean, draws, 200)
        for name, high in (("low", "high"), ("t_low", "t_high")):
            covered[name] += found[name] <= 0 <= found[high]
    assert covered["low"] / 200 < 0.85 and covered["t_low"] / 200 > 0.9


def test_a_problem_that_lacks_a_seed_counts_with_those_it_has():
    values = pd.Series([1.0, 0.0, 1.0], pd.MultiIndex.from_tuples([(1, 1), (1, 2), (2, 1)], names=["id", "seed"]))
    found = resample.pooled(values, rng(), 200, "share")
    assert (found["value"], found["n"], found["seeds"], found["interval"]) == (pytest.approx(2 / 3), 2, 2, "crossed")


# The recorded replication.


@pytest.fixture(scope="module")
def recorded():
    return replication.load().verdicts


def test_a_sign_by_the_bootstrap_alone_is_named_inconclusive(recorded):
    """CoTempQA, incorrect minus correct, 218 problems, seeds -5.05, -13.30, -4.13 points.

    Components: problems 0.0521, seeds 0.00225, rest 0.0650 (mean squares 0.2212, 0.5566, 0.0650). So the error is
    sqrt((0.2212 + 0.5566 - 0.0650) / 654) = 0.0330, with 3.2747 degrees of freedom and t = 3.0366: -7.5 -+ 10.0 points
    is [-17.5, +2.5], where a bootstrap of three seeds says [-14.2, -1.8].
    """
    part = recorded[(recorded.dataset == "cotempqa") & (recorded.training_problems == 128)]
    found = rtab.difference(part, "incorrect", "correct", rng(), 20_000)
    assert found["by_seed"] == pytest.approx([-0.0505, -0.1330, -0.0413], abs=1e-4)
    assert [round(100 * found[end], 1) for end in ("t_low", "t_high")] == [-17.5, 2.5]
    assert [100 * found[end] for end in ("low", "high")] == pytest.approx([-14.2, -1.8], abs=0.4)
    assert rc._note(found) == "" and rc.decide("not lower", found, 0.05) == rc.INCONCLUSIVE


def test_accuracy_over_seeds_draws_seeds_too(recorded):
    """Vanilla on bAbI: 60.9 [56.9, 64.8] over problems alone is [55.2, 66.4] over problems and seeds."""
    part = recorded[(recorded.dataset == "babi") & (recorded.training_problems == 1000)]
    units = rtab.cube(part, ("vanilla",))[:, :, 0]
    problems = resample.crossed(units.mean(axis=1, keepdims=True), mean, rng(), 20_000)
    both = resample.crossed(units, mean, rng(), 20_000)
    assert [100 * problems[end] for end in ("value", "low", "high")] == pytest.approx([60.9, 56.9, 64.8], abs=0.2)
    assert [100 * both[end] for end in ("low", "high")] == pytest.approx([55.2, 66.4], abs=0.3)
