"""The replication's tests of claims: estimates by hand, decisions by the stated rules, a record of real small runs."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekd import (
    adapters,
    findings,
    freeform,
    generate,
    grid,
    intervention_grid,
    ledger,
    outputs,
    replication,
    resample,
    sft,
    tables,
)  # fmt: skip
from tracekd import replication_claims as rc
from tracekd import replication_tables as rtab
from tracekd import training_interventions as ti
from tracekd.profiles import Run, load


def rng():
    return np.random.default_rng(0)


def frame(answers: dict, traces: dict | None = None, seeds=(1,), dataset="babi", size=1000) -> pd.DataFrame:
    """Verdicts from ``{condition: [right?, ...]}`` over the same problems, the same in every seed."""
    rows = [
        {"student": "s", "source": "invented", "dataset": dataset, "condition": c, "seed": seed,
         "training_problems": 0 if c == "prompted" else size, "id": f"p{i}",
         "teacher": "templated" if c in ("r1", "swapped") else "", "answerable": True, "declined": False,
         "category": "all of them", "status": "truncated" if c == "r1" and i == 0 else "ok",
         "answer_correct": bool(right), "answer_contains": bool(right),
         "trace_correct": bool((traces or {}).get(c, [0] * len(given_))[i]), "classification_correct": False,
         "retrieval_correct": False}
        for c, given_ in answers.items() for seed in seeds for i, right in enumerate(given_)
    ]  # fmt: skip
    return pd.DataFrame(rows)


# The bootstrap.


def mean(means: np.ndarray) -> np.ndarray:
    """The first column's mean, as a statistic of ``resample.crossed_bootstrap``."""
    return means[:, 0]


def test_a_draw_is_the_mean_over_drawn_problems_and_drawn_seeds():
    """Against indices: weights by hand from the same numbers of the generator, problems first, then seeds."""
    units = np.random.default_rng(5).random((7, 3, 2))
    found = resample._redrawn(units, np.random.default_rng(9), 4)
    same = np.random.default_rng(9)
    problems, seeds = same.integers(7, size=(4, 7)), same.integers(3, size=(4, 3))
    for draw in range(4):
        assert found[draw] == pytest.approx(units[problems[draw]][:, seeds[draw]].mean(axis=(0, 1)))


def test_crossed_bootstrap_of_one_seed_draws_problems_alone():
    """The interval of a mean of n independent 0/1 values is near the normal one: p +- 1.96 sqrt(p (1 - p) / n)."""
    units = (np.arange(400) % 4 == 0).astype(float)[:, None, None]  # p = 0.25, standard error 0.02165
    found = resample.crossed_bootstrap(units, mean, rng(), 4000)
    assert found["value"] == 0.25
    assert found["low"] == pytest.approx(0.25 - 1.96 * 0.02165, abs=0.004)
    assert found["high90"] == pytest.approx(0.25 + 1.645 * 0.02165, abs=0.004)


def test_seeds_that_differ_widen_the_interval_and_equal_ones_do_not():
    calm = np.repeat((np.arange(400) % 4 == 0).astype(float)[:, None, None], 3, axis=1)
    wild = calm.copy()
    wild[:, 0], wild[:, 1] = 0, 1
    widths = {}
    for name, units in (("one", calm[:, :1]), ("calm", calm), ("wild", wild)):
        found = resample.crossed_bootstrap(units, mean, rng(), 2000)
        widths[name] = found["high"] - found["low"]
    assert widths["calm"] == pytest.approx(widths["one"], rel=0.1)
    assert widths["wild"] > 5 * widths["calm"]  # seeds at 0, 0.25 and 1: their draws decide nearly everything


def test_the_same_generator_repeats_and_another_differs():
    units = np.random.default_rng(3).random((30, 2, 1))
    one, again, other = (resample.crossed_bootstrap(units, mean, np.random.default_rng(s), 50) for s in (1, 1, 2))
    assert one == again != other


# Estimates.


def test_difference_is_paired_by_problem_and_averaged_over_seeds():
    table = pd.concat([
        frame({"correct": [1, 1, 1, 0], "vanilla": [1, 0, 0, 0]}, seeds=(1,)),  # 3/4 - 1/4
        frame({"correct": [1, 0, 0, 0], "vanilla": [1, 0, 0, 0]}, seeds=(2,)),  # none
        frame({"correct": [1, 1, 1, 1]}, seeds=(3,)),  # no partner: left out
    ])  # fmt: skip
    found = rtab.difference(table, "correct", "vanilla", rng(), 200)
    assert found["value"] == pytest.approx(0.25) and (found["n"], found["seeds"]) == (4, 2)
    assert found["by_seed"] == pytest.approx([0.5, 0.0])
    assert rtab.difference(table, "correct", "r1", rng(), 200) == {}


