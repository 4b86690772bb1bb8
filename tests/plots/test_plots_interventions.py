"""Pictures of traces: every estimate is drawn where the table says, and a view shows what the verifier says."""

import matplotlib.pyplot as plt
import pandas as pd

from tracekd.data import problems
from tracekd.plots import steps
from tracekd.plots.interventions import variant_accuracy


def estimates(values, n=40):
    rows = [(c, name, v, v - 0.1, v + 0.1) for c, part in values.items() for name, v in part.items()]
    table = pd.DataFrame(rows, columns=["condition", "variant", "value", "low", "high"])
    return table.assign(outcome="answer_correct", n=n)


def test_accuracy_by_variant_without_those_on_few_problems():
    table = estimates({"correct": {"masked": 0.4, "own": 0.5, "gold": 0.9}, "vanilla": {"gold": 0.6}})
    few = estimates({"vanilla": {"masked": 0.5}}, 20), estimates({"vanilla": {"own": 0.5}}, 19)
    ax = variant_accuracy(pd.concat([table, *few]), plt.subplots()[1])
    names = ["own, n = 40", "gold, n = 40", "masked, n = 20\N{EN DASH}40"]  # from above
    assert [t.get_text() for t in ax.get_yticklabels()] == names[::-1]
    drawn = [container.lines[0].get_xdata().tolist() for container in ax.containers]
    assert drawn == [[0.5, 0.9, 0.4], [0.6, 0.5]]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["correct", "vanilla"]
    assert [line.get_xdata()[0] for line in ax.lines if list(line.get_ydata()) == [0, 1]] == [0.5]
    plt.close(ax.figure)


def test_the_view_of_corruptions_shows_the_verifiers_verdicts():
    stories = problems.load("babi", "generated", size=60, seed=5)
    shown = steps.corruptions(next(p for p in stories if p.category == "two-supporting-facts"))
    assert shown.trace.tolist()[0] == "correct" and len(shown) == 10  # three kinds, each of one step or both
    assert (shown.classification == "right").tolist() == [True, *(False, True, False) * 3]
    assert (shown.retrieval == "right").tolist() == [True, *(True, False, False) * 3]
