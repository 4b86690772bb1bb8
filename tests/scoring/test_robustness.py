"""Outputs rewritten in forms that a careful reader would not mind: the aligned verdicts stay."""

import pytest

from tracekd.data.synthetic.generated import generate
from tracekd.io.records import read_jsonl
from tracekd.scoring import author_outputs, release_rules, robustness
from tracekd.traces import templates


def worst(counted):
    """The share of aligned verdicts that stay, lowest over the variations that change anything."""
    used = counted[counted.n > 0]
    return (used.aligned / used.n).min()


@pytest.mark.parametrize("dataset", ["cotempqa", "babi", "marco"])
def test_gold_targets_keep_their_verdicts(dataset):
    problems = generate(dataset, 200, seed=5)
    outputs = robustness.sample(problems, [], limit=60)
    outputs += [(p, templates.target(p, templates.build(p, c, seed=1)), True) for p in problems[:40]
                for c in ("vanilla", "incorrect")]  # fmt: skip
    counted = robustness.counts(outputs, release_rules.GoldRows(problems))
    assert worst(counted) == 1.0 and (counted.n > 0).sum() >= 18
    shown = robustness.table(counted)
    assert shown.shape == (20, 4)


def test_released_outputs_keep_their_verdicts(shared_data):
    for dataset in ("cotempqa", "babi"):
        problems = author_outputs.test_problems(dataset, shared_data)
        known, outputs = {p.id: p for p in problems}, []
        for path in sorted((shared_data / "released" / dataset).glob("*.jsonl.gz")):
            joiner, adapter = author_outputs.Joiner(problems), author_outputs.adapter_of(path)
            for number, row in enumerate(read_jsonl(path)):
                output = joiner.output(row, adapter, number)
                if number % 25 == 0 and output["id"] in known:
                    outputs.append((known[output["id"]], output["text"], True))
        # A variation that moves over 1% of the aligned verdicts is a defect.
        assert worst(robustness.counts(outputs, release_rules.GoldRows(problems))) >= 0.99


def test_counts_see_a_verdict_that_moves():
    problems = generate("babi", 60, seed=5)[:10]
    outputs = [(p, templates.target(p, templates.build(p, "correct")), True) for p in problems]
    changes = {"gone": lambda text: "", "same": lambda text: text, "longer": lambda text: f"{text} "}
    counted = robustness.counts(outputs, release_rules.GoldRows(problems), changes).set_index("variation")
    assert list(counted.n) == [10, 0, 10] and list(counted.aligned) == [0, 0, 10]