def test_link_is_the_gap_between_answers_after_right_and_wrong_traces():
    # After right traces 2 of 3 answers are right, after wrong ones 1 of 4: 2/3 - 1/4.
    table = frame({"correct": [1, 1, 0, 1, 0, 0, 0]}, {"correct": [1, 1, 1, 0, 0, 0, 0]})
    assert rtab.tie(table, "correct", rng(), 200)["value"] == pytest.approx(2 / 3 - 1 / 4)
    none = rtab.tie(frame({"correct": [1, 0]}), "correct", rng(), 10)  # no right trace: no gap
    assert none == {"n": 2, "seeds": 1, "fewest": 0, "right_traces": 0.0}
    assert rtab.tie(frame({"vanilla": [1, 0]}), "correct", rng(), 10) == {}
    found = rtab.tie(table, "correct", rng(), 200)
    assert found["fewest"] == 3 and found["right_traces"] == pytest.approx(3 / 7)


def test_shares_by_trace_pool_the_seeds_and_leave_out_what_a_few_problems_say():
    # Twelve right traces, eight with right answers; nine wrong ones, three with right answers: too few to say.
    answers, traces_ = [1] * 8 + [0] * 4 + [1] * 3 + [0] * 6, [1] * 12 + [0] * 9
    table = frame({"correct": answers}, {"correct": traces_})
    shares = rtab.shares_by_trace(pd.concat([table, table.assign(seed=2)]), rng(), 200).iloc[0]
    assert (shares.n, shares.seeds, shares.joint) == (21, 2, pytest.approx(8 / 21))
    assert shares.p_answer_given_trace == pytest.approx(2 / 3)
    assert shares.p_answer_given_trace_low < 2 / 3 < shares.p_answer_given_trace_high
    assert np.isnan(shares.p_answer_given_not_trace) and np.isnan(shares.p_answer_given_not_trace_low)
    # All twelve right: a resample of them is too, so Wilson's interval stands, 12 / (12 + 1.96^2) to 1.
    alike = frame({"correct": [1] * 12 + [0] * 9}, {"correct": traces_})
    row = rtab.shares_by_trace(alike, rng(), 200).iloc[0]
    assert row.p_answer_given_trace_low == pytest.approx(12 / (12 + 1.959964**2)) and row.p_answer_given_trace_high == 1
    more = frame({"correct": [*answers, 1]}, {"correct": [*traces_, 0]})
    assert rtab.shares_by_trace(more, rng(), 20).p_answer_given_not_trace[0] == pytest.approx(4 / 10)


def test_two_by_two_effects_are_means_over_the_other_step():
    # Accuracy 1, 0.75, 0.5, 0: label -(0.25 + 0.5) / 2, facts -(0.5 + 0.75) / 2, interaction 1 - 0.75 - 0.5 + 0.
    answers = dict(zip(ti.TWO_BY_TWO, ([1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]), strict=True))
    found = rtab.two_by_two(frame(answers), rng(), 100).set_index("effect").value
    assert found.to_dict() == pytest.approx({"wrong label": -0.375, "wrong facts": -0.625, "interaction": -0.25})
    assert rtab.two_by_two(frame({"correct": [1, 0]}), rng(), 10).empty


def test_doses_are_compared_with_none():
    answers = {name: [1] * (4 - i) + [0] * i for i, name in enumerate(ti.BY_DOSE)}
    found = rtab.doses(frame(answers), rng(), 100)
    assert found.dose.tolist() == [0, 25, 50, 75, 100]
    assert found.accuracy.tolist() == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert found.change.tolist() == pytest.approx([0, -0.25, -0.5, -0.75, -1])


def test_claims_on_incorrect_traces_are_split_by_what_a_wrong_trace_reveals():
    """Where the wrong facts reveal nothing incorrect loses all, where they exclude it loses none; together a half."""
    ours = frame({"correct": [1] * 40, "incorrect": [1] * 20 + [0] * 20}, seeds=(1, 2))
    assert set(rc.tested(ours, rng(), 50).reveals) == {"all"}  # records of an earlier version
    assert set(rc.tested(ours.assign(drawn_reveals=""), rng(), 50).reveals) == {"all"}
    flag = np.where(ours.id.str[1:].astype(int) < 20, "excludes", "none")
    found = rc.tested(ours.assign(drawn_reveals=flag), rng(), 50).query("dataset == 'babi'")
    rows = found[(found["first"] == "incorrect") & (found.second == "correct")].set_index("reveals")
    assert rows.estimate.to_dict() == {"all": -0.5, "excludes": 0.0, "none": -1.0}
    assert rows.n.to_dict() == {"all": 40, "excludes": 20, "none": 20}
    assert set(found.reveals[found["first"] == "correct"]) == {"all"}  # no wrong traces in these claims


def test_accuracy_and_tie_by_number_of_supporting_facts():
    # One fact: 12 right traces, all answers right; 10 wrong ones, 5 answers right: 17 of 22, tie 1 - 1/2. Three facts:
    # 2 problems, too few for a tie. None: left out.
    answers, traces_ = [1] * 12 + [1, 0] * 5 + [1, 0, 1], [1] * 12 + [0] * 12 + [0]
    ours = frame({"correct": answers}, {"correct": traces_}, seeds=(1, 2))
    assert rtab.by_supporting_facts(ours, rng(), 50).empty  # records of an earlier version
    facts = {f"p{i}": 1 if i < 22 else 3 if i < 24 else 0 for i in range(25)}
    found = rtab.by_supporting_facts(ours.assign(n_facts=ours.id.map(facts)), rng(), 200).set_index("facts")
    assert set(found.index) == {"one", "more"}
    one, more = found.loc["one"], found.loc["more"]
    assert (one.n, one.accuracy, one.tie) == (22, pytest.approx(17 / 22), pytest.approx(0.5))
    assert one.tie_low < 0.5 < one.tie_high and one.accuracy_t_low < one.accuracy < one.accuracy_t_high
    assert (more.n, more.accuracy, more.right_traces) == (2, 0.5, 0) and np.isnan(more.tie)


