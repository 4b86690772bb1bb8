"""Models, reliability and rank correlation against published tables, hand-worked values and planted effects."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.miscmodels.ordinal_model import OrderedModel

from tracekd.study import ratings as study
from tracekd.study import stats


def ratings(rng, shift, participants=60, items=("predictable", "comprehensible"), person_sd=1.0):
    """Proportional-odds ratings: logistic latent values, ``shift`` log odds added for r1, participants as clusters."""
    rows = []
    for p in range(participants):
        person = rng.normal(0, person_sd)
        for kind in study.TRACE_TYPES:
            for item in items:
                value = person + rng.logistic() + (shift if kind == "r1" else 0)
                point = 1 + int((value > np.array([-2, -0.7, 0.7, 2])).sum())
                rows.append((f"P{p:03d}", "q", kind, item, point, np.nan, np.nan))
    return pd.DataFrame(rows, columns=list(study.COLUMNS))


def r1_row(data):
    return stats.models(data).set_index("trace_type").loc["r1"]


@pytest.fixture(autouse=True)
def _one_scale(monkeypatch):
    """Items of interpretability alone are rated here."""
    monkeypatch.setattr(stats, "SCALES", ("interpretability",))


def test_ordinal_agrees_with_maximum_likelihood_where_answers_are_independent():
    data = ratings(np.random.default_rng(5), 1.0, participants=150, items=("predictable",), person_sd=0.0)
    row = r1_row(data)
    x = pd.get_dummies(data["trace_type"])[["r1", "r1_summary", "r1_explanation"]].astype(float)
    likelihood = OrderedModel(data["rating"], x, distr="logit").fit(method="bfgs", disp=False)
    assert row["estimate"] == pytest.approx(likelihood.params["r1"], abs=0.05)
    assert row["low"] < 1.0 < row["high"]


def test_planted_effect_is_found_and_none_rejected_at_the_nominal_rate():
    rng = np.random.default_rng(11)
    none = [stats.models(ratings(rng, 0.0, participants=40, items=("predictable",))) for _ in range(40)]
    found = pd.concat(none).query("trace_type == 'r1'")
    # 99.9% of binomial(40, 0.05) lies at or below 7; sandwich errors reject a little more often than they say.
    assert found["p"].lt(0.05).sum() <= 8 and len(found) == 40
    for shift in (1.5, -1.5):
        row = r1_row(ratings(rng, shift))
        assert row["p"] < 0.001 and np.sign(row["estimate"]) == np.sign(shift)


def test_separation_gives_missing_estimates_and_an_unknown_reference_is_refused():
    data = ratings(np.random.default_rng(2), 0.0)
    with pytest.raises(ValueError, match="'swapped'"):
        stats.models(data, reference="swapped")
    assert np.isnan(r1_row(data.assign(rating=np.where(data["trace_type"] == "correct", 5, 1)))["estimate"])


def test_cronbach_alpha_by_hand():
    # Item variances 1 and 7/3; sums 3, 5, 8 have variance 19/3; alpha = 2 (1 - (10/3) / (19/3)) = 18/19.
    assert stats.cronbach_alpha([[1, 2], [2, 3], [3, 5]]) == pytest.approx(18 / 19)
    with pytest.raises(ValueError, match="not 1"):
        stats.cronbach_alpha(np.ones((3, 1)))


def test_reliability_finds_planted_agreement_and_none():
    rng = np.random.default_rng(4)
    agreed = stats.reliability(ratings(rng, 3.0, person_sd=2.0), rng, 100).set_index("trace_type")
    noise = stats.reliability(ratings(rng, 0.0, person_sd=0.0), rng, 100)
    assert agreed["value"]["correct"] > 0.5 and (noise["low"] < 0.1).all() and len(noise) == 4


def test_rank_correlation_by_hand_and_its_floor():
    x = pd.Series([1.0, 2, 3, 4], index=list(study.TRACE_TYPES))
    falling = stats.rank_correlation(x, -x)
    # 4! = 24 orders; only the two perfect ones reach |rho| = 1.
    assert falling["rho"] == pytest.approx(-1) and falling["p"] == falling["smallest_p"] == pytest.approx(2 / 24)
    # Ranks 1 2 3 4 and 2 1 4 3: sum of d^2 = 4, rho = 1 - 6 * 4 / (4 * 15) = 0.6.
    some = stats.rank_correlation(x, pd.Series([2.0, 1, 4, 3], index=x.index))
    assert some["rho"] == pytest.approx(0.6)
    # Exact two-sided p of |rho| >= 0.6 at n = 4: 10 of 24 orders (sum of d^2 at most 4 or at least 16).
    assert some["p"] == pytest.approx(10 / 24)


def test_two_known_means_make_no_correlation():
    x = pd.Series([3.39, np.nan, np.nan, 4.86], index=list(study.TRACE_TYPES))
    result = stats.rank_correlation(x, x)
    assert result["n"] == 2 and np.isnan(result["rho"]) and np.isnan(result["p"])
