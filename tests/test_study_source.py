"""The stamp comes with simulated ratings and goes with real ones; the pictures draw what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tracekd import plots_study, study, study_power, study_source, study_stats
from tracekd.study_simulate import simulate


@pytest.fixture(scope="module")
def simulated():
    return study_source.open_study("", np.random.default_rng(121))


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_simulated_ratings_are_stamped_everywhere(simulated):
    fig = plt.figure()
    simulated.stamp(fig)
    assert simulated.simulated and "SIMULATED" in simulated.source
    assert simulated.name("05_likert") == "05_likert_SIMULATED"
    assert simulated.caption("Shares.").startswith("SIMULATED ratings")
    assert fig.get_suptitle() == "SIMULATED ratings"
    assert "SIMULATED" in simulated.table(study.shares(simulated.ratings)).to_html()
    plt.close(fig)


def test_the_stamp_goes_with_a_real_file(tmp_path):
    path = tmp_path / "lab.csv"
    simulate(np.random.default_rng(5)).to_csv(path, index=False)
    data, fig = study_source.open_study(str(path), np.random.default_rng(1)), plt.figure()
    data.stamp(fig)
    words = [data.source, data.name("05_likert"), data.caption("Shares."), fig.get_suptitle()]
    assert not data.simulated and not any("SIMULATED" in text for text in words)
    assert data.source == "ratings file lab.csv" and data.n == 100 and data.design == "within"
    assert "SIMULATED" not in data.table(study.shares(data.ratings)).to_html()
    plt.close(fig)


def test_only_published_means_count_as_known_beside_simulated_ratings(simulated):
    described = study_stats.describe(study.scores(simulated.ratings), np.random.default_rng(1), 100)
    points = study_source.accuracy_points(described, simulated=True)
    assert len(points) == 16 and set(points.loc[points["known"], "trace_type"]) == {"r1", "correct"}
    assert study_source.accuracy_points(described, simulated=False)["known"].all()


def test_robustness_counts_those_left_out(simulated):
    both = study_source.robustness(simulated.ratings, np.random.default_rng(1), 50)
    flagged = int(study.careless(simulated.ratings)["careless"].sum())
    assert len(both) == 12 and (both["n_all"] - both["n_careful"] == flagged).all() and flagged >= 4


def test_likert_bars_are_centred_on_the_middle_point_and_sum_to_100(simulated, ax):
    shares = study.shares(simulated.ratings).query("scale == 'interpretability'")
    assert plots_study.likert(shares, list("abcde"), ax) is ax
    bars = [bar for container in ax.containers for bar in container]
    assert len(bars) == 20
    assert sum(bar.get_width() for bar in bars) == pytest.approx(400)
    middle = ax.containers[2][0]
    assert middle.get_x() + middle.get_width() / 2 == pytest.approx(0)
    assert ax.get_yticklabels()[0].get_text() == "R1\nn = 100"


def test_other_pictures_draw_on_the_axes_they_are_given(simulated, ax):
    rng = np.random.default_rng(1)
    scored = study.scores(simulated.ratings)
    described = study_stats.describe(scored, rng, 50)
    published = study.published().query("quantity == 'interpretability'")
    assert plots_study.means(described.query("scale == 'interpretability'"), published, ax) is ax
    assert sum(line.get_marker() == "D" for line in ax.lines) == 2  # two published means
    pairs = study_stats.compare(scored, "within", rng, 20)[1]
    assert plots_study.pairwise(pairs.query("scale == 'interpretability'"), ax) is ax
    points = study_source.accuracy_points(described, True).query("student == 'Qwen3-8B'")
    assert plots_study.against_accuracy(points, ax) is ax
    curves = study_power.power(rng, 3, effects=(0.0, 1.0), designs=("within",))
    assert plots_study.power_curves(curves, ax) is ax