def test_free_text_is_measured_three_ways_where_questions_are_unanswerable():
    ours = frame({"correct": [1, 0, 1, 0]}, dataset="marco").assign(answerable=[True, True, False, False])
    assert rtab.answer_measures(ours.assign(answerable=True), rng(), 50).empty
    made = rtab.answer_measures(ours.assign(answer_f1=[1.0, 0.5, 1.0, 0.0], answer_rouge_l=0.25), rng(), 50)
    value = made.set_index(["answerable", "measure"]).value
    assert (
        value[True].to_dict() == {"exact": 0.5, "F1": 0.75, "ROUGE-L": 0.25, "declines": 0}
        and value[False]["F1"] == 0.5
    )
    assert set(rtab.answer_measures(ours, rng(), 50).measure) == {"exact", "declines"}  # what the records have


def test_power_is_known_before_a_run_from_a_pilot():
    """Half of the problems differ by one, in both seeds alike: variance 0.25 n / (n - 1) among problems alone."""
    pilot = frame({"correct": [1] * 40, "vanilla": [1, 0] * 20}, seeds=(1, 2))
    found = rc.power_beforehand(pilot, {"babi": 400, "marco": 200}, 3)
    rows = found[found.claim.str.startswith("Correct traces do not raise")].set_index("dataset")
    assert rows.pilot.to_dict() == dict.fromkeys(("babi", "marco"), "babi, 1,000: accuracy: correct minus vanilla")
    error = (0.25 * 40 / 39 / 400) ** 0.5
    assert rows.least_difference["babi"] == pytest.approx((1.9659 + 0.8425) * error, rel=1e-3)
    assert rows.least_difference["marco"] == pytest.approx(rows.least_difference["babi"] * 2**0.5, rel=0.01)
    # A pair without a pilot has that of another pair; a tie of step and answer has none here.
    assert (found[found.claim.str.startswith("Incorrect")].least_difference == rows.least_difference.tolist() * 2).all()
    assert found[found.claim.str.startswith("Answers")].least_difference.isna().all()


# Decisions: 90% intervals by hand, margin 0.05.


def ends(low: float, high: float) -> dict:
    return {"low90": low, "high90": high}


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        ("not lower", -0.03, 0.03, rc.SUPPORTED),
        ("not lower", -0.045, -0.035, rc.SUPPORTED),  # lower, by less than what counts
        ("not lower", -0.075, -0.005, rc.INCONCLUSIVE),  # the same difference, measured worse
        ("not lower", -0.18, -0.08, rc.NOT_SUPPORTED),
        ("not higher", -0.18, 0.04, rc.SUPPORTED),
        ("not higher", 0.06, 0.20, rc.NOT_SUPPORTED),
        ("not higher", 0.02, 0.20, rc.INCONCLUSIVE),
        ("no difference", -0.04, 0.04, rc.SUPPORTED),
        ("no difference", 0.06, 0.30, rc.NOT_SUPPORTED),
        ("no difference", -0.30, -0.06, rc.NOT_SUPPORTED),
        ("no difference", 0.03, 0.06, rc.INCONCLUSIVE),
        ("higher", 0.06, 0.2, rc.SUPPORTED),
        ("higher", 0.01, 0.2, rc.INCONCLUSIVE),  # higher, but perhaps not by what counts
        ("higher", -0.09, 0.04, rc.NOT_SUPPORTED),
        ("lower", -0.3, -0.06, rc.SUPPORTED),
        ("lower", -0.06, 0.1, rc.INCONCLUSIVE),
        ("lower", -0.04, 0.1, rc.NOT_SUPPORTED),
    ],
)
def test_decisions_follow_the_stated_rules(rule, low, high, verdict):
    assert rc.decide(rule, ends(low, high), 0.05) == verdict
    # A second interval that gives another verdict makes it inconclusive; one that agrees changes nothing.
    assert rc.decide(rule, ends(low, high) | {"t_low90": -1, "t_high90": 1}, 0.05) == rc.INCONCLUSIVE
    assert rc.decide(rule, ends(low, high) | {"t_low90": low, "t_high90": high}, 0.05) == verdict


@given(st.floats(-1, 1), st.floats(0, 0.5))
def test_a_mirrored_estimate_gets_the_mirrored_rules_verdict(value, half):
    here, there = ends(value - half, value + half), ends(-value - half, -value + half)
    for rule, mirrored in (("not lower", "not higher"), ("higher", "lower"), ("no difference", "no difference")):
        assert rc.decide(rule, here, 0.05) == rc.decide(mirrored, there, 0.05)


