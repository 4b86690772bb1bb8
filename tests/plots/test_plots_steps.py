"""Pictures of steps return their axes; views show what the derivation and the verifier say."""

import matplotlib.pyplot as plt
import pytest

from tracekd.data import problems
from tracekd.decompose.agreement import compare_all, step_sizes, summary
from tracekd.plots import steps


@pytest.fixture(scope="module")
def sets():
    return {name: problems.load(name, "generated", size=60, seed=5) for name in problems.DATASETS}


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_every_plot_returns_its_axes(sets, ax):
    for made in sets.values():
        assert steps.flow(made[0], ax) is ax
    table = step_sizes(sets["babi"])
    assert table.share.sum() == pytest.approx(1) and table.n.sum() == 60
    assert steps.agreement(summary(compare_all(sets["babi"])), ax) is ax


def test_views(sets):
    story = next(p for p in sets["babi"] if p.category == "two-supporting-facts")
    shown = steps.corruptions(story)
    assert shown.trace.tolist()[0] == "correct" and len(shown) == 10  # three kinds, each of one step or both
    assert (shown.classification == "right").tolist() == [True, *(False, True, False) * 3]
    assert (shown.retrieval == "right").tolist() == [True, *(True, False, False) * 3]
