"""Statistics against values derived by hand; the derivation stands beside each."""

import math

import numpy as np
import pytest

from tracekd.stats import intervals


def test_wilson_by_hand():
    # k=8, n=10, z=1.959964: centre (0.8 + z²/20)/(1 + z²/10) = (0.8 + .192073)/1.384146 = 0.716740;
    # half width z/1.384146 * sqrt(.8*.2/10 + z²/400) = 1.416010 * sqrt(.016 + .0096036) = 0.226577.
    assert intervals.wilson(8, 10) == pytest.approx((0.490163, 0.943318), abs=2e-6)
    assert all(math.isnan(v) for v in intervals.wilson(0, 0))
    with pytest.raises(ValueError):
        intervals.wilson(11, 10)


def test_association_by_hand():
    found = intervals.association(both=30, answer_only=20, trace_only=10, neither=40)
    # Rows trace right 40, wrong 60; columns answer right 50, wrong 50; n = 100.
    # chi2 = n (30*40 - 10*20)² / (40*60*50*50) = 100 * 1000² / 6,000,000 = 16.6667; phi = 1000/sqrt(6e6) = .408248.
    assert found["chi2"] == pytest.approx(16.666667) and found["phi"] == pytest.approx(0.408248, abs=1e-6)
    # Least expected count: 40 * 50 / 100 = 20. p of chi2 with 1 df: erfc(sqrt(16.6667/2)).
    assert (found["expected_min"], found["test"]) == (pytest.approx(20), "chi2")
    assert found["p_value"] == pytest.approx(math.erfc(math.sqrt(16.6666667 / 2)), rel=1e-6)
    # Joint share 30/100, conditional 30/40 and 20/60.
    assert (found["joint"], found["p_answer_given_trace"]) == (0.30, 0.75)
    assert found["difference"] == pytest.approx(0.75 - 1 / 3)


def test_small_and_empty_tables():
    # 3, 0 / 0, 3: Fisher's p = 2 / C(6, 3) = 0.1; expected counts are 1.5.
    small = intervals.association(both=3, answer_only=0, trace_only=0, neither=3)
    assert (small["test"], small["p_value"]) == ("fisher", pytest.approx(0.1))
    empty = intervals.association(both=0, answer_only=324, trace_only=0, neither=52)
    assert empty["test"] == "undefined"
    assert math.isnan(empty["chi2"]) and math.isnan(empty["phi"]) and math.isnan(empty["p_value"])
    assert math.isnan(empty["p_answer_given_trace"])
    assert empty["p_answer_given_not_trace"] == pytest.approx(324 / 376)
    with pytest.raises(ValueError, match="-1"):
        intervals.association(-1, 2, 3, 4)


def test_phi_interval_has_a_width_at_its_ends():
    # 3, 0 / 0, 3. Shares with phi r and even margins are (1 + r)/4 where a count stands, (1 - r)/4 elsewhere.
    # Pearson: 2 * 3²/(6 (1 + r)/4) - 6 = 12/(1 + r) - 6 = 1.959964² gives r = 12/9.841459 - 1 = 0.219331,
    # which is Wilson's low end of 6 agreements in 6, 6/9.841459 = 0.609666, as 2 * 0.609666 - 1.
    assert intervals.phi_interval([3, 0, 0, 3]) == pytest.approx((1, 0.219331, 1), abs=1e-3)
    assert 2 * intervals.wilson(6, 6)[0] - 1 == pytest.approx(0.219331, abs=1e-6)
    assert intervals.phi_interval([0, 3, 3, 0]) == pytest.approx((-1, -1, -0.219331), abs=1e-3)


@pytest.mark.parametrize("cells", [[4, 2, 1, 3], [1, 1, 1, 1], [0, 3, 40, 60], [0, 1, 1, 1000], [3, 0, 1, 9]])
def test_phi_interval_of_small_cells_against_drawn_shares(cells):
    counts, rng = np.array(cells, float), np.random.default_rng(5)
    shares = np.concatenate([rng.dirichlet(counts * k + 0.5, size=40000) for k in (0.3, 0.6, 1.0)])
    kept = shares[(counts**2 / (counts.sum() * shares)).sum(1) - counts.sum() <= 1.959964**2]
    a, b, c, d = kept.T
    phis = (a * d - b * c) / np.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    value, low, high = intervals.phi_interval(cells)
    # No share that the test keeps lies outside, and some lie near each end.
    assert low - 1e-3 <= phis.min() <= low + 0.05 and high - 0.05 <= phis.max() <= high + 1e-3
    assert low < value < high


def test_mcnemar_and_paired_difference_by_hand():
    # 8 problems: 5 only the first is right, 1 only the second, 2 both.
    first, second = [1] * 5 + [0] + [1, 1], [0] * 5 + [1] + [1, 1]
    found = intervals.compare(first, second, 0.05)
    # Two-sided exact binomial, 1 of 6 at 1/2: 2 (1 + 6) / 64 = 0.21875. Difference (5 - 1) / 8.
    assert (found["p_value"], found["value"]) == pytest.approx((0.21875, 0.5))
    # Bonett and Price: p10 = 6/10, p01 = 2/10, centre .4, se = sqrt((.8 - .16) / 10) = .252982.
    half = 1.959964 * 0.252982
    assert (found["low"], found["high"]) == pytest.approx((0.4 - half, 0.4 + half), abs=1e-5)
    assert intervals.compare([True] * 4, [True] * 4, 0.05)["p_value"] == 1.0
    with pytest.raises(ValueError, match="1 and 2"):
        intervals.compare([True], [True, False], 0.05)


def test_holm_by_hand():
    # Sorted .01, .03, .04: times 3, 2, 1, made non-decreasing: .03, .06, .06. NaN is no test.
    found = intervals.holm([0.04, 0.01, float("nan"), 0.03])
    assert found == pytest.approx([0.06, 0.03, float("nan"), 0.06], nan_ok=True)


def test_tost():
    # 998 problems, 9 discordant on each side: p10 = p01 = 10/1000, centre 0, se = sqrt(.02/1000) = .00447214;
    # both one-sided p = 1 - Phi(.05/.00447214) = 1 - Phi(11.18): equivalent within five points.
    first = [True] * 9 + [False] * 9 + [True] * 980
    second = [False] * 9 + [True] * 9 + [True] * 980
    found = intervals.compare(first, second, margin=0.05)
    assert found["tost_p"] == pytest.approx(math.erfc(11.1803 / 2**0.5) / 2, rel=1e-3)
    # Eight problems cannot show equivalence: nothing found is not the same as no difference.
    assert intervals.compare([True] * 8, [True] * 7 + [False], margin=0.05)["tost_p"] > 0.05
    with pytest.raises(ValueError, match="margin 5"):
        intervals.compare(first, second, margin=5)


def test_minimum_detectable():
    # psi = .2, n = 400: d sqrt(n) = 1.959964 sqrt(.2) + .841621 sqrt(.2 - d²); d = .0623 gives 1.246 against
    # .876523 + .841621 * .442853 = 1.249234, so d is just above .0623.
    assert intervals.minimum_detectable(400, 0.2) == pytest.approx(0.06246, abs=1e-4)
    assert math.isnan(intervals.minimum_detectable(3, 1.0))