@given(st.floats(-1, 1), st.floats(0.001, 0.5), st.floats(0.01, 0.99))
def test_a_narrower_interval_around_the_same_estimate_never_turns_a_verdict_round(value, half, share):
    wide, narrow = ends(value - half, value + half), ends(value - share * half, value + share * half)
    for rule in ("not lower", "not higher", "no difference", "higher", "lower"):
        before, after = rc.decide(rule, wide, 0.05), rc.decide(rule, narrow, 0.05)
        assert before in (after, rc.INCONCLUSIVE)


def test_a_claim_and_its_opposite_never_both_hold():
    for low, high in ((0.01, 0.04), (0.06, 0.2), (-0.2, 0.2), (-0.2, -0.06)):
        found = ends(low, high)
        for one, other in (("higher", "not higher"), ("lower", "not lower")):
            assert {rc.decide(one, found, 0.05), rc.decide(other, found, 0.05)} in (
                {rc.SUPPORTED, rc.NOT_SUPPORTED}, {rc.INCONCLUSIVE},
            )  # fmt: skip


def test_where_nobody_answers_right_there_is_nothing_to_test():
    found = rc.tested(frame({"vanilla": [0] * 60, "correct": [0] * 60, "incorrect": [1] * 9 + [0] * 51}), rng(), 50)
    found = found[found.dataset == "babi"]
    assert set(found.verdict) == {rc.NOT_TESTED}
    assert set(found.reason) == {"one seed; fewer than 10 problems of a kind"}


def test_what_was_not_run_says_so_and_one_seed_too():
    # Two seeds, no difference in any of 120 problems. Bonett and Price: -+ 1.645 sqrt(2 / 122^2) = 0.019, within 0.05.
    whole = frame({"vanilla": [1, 0] * 60, "correct": [1, 0] * 60}, seeds=(1, 2))
    row = rc.tested(whole, rng(), 200).set_index(["claim", "dataset"])
    row = row.loc["Correct traces do not raise accuracy, compared with no traces", "babi"]
    assert (row.estimate, row.n, row.seeds, row.verdict, row.reason) == (0, 120, 2, rc.SUPPORTED, "")
    assert row.high90 == pytest.approx(1.645 * 2**0.5 / 122, abs=1e-4)
    table = frame({"vanilla": [1, 0] * 20, "correct": [1, 0] * 20}, {"correct": [1, 1, 0, 0] * 10})
    found = rc.tested(table, rng(), 200).set_index(["claim", "dataset"])
    assert len(found) == sum(len(claim.datasets) for claim in rc.CLAIMS)
    row = found.loc["Correct traces do not raise accuracy, compared with no traces", "babi"]
    assert (row.estimate, row.n, row.seeds, row.verdict, row.reason) == (0, 40, 1, rc.NOT_TESTED, "one seed")
    for claim, dataset in (("Correct traces do not raise accuracy, compared with no traces", "marco"),
                           ("Swapped R1 traces destroy accuracy, compared with no traces", "cotempqa")):  # fmt: skip
        row = found.loc[claim, dataset]
        assert (row.verdict, row.reason) == (rc.NOT_TESTED, rc.NOT_RUN)
    row = found.loc["Correct traces do not raise accuracy, compared with no traces", "babi"]
    assert row.training_problems == 1000
    with pytest.raises(ValueError, match="rule 'best'"):
        rc.decide("best", {"low": 0, "high": 0, "low90": 0, "high90": 0}, 0.05)


def test_students_are_compared_with_those_trained_on_as_many_problems():
    """At 1,000 the pair differs by half, at 256 not at all; taken together it would be a quarter."""
    much = frame({"vanilla": [1, 0] * 20, "correct": [1, 1] * 20, "prompted": [0, 0] * 20})
    little = frame({"vanilla": [1, 0] * 20, "correct": [1, 0] * 20, "filler": [0, 0] * 20}, size=256, seeds=(1, 2))
    both = pd.concat([little, much])
    found = rc.tested(both, rng(), 200)
    found = found[
        (found.claim == "Correct traces do not raise accuracy, compared with no traces") & (found.dataset == "babi")
    ]
    assert found[["training_problems", "estimate", "seeds"]].to_numpy().tolist() == [[1000, 0.5, 1], [256, 0.0, 2]]
    assert replication.main_sizes(both) == {"babi": 1000}  # nowhere all three conditions: the largest
    whole = pd.concat([both, frame({"incorrect": [1] * 40}, size=256, seeds=(2,))])
    other = frame({"correct": [1]}, size=64, dataset="cotempqa")
    sizes = replication.main_sizes(pd.concat([whole, other]))
    assert sizes == {"babi": 256, "cotempqa": 64}  # all three on seed 2; each set its own
    top = replication.of_sizes(pd.concat([whole, other]), sizes)
    assert set(top.condition) == {"vanilla", "correct", "incorrect", "filler", "prompted"}
    assert set(top.training_problems) == {0, 256, 64}
    assert replication.of_sizes(pd.DataFrame(), sizes).empty
    sizes = replication.by_size(both, lambda part: pd.DataFrame({"n": [len(part)]}))
    assert sizes.to_numpy().tolist() == [[1000, 80], [256, 240], [0, 40]]
    answers = {name: [1] * (4 - i) + [0] * i for i, name in enumerate(ti.BY_DOSE)}
    found = rtab.doses(pd.concat([frame(answers), frame(answers, size=256)]), rng(), 100)
    assert found.groupby("training_problems").accuracy.apply(list).map(len).to_dict() == {256: 5, 1000: 5}


