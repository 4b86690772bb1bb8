"""The ledger and the sentences of the finding, on invented verdicts."""

import io

import numpy as np
import pandas as pd
import pytest
from invented_verdicts import checked, frame, rng

from tracekd.analysis import claims, narrative, tables
from tracekd.analysis import replication_claims as rc
from tracekd.analysis import replication_tables as rtab


def test_our_own_quantity_stands_beside_each_printed_number():
    ours = frame({"correct": [1, 1, 1, 0]}, {"correct": [1, 1, 0, 0]}, seeds=(1, 2))
    found = claims.numbers(checked(), ours, rng(), 100)
    assert list(found) == list(claims.NUMBERS) and len(found) == 5
    assert found.replicated[:4].tolist() == pytest.approx([75.0, np.nan, 2, 3], nan_ok=True)
    assert found.replicated_outputs[:4].tolist() == pytest.approx([8, np.nan, 4, 4], nan_ok=True)  # counts: first seed
    assert found.replicated_problems[:4].tolist() == pytest.approx([4, np.nan, 4, 4], nan_ok=True)
    assert found.notebook.tolist()[-1] == "05_human_study" and found.replicated.isna().iloc[-1]
    assert claims.numbers(checked(), ours[:0], rng(), 10).replicated.isna().all()


def test_what_was_not_measured_is_empty():
    """Templated traces are not the paper's R1 ones, and a set without one of its printed categories has no whole."""
    ours = frame({"correct": [1, 1, 1, 0], "r1": [1, 0, 0, 0]}, {"correct": [1, 1, 0, 0]}).assign(category="equal")
    rows = checked()
    by_category = [rows.iloc[:1].assign(category=name, kind="seeds", printed=1.0) for name in ("equal", "mix")]
    templated = rows.iloc[:1].assign(category="equal", condition="r1")
    found = claims.numbers(pd.concat([rows, *by_category, templated]), ours, rng(), 100)
    have = found[found.replicated.notna()]
    assert have[["category", "condition", "replicated"]].to_numpy().tolist() == [["equal", "correct", 75.0]]
    # With problems of the category that was missing, the whole is there again.
    both = pd.concat([ours, ours.assign(category="mix", id=ours.id + "m")])
    found = claims.numbers(pd.concat([rows, *by_category, templated]), both, rng(), 100)
    assert found.replicated[found.category == "all"].notna().sum() == 3  # acc, and two counts of the matrix


def test_generated_sets_are_named_by_number_and_in_short():
    real = frame({"vanilla": [1, 0] * 20, "correct": [1, 0] * 20}).assign(source="real problems (local files)")
    both = pd.concat([real, real.assign(dataset="marco", source="GENERATED problems")])
    rows = pd.concat([checked(), checked().assign(dataset="marco")])
    found = claims.numbers(rows, both, rng(), 50)
    have = found[found.replicated.notna() & (found.measure == "acc")].set_index("dataset").replicated_source
    assert have.to_dict() == {"babi": "real problems (local files)", "marco": "GENERATED problems"}
    lines = claims.short(rc.tested(both, rng(), 50, (*rc.CLAIMS, *rc.QUESTIONS)), found)
    (line,) = [line for line in lines if "Correct traces do not raise" in line]
    assert "marco (GENERATED) +0.0" in line and "; babi +0.0" in line
    assert not any("Natural" in line for line in lines)  # of our own questions only what was run
    assert any("Swapped" in line and rc.NOT_RUN in line for line in lines)


@pytest.fixture
def claimed():
    tested = rc.tested(PAIR, rng(), 200)
    pairs = pd.DataFrame([{"rules": rules, "dataset": "babi", "student": "Q-Instruct", "first": "correct",
                           "second": "incorrect", "difference": 0.1, "low": 0.02, "high": 0.18, "n": 40}
                          for rules in (claims.THEIRS, claims.OURS)])  # fmt: skip
    trace = pd.DataFrame([{"rules": claims.PRINTED, "dataset": "babi", "student": "Q", "condition": "correct",
                           "step": "trace", "p_answer_given_trace": 0.9, "p_answer_given_not_trace": 0.4}])  # fmt: skip
    r1 = [("equal", "r1", 60.0), ("equal", "vanilla", 50.0), ("mix", "r1", 80.0)]
    r1 = pd.DataFrame(r1, columns=["category", "condition", "value"]).assign(student="Q")
    return claims.claims(tested, pairs, trace, r1)


PAIR = frame(dict.fromkeys(("vanilla", "correct", "incorrect"), [1, 0] * 20), {"correct": [1, 1, 0, 0] * 10})


def test_published_differences_stand_beside_the_claims(claimed):
    row = claimed[(claimed.dataset == "babi")].set_index("claim")
    # The table has the pair the other way round: its difference and its interval change sign and ends.
    turned = row.loc["Incorrect traces do not lower accuracy, compared with correct ones"]
    assert turned.published == "Q -10.0 [-18.0, -2.0] (n = 40)"
    assert row.loc["Answers are as often right after wrong traces as after right ones"].published == "Q +50.0"
    verbose = claimed[claimed.claim == "R1 traces give the best accuracy, compared with no traces"].iloc[0]
    assert (verbose.published, verbose.reason) == ("Q +10.0 (1 of 2 categories)", rc.NOT_RUN)


def test_the_finding_in_sentences_has_the_tables_numbers(claimed):
    shares = tables.accuracy(PAIR, "answer_correct", rng(), 200, ["dataset", "training_problems", "condition"])
    whole = rtab.shares_by_trace(PAIR[PAIR.condition == "correct"], rng(), 200)
    said = narrative.replication_sentences(shares, whole, claimed, pd.DataFrame())
    # Wilson's interval of 20 of 40 is 35.2 to 64.8 percent; the others are drawn.
    assert "50.0% [35.2, 64.8]" in said[0] and "40 test problems, 1 seed" in said[0]
    assert "by +0.0 [" in said[3] and "not tested (one seed)" in said[3]
    assert any("(n = 20 outputs)" in sentence for sentence in said) and len(said) == 3 + 3 + 3
    again = narrative.replication_sentences(shares, whole, pd.read_csv(io.StringIO(claimed.to_csv())), pd.DataFrame())
    assert again == said  # as the committed table has it
    assert narrative.replication_sentences(shares, whole[:0], claimed[:0], pd.DataFrame()) == said[:3]
    # One number with its interval a sentence, two where the t interval stands beside it.
    assert all(sentence.count("[") <= 2 for sentence in said)
    effects = [("correct", "total_all", 0.6), ("correct", "facts_given_right_label", 0.5),
               ("correct", "label_given_right_facts", 0.01), ("incorrect", "total_all", -0.2)]  # fmt: skip
    moved = pd.DataFrame(effects, columns=["condition", "effect", "value"])
    moved = moved.assign(dataset="babi", training_problems=1000, reveals="all", n=60, seeds=1, asked=60, gold_names=49)
    moved = moved.assign(low=moved.value - 0.1, high=moved.value + 0.1)
    more = narrative.replication_sentences(shares, whole, claimed, moved)
    assert "by +60.0 [+50.0, +70.0] points (60 problems, 1 seed)" in more[len(said)]
    assert "49 of these 60 problems" in more[-1]
    # Effects of students of another size, or of one condition alone, are not named beside these.
    for other in (moved.assign(training_problems=256), moved[moved.condition == "correct"]):
        assert narrative.replication_sentences(shares, whole, claimed, other) == said
