"""The study's tests against textbook and hand-worked values, planted effects, and none."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from tracekd.study import ratings as study
from tracekd.study import stats
from tracekd.study.simulate import simulate

# Hollander and Wolfe, Nonparametric Statistical Methods (1973), pp. 140-146: three ways of rounding first base; also
# the example of R's friedman.test, which prints chi-squared = 11.143, df = 2, p = 0.003805.
FIRST_BASE = """5.40 5.50 5.55 5.85 5.70 5.75 5.20 5.60 5.50 5.55 5.50 5.40 5.90 5.85 5.70 5.45 5.55 5.60 5.40 5.40 5.35
5.45 5.50 5.35 5.25 5.15 5.00 5.85 5.80 5.70 5.25 5.20 5.10 5.65 5.55 5.45 5.60 5.35 5.45 5.05 5.00 4.95 5.50 5.50 5.40
5.45 5.55 5.50 5.55 5.55 5.35 5.45 5.50 5.55 5.50 5.45 5.25 5.65 5.60 5.40 5.70 5.65 5.55 6.30 6.30 6.25"""


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch):
    """Holm's method in statsmodels collects garbage at each call, most of the time of thousands of small tests."""
    monkeypatch.setattr("gc.collect", lambda *_: 0)


def test_friedman_textbook():
    result = stats.friedman(pd.DataFrame(np.array(FIRST_BASE.split(), float).reshape(22, 3)))
    assert result["n"] == 22 and result["df"] == 2
    assert result["statistic"] == pytest.approx(11.143, abs=5e-4) and result["p"] == pytest.approx(0.003805, abs=5e-7)
    with pytest.raises(ValueError, match="not 1"):
        stats.friedman(pd.DataFrame({"a": [1.0], "b": [1.0], "c": [2.0]}))


def test_wilcoxon_textbook():
    # Hollander and Wolfe (1973), p. 29, and R's wilcox.test: V = 40, one-sided p = 0.01953; W- = 45 - 40 = 5.
    x = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    y = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    pair = stats.pairs(pd.DataFrame({"x": x, "y": y})).iloc[0]
    assert pair["p"] == pytest.approx(2 * 0.01953, abs=1e-5)
    assert pair["effect"] == pytest.approx((40 - 5) / 45)
    assert pair["p_holm"] == pair["p"]  # one pair: nothing to correct


def test_effect_by_hand_with_zeros_and_ties():
    # |d| without the zero: 1, 1, 2, 3 have ranks 1.5, 1.5, 3, 4; W+ = 1.5 + 3 + 4 = 8.5, W- = 1.5; (8.5 - 1.5) / 10.
    assert stats.rank_biserial([0, 1, -1, 2, 3]) == pytest.approx(0.7)


def test_data_without_any_difference():
    flat = pd.DataFrame(np.full((10, 4), 3.0), columns=list("abcd"))
    assert stats.friedman(flat)["p"] == 1
    pairs = stats.pairs(flat, np.random.default_rng(1), 50)
    assert (pairs["p_holm"] == 1).all() and (pairs[["effect", "low", "high"]] == 0).all(axis=None)


def draw(rng, effect, n=40):
    """Scores as means of four items, thus with ties; the first of four types is ``effect`` above the others."""
    noise = rng.normal(0, 0.5, (n, 1, 1)) + rng.normal(0, 1, (n, 4, 4))
    table = np.clip(np.rint(3 + noise + np.array([effect, 0, 0, 0])[:, None]), 1, 5).mean(axis=2)
    return pd.DataFrame(table, columns=["a", "b", "c", "d"])


def test_none_is_rejected_at_the_nominal_rate_and_a_planted_effect_is_found():
    rng = np.random.default_rng(7)
    none = [draw(rng, 0) for _ in range(200)]
    # 99.8% of binomial(200, 0.05) lies between 2 and 21.
    assert 2 <= sum(stats.friedman(table)["p"] < 0.05 for table in none) <= 21
    # Holm: at most 0.05 for any false pair; 99.9% of binomial(40, 0.05) is at most 7.
    assert sum(stats.pairs(table)["p_holm"].min() < 0.05 for table in none[:40]) <= 7
    table = draw(rng, 2.0)
    found = stats.pairs(table, rng, 200).query("first == 'a'")
    assert stats.friedman(table)["p"] < 0.01 and (found["p_holm"] < 0.05).all() and (found["low"] > 0).all()


def test_describe_by_hand_and_by_seed():
    points = {"P1": 1, "P2": 2, "P3": 4, "P4": 5}
    rated = pd.DataFrame(
        [(who, kind, item, points[who]) for who, kind, item in product(points, study.TRACE_TYPES, study.scale_of())],
        columns=["participant", "trace_type", "item", "rating"],
    )
    one, same, other = (stats.describe(rated, np.random.default_rng(s), 19) for s in (1, 1, 2))
    assert len(one) == 8 and one.loc[0, ["n", "mean", "median"]].tolist() == pytest.approx([4, 3, 3])
    assert one.loc[0, "sd"] == pytest.approx(((4 + 1 + 1 + 4) / 3) ** 0.5)
    assert one.loc[0, "low"] < 3 < one.loc[0, "high"]
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def test_the_comparison_counts_those_left_out_as_careless():
    ratings = simulate(np.random.default_rng(5))
    flagged = int(study.careless(ratings).sum())
    tests, pairs = stats.compare(ratings, np.random.default_rng(1), 20)
    assert tests["n"].tolist() == [100, 100] and len(pairs) == 12
    assert (pairs["n"] - pairs["n_careful"] == flagged).all() and flagged >= 4
