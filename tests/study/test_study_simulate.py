"""SIMULATED ratings hit the means they should; power is nominal without an effect and grows with it."""

import numpy as np
import pandas as pd
import pytest

from tracekd.study import ratings, simulate


def test_simulated_ratings_have_the_published_means_and_hold_careless_participants():
    data = simulate.simulate(np.random.default_rng(121))
    wanted = simulate.assumption_table().set_index("quantity").value
    pd.testing.assert_frame_equal(data, simulate.simulate(np.random.default_rng(121)))
    assert len(data) == 100 * (4 * 7 + 2) and tuple(data.columns) == ratings.COLUMNS
    for scale in ratings.SCALES:
        for kind, mean in ratings.scores(data, scale).mean().items():
            # One answer more or less moves a mean by 1 / answers: 400 or 300.
            assert mean == pytest.approx(wanted[f"mean {scale.replace('_', ' ')}, {kind}"], abs=0.003), (scale, kind)
    assert 4 <= ratings.careless(data).sum() <= 10
    points = ratings.answers(data).groupby("participant")
    assert (points["seconds"].median()[points["rating"].nunique() == 1] < ratings.FAST).sum() == 4
    first = ratings.answers(data).query("order == 1").groupby("trace_type")
    assert (first["participant"].nunique() == 25).all()  # orders are balanced


def test_the_assumption_table_names_each_mean_and_its_origin():
    table = simulate.assumption_table().set_index("quantity")
    assert table["origin"].value_counts()["published"] == 4  # three means and the number of participants
    assert table.loc["mean interpretability, r1", "value"] == 3.39 and table["value"].notna().all()


def test_power_is_nominal_without_an_effect_and_grows_with_it():
    curves = simulate.power(np.random.default_rng(9), 100, effects=(0.0, 1.0)).set_index(["effect", "test"])["power"]
    # 99.9% of binomial(100, 0.05) lies at or below 12, of binomial(100, 0.05 / 6) at or below 5.
    assert curves[0.0, "any"] * 100 <= 12 and curves[0.0, "pair"] * 100 <= 5
    assert (curves[1.0] > 0.9).all()


def test_minimum_detectable_effect_by_hand():
    curve = pd.DataFrame({"test": "any", "effect": [0.0, 0.2, 0.4]})
    # From 0.6 at 0.2 to 1.0 at 0.4, 0.8 is half way: 0.3.
    assert simulate.minimum_detectable(curve.assign(power=[0.05, 0.6, 1.0])) == {"any": pytest.approx(0.3)}
    assert np.isnan(simulate.minimum_detectable(curve.assign(power=[0.05, 0.6, 0.7]))["any"])
