"""The study's tests against textbook and hand-worked values, planted effects, and none."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

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


def groups(*samples):
    """A between table: one participant a row, one column a group."""
    parts = [pd.DataFrame({f"g{i}": values}) for i, values in enumerate(samples)]
    return pd.concat(parts, ignore_index=True)


def test_friedman_textbook():
    result = stats.friedman(pd.DataFrame(np.array(FIRST_BASE.split(), float).reshape(22, 3)))
    assert result["n"] == 22 and result["df"] == 2
    assert result["statistic"] == pytest.approx(11.143, abs=5e-4) and result["p"] == pytest.approx(0.003805, abs=5e-7)
    assert result["effect"] == pytest.approx(11.1429 / (22 * 2), abs=1e-4)
    with pytest.raises(ValueError, match="not 2 and 2"):
        stats.friedman(pd.DataFrame({"a": [1.0, 2], "b": [1.0, 2]}))


def test_kruskal_textbook():
    # Hollander and Wolfe (1973), p. 116, and R's kruskal.test: chi-squared = 0.77143, df = 2, p = 0.68.
    result = stats.kruskal(groups([2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0]))
    assert result["statistic"] == pytest.approx(0.77143, abs=5e-6) and result["p"] == pytest.approx(0.68, abs=5e-3)
    assert result["n"] == 14 and result["effect"] == pytest.approx(0.77143 / 13, abs=1e-5)


def test_wilcoxon_textbook():
    # Hollander and Wolfe (1973), p. 29, and R's wilcox.test: V = 40, one-sided p = 0.01953; W- = 45 - 40 = 5.
    x = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    y = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    pair = stats.pairs(pd.DataFrame({"x": x, "y": y}), "within").iloc[0]
    assert pair["p"] == pytest.approx(2 * 0.01953, abs=1e-5)
    assert pair["effect"] == pytest.approx((40 - 5) / 45)
    assert pair["p_holm"] == pair["p"]  # one pair: nothing to correct


def test_effects_by_hand_with_zeros_and_ties():
    # |d| without the zero: 1, 1, 2, 3 have ranks 1.5, 1.5, 3, 4; W+ = 1.5 + 3 + 4 = 8.5, W- = 1.5; (8.5 - 1.5) / 10.
    assert stats.rank_biserial([0, 1, -1, 2, 3]) == pytest.approx(0.7)
    # Of 9 pairs x is above y once (3, 2) and below it 6 times, equal twice.
    assert stats.cliffs_delta([1, 2, 3], [2, 3, 4]) == pytest.approx(-5 / 9)


def test_dunn_by_hand():
    # N = 9, no ties: variance 9 * 10 / 12 = 7.5; mean ranks 2, 5, 8; spread sqrt(7.5 * 2 / 3) = sqrt(5).
    pairs = stats.pairs(groups([1, 2, 3], [4, 5, 6], [7, 8, 9]), "between")
    p = 2 * sps.norm.sf([3 / 5**0.5, 6 / 5**0.5])
    assert pairs["p"].tolist() == pytest.approx([p[0], p[1], p[0]])
    # Holm (1979): smallest p times 3, the next two times 2 and 1, made monotone.
    assert pairs["p_holm"].tolist() == pytest.approx([2 * p[0], 3 * p[1], 2 * p[0]])
    assert pairs["effect"].tolist() == [-1, -1, -1] and pairs["n"].tolist() == [6, 6, 6]
    # Values 1 1 | 1 2: ranks 2 2 | 2 4, one tie of 3: variance 4 * 5 / 12 - (27 - 3) / (12 * 3) = 1; z = 2 - 3.
    assert stats.dunn_p(groups([1, 1], [1, 2]), "g0", "g1") == pytest.approx(2 * sps.norm.sf(1))


def test_data_without_any_difference():
    flat = pd.DataFrame(np.full((10, 4), 3.0), columns=list("abcd"))
    assert stats.friedman(flat)["p"] == stats.kruskal(flat)["p"] == 1
    for design in study.DESIGNS:
        pairs = stats.pairs(flat, design, np.random.default_rng(1), 50)
        assert (pairs["p_holm"] == 1).all() and (pairs[["effect", "low", "high"]] == 0).all(axis=None)


def draw(rng, design, effect, n=40):
    """Scores as means of four items, thus with ties; the first of four types is ``effect`` above the others."""
    noise = rng.normal(0, 0.5, (n, 1, 1)) + rng.normal(0, 1, (n, 4, 4))
    table = np.clip(np.rint(3 + noise + np.array([effect, 0, 0, 0])[:, None]), 1, 5).mean(axis=2)
    if design == "between":
        table = np.where((np.arange(n) % 4)[:, None] == np.arange(4), table, np.nan)
    return pd.DataFrame(table, columns=["a", "b", "c", "d"])


@pytest.mark.parametrize("design", study.DESIGNS)
def test_none_is_rejected_at_the_nominal_rate_and_a_planted_effect_is_found(design):
    rng, whole = np.random.default_rng(7), stats.TESTS[design][0]
    # Kruskal-Wallis is a little conservative in small groups: 20 participants a group are enough.
    none = [draw(rng, design, 0, n=40 if design == "within" else 80) for _ in range(200)]
    # 99.8% of binomial(200, 0.05) lies between 2 and 21.
    assert 2 <= sum(whole(table)["p"] < 0.05 for table in none) <= 21
    # Holm: at most 0.05 for any false pair; 99.9% of binomial(40, 0.05) is at most 7.
    assert sum(stats.pairs(table, design)["p_holm"].min() < 0.05 for table in none[:40]) <= 7
    for _ in range(5):
        table = draw(rng, design, 2.0)
        found = stats.pairs(table, design, rng, 200).query("first == 'a'")
        assert whole(table)["p"] < 0.01 and (found["p_holm"] < 0.05).all() and (found["low"] > 0).all()


@pytest.mark.parametrize("design", study.DESIGNS)
def test_intervals_of_effects_hold_the_true_effect_about_as_often_as_they_say(design):
    rng = np.random.default_rng(3)
    true = stats.pairs(draw(rng, design, 0.5, n=8000)[["a", "b"]], design)["effect"].iloc[0]
    held = 0
    for _ in range(50):
        pair = stats.pairs(draw(rng, design, 0.5, n=80)[["a", "b"]], design, rng, 200).iloc[0]
        held += pair["low"] <= true <= pair["high"]
    assert held >= 41  # nominal 47.5; 99.9% of binomial(50, 0.95) is at least 41


def test_describe_by_hand_and_by_seed():
    scored = pd.DataFrame(
        {"participant": ["P1", "P2", "P3", "P4"], "trace_type": "r1", "scale": "interpretability"}
        | {"score": [1.1, 2.0, 3.9, 5.0], "answers": 4}
    )
    one, same, other = (stats.describe(scored, np.random.default_rng(s), 19) for s in (1, 1, 2))
    assert one.loc[0, ["n", "mean", "median"]].tolist() == pytest.approx([4, 3, 2.95])
    assert one.loc[0, "sd"] == pytest.approx(((1.9**2 + 1 + 0.9**2 + 4) / 3) ** 0.5)
    assert one.loc[0, "low"] < 3 < one.loc[0, "high"]
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def test_the_comparison_counts_those_left_out_as_careless():
    ratings = simulate(np.random.default_rng(5))
    flagged = int(study.careless(ratings)["careless"].sum())
    tests, pairs = stats.compare(ratings, np.random.default_rng(1), 20)
    assert tests["test"].tolist() == ["Friedman", "Friedman"] and len(pairs) == 12
    assert (pairs["n"] - pairs["n_careful"] == flagged).all() and flagged >= 4
    one = ratings[ratings["order"] == 1]  # each participant's first trace: a between design
    assert stats.compare(one, np.random.default_rng(1), 20)[0]["test"].unique() == ["Kruskal-Wallis"]