# The ledger.


def checked() -> pd.DataFrame:
    about = {"dataset": "babi", "category": "all", "student": "theirs", "condition": "correct", "seed": "", "unit": ""}
    rows = [
        {**about, "kind": "answer metric", "measure": "acc", "printed": 90.0, "verdict": "follows to the digit"},
        {**about, "kind": "answer metric", "measure": "f1", "printed": 91.0, "verdict": "follows to the digit"},
        {**about, "kind": "matrix", "measure": "trace both", "printed": 86, "verdict": "follows to the digit"},
        {**about, "kind": "matrix", "measure": "answer correct", "printed": 355, "verdict": "follows to the digit"},
        {**about, "kind": "study", "condition": "r1", "measure": "load", "printed": 4.59, "verdict": "cannot be: x"},
    ]
    return pd.DataFrame(rows).assign(as_published=np.nan, aligned=np.nan)


def test_the_ledger_sets_our_own_quantity_beside_each_printed_number():
    ours = frame({"correct": [1, 1, 1, 0]}, {"correct": [1, 1, 0, 0]}, seeds=(1, 2))
    found = ledger.numbers(checked(), ours, rng(), 100)
    assert list(found) == list(ledger.NUMBERS) and len(found) == 5
    assert found.replicated[:4].tolist() == pytest.approx([75.0, np.nan, 2, 3], nan_ok=True)
    assert found.replicated_outputs[:4].tolist() == pytest.approx([8, np.nan, 4, 4], nan_ok=True)  # counts: first seed
    assert found.replicated_problems[:4].tolist() == pytest.approx([4, np.nan, 4, 4], nan_ok=True)
    assert found.notebook.tolist()[-1] == "05_human_study" and found.replicated.isna().iloc[-1]
    assert ledger.numbers(checked(), ours[:0], rng(), 10).replicated.isna().all()


def test_the_ledger_leaves_empty_what_was_not_measured():
    """Templated traces are not the paper's R1 ones, and a set without one of its printed categories has no whole."""
    ours = frame({"correct": [1, 1, 1, 0], "r1": [1, 0, 0, 0]}, {"correct": [1, 1, 0, 0]}).assign(category="equal")
    rows = checked()
    by_category = [rows.iloc[:1].assign(category=name, kind="seeds", printed=1.0) for name in ("equal", "mix")]
    templated = rows.iloc[:1].assign(category="equal", condition="r1")
    found = ledger.numbers(pd.concat([rows, *by_category, templated]), ours, rng(), 100)
    have = found[found.replicated.notna()]
    assert have[["category", "condition", "replicated"]].to_numpy().tolist() == [["equal", "correct", 75.0]]
    # The same problems under the name of the category that was missing as well: the whole is there again.
    both = pd.concat([ours, ours.assign(category="mix", id=ours.id + "m")])
    found = ledger.numbers(pd.concat([rows, *by_category, templated]), both, rng(), 100)
    assert found.replicated[found.category == "all"].notna().sum() == 3  # acc, and two counts of the matrix


def test_conditions_and_categories_are_named_in_full():
    ours = frame({"correct": [1], "r1": [1], "swapped": [0]}).assign(category="equal")
    named = ["correct", "r1 (templated)", "swapped (templated)"]
    assert freeform.spelled(ours).condition.tolist() == named
    assert freeform.spelled(ours.drop(columns="teacher"), replication.teachers(ours)).condition.tolist() == named
    assert replication.trained_on(ours, {"babi": 1000}) == "babi 1,000 (equal)"
    many = pd.DataFrame(
        {"category": [f"kind {i}" for i in range(5)], "id": range(5), "answerable": [True, False] * 2 + [True]}
    )
    assert replication.categories_of(many) == "5 categories; 2 of 5 unanswerable"
    assert replication.categories_of(many[many.answerable]) == "kind 0, kind 2, kind 4"
    assert replication.in_strata(many).category.tolist()[:2] == ["kind 0", "kind 1, unanswerable"]
    claimed = rc.tested(ours.assign(dataset="cotempqa"), rng(), 50)
    verbose = claimed[claimed.claim == "R1 traces give the best accuracy, compared with correct ones"].iloc[0]
    assert verbose.contrast == "accuracy: r1 (templated) minus correct" and verbose.categories == "equal"
    by_a_model = ours.assign(dataset="cotempqa", teacher=ours.teacher.replace("templated", "deepseek-r1"))
    for wrote, problems in (("templated", ours.assign(dataset="cotempqa")), ("deepseek-r1", by_a_model)):
        many = pd.concat([problems.assign(id=problems.id + str(k)) for k in range(20)])
        told = ledger.short(rc.tested(many, rng(), 50), ledger.numbers(checked(), many, rng(), 50))
        (line,) = [line for line in told if "best accuracy, compared with correct ones" in line]
        assert f"(trained on 1,000, {wrote} traces, 1 seed; cut at the limit" in line


