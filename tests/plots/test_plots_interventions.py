"""Pictures of forced traces: every estimate is drawn where the table says, and nothing else."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tracekd.plots.interventions import variant_accuracy


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def estimates(values, n=40):
    return pd.DataFrame(
        {
            "condition": c,
            "variant": name,
            "outcome": "answer_correct",
            "value": v,
            "low": v - 0.1,
            "high": v + 0.1,
            "n": n,
        }
        for c, part in values.items()
        for name, v in part.items()
    )


def test_accuracy_by_variant(ax):
    table = estimates({"correct": {"own": 0.5, "gold": 0.9, "masked": 0.4}, "vanilla": {"gold": 0.6, "masked": 0.5}})
    assert variant_accuracy(table, ax) is ax
    assert [t.get_text() for t in ax.get_xticklabels()] == ["own\nn = 40", "gold\nn = 40", "answer\nmasked\nn = 40"]
    drawn = [container.lines[0].get_ydata() for container in ax.containers]
    assert list(drawn[0]) == [0.5, 0.9, 0.4] and np.isnan(drawn[1][0]) and list(drawn[1][1:]) == [0.6, 0.5]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["correct", "vanilla"]


def test_variants_on_few_problems_are_not_drawn(ax):
    table = pd.concat([estimates({"correct": {"gold": 0.9}}), estimates({"vanilla": {"gold": 0.9}}, 20)])
    variant_accuracy(pd.concat([table, estimates({"correct": {"own": 0.5}}, 19)]), ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["gold\nn = 20\N{EN DASH}40"]
