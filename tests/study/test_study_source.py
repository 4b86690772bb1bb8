"""The stamp comes with simulated ratings and goes with real ones; the pictures draw what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tracekd.plots import study as plots_study
from tracekd.study import ratings, simulate, source, stats


@pytest.fixture(scope="module")
def simulated():
    return source.open_study("", np.random.default_rng(121))


@pytest.fixture
def fig():
    fig = plt.figure()
    yield fig
    plt.close(fig)


@pytest.mark.parametrize("real", [False, True])
def test_simulated_ratings_are_stamped_everywhere_and_real_ones_nowhere(real, simulated, fig, tmp_path):
    data = simulated
    if real:
        simulate.simulate(np.random.default_rng(5)).to_csv(tmp_path / "lab.csv", index=False)
        data = source.open_study(str(tmp_path / "lab.csv"), np.random.default_rng(1))
    assert data.n == 100 and data.design == "within" and data.simulated != real
    about = data.about("Shares.")
    assert about["n"] == "100 participants" and about["source"] == data.source and "Shares." in about["caption"]
    table = data.table(ratings.shares(data.ratings)).to_html()
    for text in (data.source, data.name("05_likert"), about["caption"], table):
        assert ("SIMULATED" in text) != real
    assert not real or data.source == "ratings file lab.csv"


def test_the_summary_states_what_the_tables_hold(simulated):
    rng, scored = np.random.default_rng(1), ratings.scores(simulated.ratings)
    described = stats.describe(scored, rng, 50)
    pairs = stats.compare(simulated.ratings, rng, 20)[1]
    curves = simulate.power(rng, 10, effects=(0.0, 1.0))
    detectable = simulate.minimum_detectable(curves)
    found = stats.against_accuracy(described)
    text = source.summary(simulated, detectable, described, pairs, found)
    differ = int((pairs["p_holm"] < 0.05).groupby(pairs["scale"]).sum()["interpretability"])
    assert "3.39" in text and "4.86" in text and "1.47" in text and text.count("SIMULATED") == 2
    assert f"{differ} of 6 pairs differ in interpretability" in text
    reliability = stats.reliability(simulated.ratings, rng, 20)
    words = source.reliability_words(reliability)
    assert all(f"{value:.2f} [" in words for value in reliability["value"]) and words.count("n = 100") == 2


def test_published_accuracies_meet_the_simulated_means(simulated):
    described = stats.describe(ratings.scores(simulated.ratings), np.random.default_rng(1), 50)
    found = stats.against_accuracy(described).set_index("student")
    assert found.index.tolist() == list(ratings.STUDENTS) and (found["n"] == 4).all()
    # Llama-1B: R1 63.0, summary 44.1, explanation 44.4, correct 32.4; ranks 4 2 3 1 against 1 2 3 4 of the ratings:
    # sum of d^2 = 9 + 0 + 0 + 9, rho = 1 - 6 * 18 / (4 * 15).
    assert found.loc["Llama-3.2-1B-Instruct", "rho"] == pytest.approx(1 - 6 * 18 / 60)


def test_pictures_draw_what_the_tables_say(simulated, fig):
    rng = np.random.default_rng(1)
    shares = ratings.shares(simulated.ratings)
    described = stats.describe(ratings.scores(simulated.ratings), rng, 50)
    likert, means = plots_study.ratings(shares, described, fig).axes[:2]
    bars = [bar for container in likert.containers for bar in container]
    assert len(bars) == 20 and sum(bar.get_width() for bar in bars) == pytest.approx(400)
    middle = likert.containers[2][0]
    assert middle.get_x() + middle.get_width() / 2 == pytest.approx(0)
    assert likert.get_yticklabels()[0].get_text() == "R1\nn = 100"
    diamonds = [line.get_xdata()[0] for line in means.lines if line.get_marker() == "D"]
    assert [x for x in diamonds if np.isfinite(x)] == [3.39, 4.86]  # the published means
    curves = simulate.power(rng, 3, effects=(0.0, 1.0))
    axs = plots_study.power_curves(curves, fig).axes[-2:]
    for ax, design in zip(axs, ratings.DESIGNS, strict=True):
        drawn = curves[(curves["design"] == design) & (curves["test"] == "any")]
        assert ax.lines[0].get_ydata().tolist() == drawn["power"].tolist()