def test_claims_are_tested_on_answerable_questions():
    """A student that always declines ties right traces to right answers on unanswerable questions, and on no other."""
    always = frame(
        {"correct": [0] * 20 + [1] * 20, "vanilla": [0] * 40}, {"correct": [0] * 20 + [1] * 20}, dataset="marco"
    )
    always["answerable"] = always.answer_correct.groupby(always.id).transform("sum") == 0
    row = rc.tested(always, rng(), 50).query("dataset == 'marco'").set_index("claim")
    link = row.loc["Answers are as often right after wrong traces as after right ones"]
    assert (link.n, link.verdict, link.categories) == (20, rc.NOT_TESTED, "all of them, answerable questions alone")
    assert row.loc["Correct traces do not raise accuracy, compared with no traces"].estimate == 0
    # Of all questions, the same outputs would have shown a perfect tie.
    assert rtab.tie(always, "correct", rng(), 50)["value"] == 1
    told = ledger.short(ledger.marked(rc.tested(always, rng(), 50)), ledger.numbers(checked(), always, rng(), 50))
    assert any("after right ones: marco no estimate on 20 problems" in line for line in told)


def test_outputs_cut_at_the_limit_are_told_with_the_claim():
    """Those of the seeds that both conditions have, as the estimate."""
    ours = frame({"correct": [1] * 50, "r1": [1] * 50}, dataset="cotempqa")
    other = frame({"correct": [1] * 50}, dataset="cotempqa", seeds=(2,)).assign(status="truncated")
    ours = pd.concat([ours, other])
    row = rc.tested(ours, rng(), 50).query("contrast == 'accuracy: r1 (templated) minus correct'").iloc[0]
    assert row.cut == "r1 (templated) 2.0%"  # one of fifty; `correct` has none
    (line,) = [
        x
        for x in ledger.short(rc.tested(ours, rng(), 50), ledger.numbers(checked(), ours, rng(), 50))
        if "correct ones: cot" in x
    ]
    assert "; cut at the limit and counted as wrong: r1 (templated) 2.0%)" in line


def test_a_difference_that_is_shown_but_not_beyond_the_margin_is_noted():
    """Eight of a hundred lost, none won: 8 points, 90% interval 3.5 to 12.5, so less, but by five points or not?"""
    ours = frame({"correct": [1] * 100, "incorrect": [0] * 8 + [1] * 92}, seeds=(1, 2, 3))
    row = rc.tested(ours, rng(), 2000).query("dataset == 'babi'").set_index("claim")
    row = row.loc["Incorrect traces do not lower accuracy, compared with correct ones"]
    assert (row.verdict, row.note) == (rc.INCONCLUSIVE, "both 95% intervals below 0")
    # Seeds that lose 0, 8 and 16: the bootstrap is below 0, the t interval with its two degrees of freedom is not.
    lost = [frame({"correct": [1] * 100, "incorrect": [0] * k + [1] * (100 - k)}, seeds=(k,)) for k in (0, 8, 16)]
    row = rc.tested(pd.concat(lost), rng(), 2000).query("dataset == 'babi' and first == 'incorrect'").iloc[0]
    assert row.t_low < row.low < 0 < row.t_high and row.note == ""


def test_declining_is_told_apart():
    """A student that always declines is right on all unanswerable questions and on no other."""
    always = frame({"correct": [0] * 4 + [1] * 2}, dataset="marco").assign(declined=True)
    always["answerable"] = ~always.answer_correct
    lines = ledger.declining(rtab.answer_measures(always, rng(), 50))
    # Wilson's interval of 4 of 4 begins at 4 / (4 + 1.96^2) = 51.0 percent.
    assert lines[0].startswith("marco, trained on 1,000, correct: right on 0.0% [") and lines[0].endswith("(n = 4).")
    assert "right on 100.0% [34.2, 100.0] of the unanswerable questions (n = 2)." in lines[1]
    assert "declines 100.0% [51.0, 100.0] of the answerable questions (n = 4)." in lines[2] and len(lines) == 3


def test_generated_sets_are_named_wherever_they_stand():
    """In words for captions, behind the set's name in figures and the ledger in short, by number in the ledger."""
    right = [1, 0] * 20
    real = frame({"vanilla": right, "correct": right}, dataset="babi").assign(source="real problems (local files)")
    assert replication.sources(real) == "real problems (local files)"
    invented = real.assign(dataset="marco", source="GENERATED problems")
    both = pd.concat([real, invented])
    assert replication.sources(both) == "babi: real problems (local files); marco: GENERATED problems"
    assert set(replication.marked(both).dataset) == {"babi", "marco (GENERATED)"}
    claimed = rc.tested(both, rng(), 50)
    rows = pd.concat([checked(), checked().assign(dataset="marco")])
    found = ledger.numbers(rows, both, rng(), 50)
    (line,) = [
        line for line in ledger.short(claimed, found) if "compared with no traces: marco" in line and "Correct" in line
    ]
    assert "marco (GENERATED) +0.0" in line and "; babi +0.0" in line
    have = found[found.replicated.notna() & (found.measure == "acc")]
    assert have.set_index("dataset").replicated_source.to_dict() == {
        "babi": "real problems (local files)", "marco": "GENERATED problems"
    }  # fmt: skip


