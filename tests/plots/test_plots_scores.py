"""Pictures draw on the axes they are given, and show the numbers of their table."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from invented_verdicts import frame, rng

from tracekd.analysis import paper_check, replication
from tracekd.plots import scores, style
from tracekd.stats import intervals


@pytest.fixture
def ax():
    yield plt.subplots()[1]
    plt.close("all")


def ticks(ax) -> list[str]:
    return [t.get_text() for t in ax.get_yticklabels()]


def test_points_stand_where_the_table_says_with_one_marker_per_condition(ax):
    table = pd.DataFrame({"dataset": ["babi", "babi", "marco"], "condition": ["vanilla", "correct", "r1 (templated)"],
                          "value": [0.4, 0.6, 0.5], "low": 0.3, "high": 0.7})  # fmt: skip
    assert scores.points(table, ax, group="dataset", unit="share") is ax
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["vanilla", "correct", "r1 (templated)"]
    assert [c.lines[0].get_xdata().tolist() for c in ax.containers] == [[0.4], [0.6], [0.5]]
    assert [c.lines[0].get_marker() for c in ax.containers] == ["s", "D", "v"]
    assert ticks(ax) == ["MS MARCO", "bAbI"]  # from below
    ax.clear()
    scores.points(table[1:], ax, group="condition", unit="share")
    assert ax.get_legend() is None and [c.lines[0].get_marker() for c in ax.containers] == ["D", "v"]


def test_phi_has_no_point_on_few_traces(ax):
    cells = {"a": {"both": 30, "answer_only": 20, "trace_only": 10, "neither": 40}}
    cells["b"] = {"both": 9, "answer_only": 20, "trace_only": 10, "neither": 40}  # 19 right traces
    rows = [{"title": name, "rules": "id-aligned", **intervals.association(**of)} for name, of in cells.items()]
    scores.phi_forest(pd.DataFrame(rows), ax)
    assert [t.get_text() for t in ax.texts] == ["fewer than 20 right or wrong traces"]
    assert ax.containers[0].lines[0].get_xdata().tolist() == [pytest.approx(0.408, abs=1e-3)]


def test_accuracy_has_a_line_per_training_and_a_panel_per_set(ax):
    right, lone = [1, 0] * 10, ", one seed"
    ours = pd.concat([frame({"prompted": right, "few_shot_traces": right, "vanilla": right}),
                      frame({"vanilla": [1] * 30}, dataset="cotempqa", size=183)])  # fmt: skip
    fig = scores.accuracy(replication.accuracies(ours, rng(), 20))
    assert [(ax.get_title(loc="left"), ticks(ax)[::-1]) for ax in fig.axes] == [
        ("bAbI, trained on 1,000 problems (n = 20 test problems)", ["prompted", "few shot traces", "vanilla" + lone]),
        ("CoTempQA, trained on 183 problems (n = 30 test problems)", ["vanilla" + lone]),
    ]
    assert len({(style.colour_of(c), style.marker_of(c)) for c in style.COLOURS}) == len(style.COLOURS)  # none alike


def test_the_forest_has_a_panel_per_unit_and_the_verdict_beside_each_line(ax):
    right, traces = [1, 0] * 60, [1, 0] * 58 + [1, 1, 0, 0]  # 59 of 60 right after right traces, 1 of 60 after wrong
    ours = frame({"vanilla": right, "correct": right, "incorrect": right}, {"correct": traces}, seeds=(1, 2))
    table = replication.tested(ours, rng(), 200)
    fig = scores.claim_forest(table[table.verdict != replication.NOT_TESTED])
    assert [len(ticks(ax)) for ax in fig.axes] == [3, 1]  # three pairs of trainings; the tie with the trace
    words = [text.get_text() for text in fig.axes[1].texts]
    assert words == ["Answers are as often right after wrong traces as after right ones", "not supported"]


def test_the_hero_shows_both_tables(ax):
    phi = pd.DataFrame({"dataset": "babi", "student": "Q-Instruct", "rules": ["as printed", "id-aligned"]})
    phi = phi.assign(phi=[0.0, 0.5], phi_low=[-0.1, 0.4], phi_high=[0.1, 0.6], **dict.fromkeys(paper_check.CELLS, 20))
    forced = pd.DataFrame({"dataset": "marco", "condition": "correct", "variant": ["both_wrong", "gold", "empty"]})
    forced = forced.assign(value=[0.1, 0.9, 0.5], low=0.05, high=0.95, n=42)
    left, right = scores.hero(phi, forced, ("One", "Two")).axes
    assert [ax.get_title(loc="left") for ax in (left, right)] == ["(a) One", "(b) Two"]
    assert ticks(left) == ["bAbI, Q"] and ticks(right) == ["MS MARCO, taught\ncorrect traces, n = 42"]
    drawn = {c.get_label(): c.lines[0].get_xdata()[0] for c in right.containers}
    assert drawn == {"right trace": 0.9, "empty trace": 0.5, "wrong trace": 0.1}
