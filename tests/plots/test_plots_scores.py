"""Pictures draw on the axes they are given, and show the numbers of their table."""

import subprocess
import sys

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from conftest import ROOT

from tracekd.plots import scores
from tracekd.stats import intervals

CELLS = {"both": 30, "answer_only": 20, "trace_only": 10, "neither": 40}


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def test_the_style_is_set_by_a_call_and_not_by_an_import():
    code = (
        "import matplotlib as mpl; before = mpl.rcParams['font.size'], mpl.rcParams['pdf.fonttype']\n"
        "import tracekd.plots.scores, tracekd.plots.steps, tracekd.plots.display\n"
        "from tracekd.plots.style import use_style\n"
        "assert before == (mpl.rcParams['font.size'], mpl.rcParams['pdf.fonttype'])\n"
        "use_style(); assert (mpl.rcParams['font.size'], mpl.rcParams['pdf.fonttype']) == (8, 42)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_points_stand_where_the_table_says(ax):
    table = pd.DataFrame({"dataset": ["a", "a"], "condition": ["vanilla", "correct"], "value": [0.4, 0.6],
                          "low": [0.3, 0.5], "high": [0.5, 0.7]})  # fmt: skip
    assert scores.points(table, ax, group="dataset", colour="condition") is ax
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["vanilla", "correct"]
    assert [float(c.lines[0].get_ydata()[0]) for c in ax.containers] == [0.4, 0.6]


def test_a_matrix_shows_counts_and_intervals_and_the_rest_is_off():
    fig, axs = plt.subplots(1, 2)
    scores.matrices(pd.DataFrame([CELLS | {"condition": "correct"}]), axs)
    words = [t.get_text() for t in axs[0].texts]
    low, high = intervals.wilson(30, 100)
    assert words[:2] == ["30\n30%", f"{100 * low:.0f} to {100 * high:.0f}%"] and len(words) == 8
    assert axs[0].axison and not axs[1].axison
    plt.close(fig)


def test_shares_and_phi_with_undefined_rows(ax):
    table = pd.DataFrame([{"condition": name, "rules": "id-aligned", **intervals.association_row(cells)}
                          for name, cells in (("a", CELLS), ("b", {"neither": 5}))])  # fmt: skip
    scores.share_bars(table, ax)
    ax.clear()
    scores.phi_forest(table, ax, label="condition", kind="rules", colours=scores.RULE_COLOURS)
    assert [t.get_text() for t in ax.texts] == ["undefined: trace or answer never varies"]


def test_a_condition_has_one_marker_whatever_stands_before_it(ax):
    table = pd.DataFrame({"dataset": "a", "condition": ["vanilla", "correct", "r1 (templated)"], "value": 0.5})
    table = table.assign(low=0.4, high=0.6)
    markers = []
    for shown in (table, table[1:]):
        ax.clear()
        scores.points(shown, ax, group="dataset", colour="condition")
        markers.append({c.get_label(): c.lines[0].get_marker() for c in ax.containers})
    assert markers[1] == {"correct": "D", "r1 (templated)": "v"} and markers[0] == markers[1] | {"vanilla": "s"}
