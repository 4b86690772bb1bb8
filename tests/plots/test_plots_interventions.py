"""Pictures of the interventions: every estimate is drawn where the table says, and nothing else."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tracekd.plots.interventions import FOLLOW_STYLE, follow_bars, variant_accuracy


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def estimates(column, values, **more):
    return [
        {"condition": c, column: name, "value": v, "low": v - 0.1, "high": v + 0.1, "n": 40, **more}
        for c, part in values.items()
        for name, v in part.items()
    ]


def test_accuracy_by_variant(ax):
    values = {"correct": {"own": 0.5, "gold": 0.9, "masked": 0.4}, "vanilla": {"gold": 0.6, "masked": 0.5}}
    table = pd.DataFrame(estimates("variant", values, outcome="answer_correct"))
    assert variant_accuracy(table, ax) is ax
    assert [t.get_text() for t in ax.get_xticklabels()] == ["own\nn = 40", "gold\nn = 40", "answer\nmasked\nn = 40"]
    drawn = [container.lines[0].get_ydata() for container in ax.containers]
    assert list(drawn[0]) == [0.5, 0.9, 0.4] and np.isnan(drawn[1][0]) and list(drawn[1][1:]) == [0.6, 0.5]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["correct", "vanilla"]


def test_variants_on_few_problems_are_not_drawn(ax):
    table = pd.DataFrame(estimates("variant", {"correct": {"own": 0.5, "gold": 0.9}}, outcome="logp_gold"))
    table.loc[table.variant == "own", "n"] = 19
    table = pd.concat([table, table.assign(condition="vanilla", n=lambda t: t.n // 2)])
    variant_accuracy(table, ax, outcome="logp_gold")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["gold\nn = 20\N{EN DASH}40"]


def test_follow_bars_fill_the_whole_and_show_n(ax):
    values = {
        "correct": {"trace": 0.7, "context": 0.2, "neither": 0.1},
        "incorrect": {"trace": 0.1, "context": 0.3, "neither": 0.6},
    }
    table = pd.DataFrame(estimates("follows", values, variant="given"))
    table = pd.concat([table, table.assign(condition="vanilla", n=19)])
    assert follow_bars(table, ax) is ax
    ends = [patch.get_x() + patch.get_width() for patch in ax.patches]
    assert ends[:2] == [0.7, 0.1] and np.allclose(ends[-2:], 1) and len(ends) == 6
    texts = [t.get_text() for t in ax.texts]
    assert texts.count("n = 40") == 2 and "70%" in texts
    place = {t.get_text(): t.get_position()[0] for t in ax.texts}
    assert place["30%"] == pytest.approx(0.3)  # in the middle of what the whisker, up to 0.2, leaves free
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [label for label, *_ in FOLLOW_STYLE.values()]