def test_the_ledger_in_short_and_the_finding_name_their_numbers():
    ours = frame(
        {"vanilla": [1, 0] * 20, "correct": [1, 0] * 20, "incorrect": [1, 0] * 20}, {"correct": [1, 1, 0, 0] * 10}
    )
    tested = rc.tested(ours, rng(), 200)
    pairs = pd.DataFrame([{"rules": rules, "dataset": "babi", "student": "Q-Instruct", "first": "correct",
                           "second": "incorrect", "difference": 0.1, "low": 0.02, "high": 0.18, "n": 40}
                          for rules in (ledger.THEIRS, ledger.OURS)])  # fmt: skip
    trace = pd.DataFrame([{"rules": ledger.PRINTED, "dataset": "babi", "student": "Q", "condition": "correct",
                           "step": "trace", "p_answer_given_trace": 0.9, "p_answer_given_not_trace": 0.4}])  # fmt: skip
    r1 = pd.DataFrame(
        [("equal", "r1", 60.0), ("equal", "vanilla", 50.0), ("mix", "r1", 80.0)],
        columns=["category", "condition", "value"],
    ).assign(student="Q")
    claimed = ledger.claims(tested, pairs, trace, r1)
    row = claimed[(claimed.dataset == "babi")].set_index("claim")
    # The pair is kept the other way round: its difference and its interval change sign and ends.
    turned = row.loc["Incorrect traces do not lower accuracy, compared with correct ones"]
    assert turned.published == "Q -10.0 [-18.0, -2.0] (n = 40)"
    assert row.loc["Answers are as often right after wrong traces as after right ones"].published == "Q +50.0"
    verbose = claimed[claimed.claim == "R1 traces give the best accuracy, compared with no traces"].iloc[0]
    assert (verbose.published, verbose.reason) == ("Q +10.0 (1 of 2 categories)", rc.NOT_RUN)
    lines = ledger.short(claimed, ledger.numbers(checked(), ours, rng(), 50))
    assert any(
        "compared with correct ones: babi +0.0 [" in line and "(trained on 1,000, 1 seed)" in line for line in lines
    )
    assert any("follows to the digit: answer metric 2, matrix 2" in line for line in lines)
    shares = tables.accuracy(ours, "answer_correct", rng(), 200, ["dataset", "training_problems", "condition"])
    whole = rtab.shares_by_trace(ours[ours.condition == "correct"], rng(), 200)
    said = findings.replication_sentences(shares, whole, claimed, pd.DataFrame())
    # Wilson's interval of 20 of 40 is 35.2 to 64.8 percent; the others are drawn.
    about = "(babi, 1,000 training problems per condition, 40 test problems, 1 seed)"
    assert said[0] == f"Trained on no traces, the open student answers 50.0% [35.2, 64.8] right {about}."
    assert (
        said[3].startswith("Training on incorrect traces changes accuracy by +0.0 [")
        and "not tested (one seed)" in said[3]
    )
    assert "points compared with correct ones (40 problems, 1 seed): that" in said[3]
    assert "points (40 problems, 1 seed): that trace and answer are independent" in said[8]
    # A condition that was trained with fewer seeds, or asked less, names its own.
    fewer = shares.assign(seeds=shares.seeds.where(shares.condition != "incorrect", 2))
    of_incorrect = findings.replication_sentences(fewer, whole, claimed, pd.DataFrame())
    assert "40 test problems, 2 seeds" in of_incorrect[2] and of_incorrect[:2] == said[:2]
    assert re.search(r"writes a right trace in 50\.0% \[[\d., ]+\] of its outputs", said[5])
    assert re.search(r"50\.0% \[[\d., ]+\] right after its own right traces \(n = 20 outputs\)", said[6])
    # One number with its interval a sentence, two where the t interval stands beside it.
    assert all(sentence.count("[") <= 2 for sentence in said)
    moved = pd.DataFrame(
        [("correct", "total_all", 0.6), ("correct", "facts_given_right_label", 0.5),
         ("correct", "label_given_right_facts", 0.01), ("incorrect", "total_all", -0.2), ("correct", "total", 1.0)],
        columns=["condition", "effect", "value"],
    ).assign(dataset="babi", training_problems=1000, n=[60, 60, 60, 60, 40], seeds=1, asked=60)  # fmt: skip
    moved = moved.assign(gold_names=49, low=moved.value - 0.1, high=moved.value + 0.1)
    more = findings.replication_sentences(shares, whole, claimed, moved)
    assert "by +60.0 [+50.0, +70.0] points (60 problems, 1 seed)." in more[len(said)]
    # Not the 40 problems of the mediation, which are a filter's: those whose gold trace names the answer.
    assert more[-1] == "The gold trace names the answer in 49 of these 60 problems."
    # Effects of students of another size, or of one condition alone, are not named beside these.
    for other in (moved.assign(training_problems=256), moved[moved.condition == "correct"]):
        assert findings.replication_sentences(shares, whole, claimed, other) == said


# The record, of real small runs.


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three profiles of the 2-layer student on a few generated problems, trained and answered; two have ``correct``."""
    made = []
    for name, conditions, train_n in (("replication", ("vanilla", "correct"), 8), ("beside", ("filler",), 8),
                                      ("smaller", ("correct",), 4)):  # fmt: skip
        smoke = load("smoke")
        test = {"cotempqa": 8, "marco": 8, "babi": 8}
        profile = replace(smoke, name=name, train=dict.fromkeys(test, train_n), test=test,
                          interventions=dict.fromkeys(test, 2), conditions=conditions, also={},
                          recipe=replace(smoke.recipe, max_new_tokens=8))  # fmt: skip
        run = Run("replication", profile, 121, "generated", tmp_path_factory.mktemp(name))
        sft.prepare(run)
        grid.train(run)
        grid.generate(run)
        made.append(run)
    asker, chosen = generate.Asker("tiny-random", made[0].profile.recipe), intervention_grid.chosen(made[0])
    intervention_grid.complete(made[0], asker, chosen["babi"], "babi", "correct", 121)
    return made


def test_what_is_finished_is_recorded_once_and_read_back(runs, tmp_path):
    kept = replication.record(runs, tmp_path)
    keys = [*replication.JOB, "training_problems"]
    jobs = set(kept.verdicts[keys].itertuples(index=False, name=None))
    conditions = {("prompted", 0), ("vanilla", 8), ("correct", 8), ("correct", 4), ("filler", 8)}
    assert jobs == {(d, c, 121, size) for d in ("cotempqa", "marco", "babi") for c, size in conditions}
    assert len(kept.verdicts) == 15 * 8 and not kept.verdicts.duplicated([*keys, "id"]).any()
    assert len(kept.adapters) == 12 and set(kept.adapters.n) == {8, 4}
    assert kept.adapters[["hardware", "commit", "seconds", "weights"]].notna().all(axis=None)
    assert len(kept.logs) == kept.adapters.steps.sum() and set(kept.logs.training_problems) == {8, 4}
    assert set(kept.interventions.condition) == {"correct"} and kept.interventions.id.nunique() == 2
    assert kept.verdicts.answer_correct.dtype == bool
    assert kept.verdicts.repetition.between(0, 1).all() and kept.verdicts.answerable.dtype == bool
    # 15 dots in a row say one sequence of four after another; `vanilla` is taught a short answer.
    taught = kept.adapters.groupby("condition").target_repetition.mean()
    assert taught["vanilla"] < taught["correct"] < 0.5 < taught["filler"]
    assert set(kept.interventions.training_problems) == {8}
    before = [(tmp_path / name).read_bytes() for name in replication.FILES]
    replication.record(runs, tmp_path)
    assert before == [(tmp_path / name).read_bytes() for name in replication.FILES]  # the same bytes again


def test_a_record_of_an_earlier_version_is_named(runs, tmp_path):
    replication.record(runs[:1], tmp_path)
    old = pd.read_csv(tmp_path / replication.ADAPTERS).drop(columns="teacher")
    old.to_csv(tmp_path / replication.ADAPTERS, index=False)
    with pytest.raises(ValueError, match="no column 'teacher': an earlier version"):
        replication.load(tmp_path)


def test_an_unfinished_job_is_open_and_stays_out(runs, tmp_path):
    path = outputs.outputs_path(runs[0], "babi", "correct", 121)
    whole = path.read_text()
    try:
        path.write_text("".join(whole.splitlines(keepends=True)[:-1]))
        done, left = replication.finished(runs[0])
        assert left == [("babi", "correct", 121)] and len(done) == 8
        assert ("babi", "correct") not in set(
            replication.record(runs[:1], tmp_path).verdicts[["dataset", "condition"]].itertuples(index=False, name=None)
        )
    finally:
        path.write_text(whole)


def test_outputs_and_rows_of_another_adapter_are_open(runs, tmp_path):
    """The record of an adapter trained anew has other weights: what stands there was not said by it."""
    folder = adapters.adapter_path(runs[0], "babi", "correct", 121)
    record = (folder / "record.json").read_text()
    chosen = intervention_grid.chosen(runs[0])["babi"]
    assert intervention_grid.answered(runs[0], chosen, "babi", "correct", 121)
    try:
        (folder / "record.json").write_text(json.dumps(json.loads(record) | {"key": "another", "weights": "others"}))
        assert replication.finished(runs[0])[1] == [("babi", "correct", 121)]
        assert not intervention_grid.answered(runs[0], chosen, "babi", "correct", 121)
    finally:
        (folder / "record.json").write_text(record)
    rows = intervention_grid.rows_path(runs[0], "babi", "correct", 121)
    whole = rows.read_text()
    try:
        rows.write_text("".join(line for line in whole.splitlines(keepends=True) if chosen[0].id not in line))
        assert len(replication.given_traces(runs[0], [("babi", "correct", 121)])) == 0  # half asked: not told
    finally:
        rows.write_text(whole)


def test_two_runs_with_the_same_job_are_refused_and_nothing_recorded_is_named(runs, tmp_path):
    with pytest.raises(ValueError, match="is answered in two of the runs"):
        replication.record([runs[0], runs[0]], tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no replication is recorded in .*--record"):
        replication.load(tmp_path)
