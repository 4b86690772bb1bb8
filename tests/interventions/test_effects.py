"""Effects: simulated students come out as what they are, and the sums of small tables are those worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from tracekd.data.synthetic.generated import generate
from tracekd.interventions import simulated_students
from tracekd.interventions.effects import CONTRASTS, between_conditions, effects
from tracekd.interventions.simulated_students import Simulated
from tracekd.interventions.tables import by_reveals, changes, coverage, follow_shares, frame, levels
from tracekd.stats import bootstrap

REPEATS = 300
STUDENTS = {
    "copies": (Simulated(1.0, knows=0.0), False),
    "ignores": (Simulated(0.0, knows=0.8), False),
    "mixed": (Simulated(0.7, knows=0.9), False),
}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module", params=["babi", "cotempqa"])
def rows(request):
    problems = [p for p in generate(request.param, 700, seed=7) if p.split == "test"]
    return simulated_students.rows(problems, 0, STUDENTS)


@pytest.fixture(scope="module")
def table(rows):
    return frame(rows)


def at(found, **where):
    for column, value in where.items():
        found = found[found[column] == value]
    assert len(found) == 1, where
    return found.iloc[0]


def holds(row, truth):
    assert row.low <= truth <= row.high, f"{truth} is outside {row.low} to {row.high}"
    assert row.low <= row.value <= row.high


def test_follow_shares_are_those_that_were_planted(table):
    found = follow_shares(table, rng(), REPEATS)
    for variant in ("given", "other"):
        copies = at(found, condition="copies", variant=variant, follows="trace")
        assert copies.value == 1 and 0.8 < copies.low < 1 and copies.n > 30
        assert at(found, condition="copies", variant=variant, follows="prefers_trace").value == 1
        assert at(found, condition="ignores", variant=variant, follows="trace").value == 0
        holds(at(found, condition="ignores", variant=variant, follows="context"), 0.8)
        holds(at(found, condition="ignores", variant=variant, follows="neither"), 0.2)
        holds(at(found, condition="mixed", variant=variant, follows="trace"), 0.7)
        holds(at(found, condition="mixed", variant=variant, follows="context"), 0.3 * 0.9)
    shares = found[found.follows != "prefers_trace"].groupby(["condition", "variant"]).value.sum()
    assert np.allclose(shares, 1)
    # Where trace and context agree, there is nothing to follow against the other.
    assert not {"gold", "wrong_label", "empty"} & set(found.variant)


def test_mediation_of_a_student_that_copies_and_of_one_that_does_not(table):
    found = effects(table, rng(), REPEATS)
    pick = {e: at(found, condition="copies", effect=e, outcome="answer_correct") for e in CONTRASTS}
    assert (pick["total"].value, pick["natural_direct"].value, pick["natural_indirect"].value) == (1, 0, 1)
    # Not 1 on bAbI: wrong facts imply the right answer to some yes-no questions.
    assert pick["facts_given_right_label"].value == pick["facts_given_wrong_label"].value > 0.85
    assert pick["label_given_right_facts"].value == pick["interaction"].value == 0
    for effect in CONTRASTS:
        row = at(found, condition="ignores", effect=effect, outcome="answer_correct")
        assert row.value == 0 and row.low < 0 < row.high
        assert at(found, condition="ignores", effect=effect, outcome="logp_gold").value == pytest.approx(0)
    for condition in STUDENTS:
        for outcome in ("answer_correct", "logp_gold"):
            of = {e: at(found, condition=condition, effect=e, outcome=outcome) for e in CONTRASTS}
            assert of["total"].value == pytest.approx(of["natural_direct"].value + of["natural_indirect"].value)
            assert of["total"].n == of["natural_direct"].n == of["natural_indirect"].n > 20
    # Gold is right with 1 - 0.3 * 0.1; a wrong trace leaves what is not copied, 0.3 * 0.9, where it implies something.
    if table.dataset.iloc[0] == "cotempqa":
        holds(at(found, condition="mixed", effect="total", outcome="answer_correct"), 0.97 - 0.27)


def test_repair_and_breakage_are_about_the_own_traces_that_are_wrong_and_right(table):
    found = effects(table, rng(), REPEATS)
    own = table[(table.variant == "own") & (table.condition == "copies")]
    for effect, right in (("repair", False), ("breakage", True)):
        row = at(found, condition="copies", effect=effect, outcome="answer_correct")
        assert row.n == (own.trace_correct == right).sum() > 5
        assert row.value > 0.9
    observed = at(found, effect="observed", condition="copies")
    assert observed.value > 0.9 and observed.n == len(own)
    assert abs(at(found, effect="observed", condition="ignores").value) < 0.3
    assert observed.low < observed.high  # where every trace decides its answer, too


def test_levels_and_changes(table):
    level, change = levels(table, rng(), REPEATS), changes(table, rng(), REPEATS)
    assert at(level, condition="copies", variant="gold", outcome="answer_correct").value == 1
    assert at(level, condition="copies", variant="gold", outcome="logp_gold").value == pytest.approx(-0.1)
    assert at(level, condition="copies", variant="other", outcome="answer_correct").value == 0
    assert at(level, condition="copies", variant="empty", outcome="answer_correct").value == 0
    holds(at(level, condition="ignores", variant="empty", outcome="answer_correct"), 0.8)
    gold = at(change, condition="copies", variant="gold", outcome="answer_correct")
    own = table[(table.variant == "own") & (table.condition == "copies")]
    assert gold.value == pytest.approx(1 - own.answer_correct.mean()) and gold.n == len(own)
    assert gold.against == "own" and "own" not in set(change.variant)


def test_a_student_without_own_traces_is_compared_with_no_trace():
    rows = made({"own": (1, 0, 0), "gold": (1, 1, 1), "empty": (0, 0, 1)})
    rows += made({"gold": (1, 1, 1), "empty": (0, 0, 1)}, condition="vanilla")
    found = changes(frame(rows), rng(), REPEATS)
    assert set(zip(found.condition, found.against, strict=True)) == {("correct", "own"), ("vanilla", "empty")}
    for condition in ("correct", "vanilla"):
        row = at(found, condition=condition, variant="gold", outcome="answer_correct")
        assert row.value == pytest.approx(2 / 3) and row.n == 3


def test_what_does_not_exist_or_implies_nothing_is_counted(rows):
    found = coverage(rows).set_index("condition")
    for name, part in found.iterrows():
        those = [row for row in rows if row["condition"] == name]
        there = [row for row in those if not row["left_out"]]
        implying = [row for row in there if row["implied"] is not None]
        differing = [row for row in implying if row["disagrees"]]
        assert part[["asked", "exist", "imply", "disagree"]].tolist() == list(
            map(len, (those, there, implying, differing))
        )


def made(values, seeds=(1,), condition="correct"):
    """Rows by hand: {variant: answers right, one a problem}; traces are named as the variants' names say."""
    return [
        {"student": "s", "dataset": "d", "condition": condition, "seed": seed, "id": f"p{i}", "variant": variant,
         "left_out": "", "answer_correct": bool(right), "trace_correct": variant == "gold", "logp_gold": -float(i),
         "logp_implied": None, "names_gold": variant == "gold", "names_any": variant == "gold", "disagrees": None,
         "follows": None, "implied": None, "no_implied": "none"}
        for seed in seeds for variant, answers in values.items() for i, right in enumerate(answers)
    ]  # fmt: skip


def test_effects_of_a_table_by_hand():
    by_hand = {
        "gold": (1, 1, 1, 0), "masked": (1, 0, 1, 0), "both_wrong": (0, 0, 1, 0), "wrong_label": (1, 1, 0, 0),
        "wrong_facts": (0, 1, 1, 0), "own": (0, 1, 1, 0),
    }  # fmt: skip
    found = effects(frame(made(by_hand)), rng(), REPEATS)
    got = found[found.outcome == "answer_correct"].set_index("effect").value.to_dict()
    assert got["total"] == 0.5 and got["natural_direct"] == 0.25 and got["natural_indirect"] == 0.25
    assert got["label_given_right_facts"] == 0.25 and got["label_given_wrong_facts"] == 0.25
    assert got["facts_given_right_label"] == 0.25 and got["facts_given_wrong_label"] == 0.25
    assert got["interaction"] == 0 and got["repair"] == 0.25 and np.isnan(got["breakage"]) and np.isnan(got["observed"])
    assert set(found.contrast[found.effect == "total"]) == {"gold - both_wrong"}


def test_problems_are_split_by_what_their_wrong_trace_reveals():
    rows = made({"gold": (1, 1, 1, 1), "both_wrong": (0, 0, 1, 1)})

    def total(part):
        return effects(part, rng(), 50).query("effect == 'total_all' and outcome == 'answer_correct'")

    assert by_reveals(frame(rows), total).reveals.tolist() == ["all"]  # records of an earlier version
    for row in rows:
        wrong = row["variant"] == "both_wrong"
        row["reveals"] = "right" if not wrong else "none" if row["id"] in ("p0", "p1") else "excludes"
    found = by_reveals(frame(rows), total).set_index("reveals")
    assert found.value.to_dict() == {"all": 0.5, "none": 1.0, "excludes": 0.0}
    assert found.n.to_dict() == {"all": 4, "none": 2, "excludes": 2}
    # The gold trace names the answer in all of these, whatever other effects leave out.
    assert found.gold_names.to_dict() == found.asked.to_dict() == {"all": 4, "none": 2, "excludes": 2}


def test_traces_that_name_the_answer_where_they_should_not_are_no_part_of_mediation():
    rows = made({"gold": (1, 1, 1), "masked": (0, 0, 1), "both_wrong": (0, 0, 1)})
    for row in rows:
        row["names_any"] = row["names_any"] or (row["id"] == "p2" and row["variant"] == "both_wrong")
    total = at(effects(frame(rows), rng(), REPEATS), effect="total", outcome="answer_correct")
    assert (total.value, total.n) == (1, 2)


def test_seeds_of_a_problem_are_one_unit():
    """Three seeds that agree say no more about new problems than one: the t interval of six values is theirs, too."""
    values = {"gold": (1, 0, 1, 1, 0, 1), "empty": (0, 0, 1, 0, 0, 0)}
    one, three = (changes(frame(made(values, s)), rng(), REPEATS) for s in ((1,), (1, 2, 3)))
    assert one[["value", "n"]].equals(three[["value", "n"]])
    width = [(found.high - found.low)[found.variant == "gold"].iloc[0] for found in (one, three)]
    assert width[1] == pytest.approx(width[0], abs=0.17)  # a resample of six problems moves by sixths
    gold = three[(three.variant == "gold") & (three.outcome == "answer_correct")].iloc[0]
    # Differences 1, 0, 0, 1, 0, 1: mean 1/2, standard error sqrt(0.3 / 6), t(5) = 2.570582.
    assert gold.t_high - gold.value == pytest.approx(2.570582 * np.sqrt(0.3 / 6))
    assert one.t_low.isna().all()
    assert set(one.seeds[one.n > 0]) == {1} and set(three.seeds[three.n > 0]) == {3}


def test_training_conditions_under_their_own_and_under_the_same_trace():
    rows = made({"own": (1, 1, 0, 1), "gold": (1, 1, 1, 1), "both_wrong": (0, 0, 0, 1), "empty": (0, 0, 0, 0)})
    rows += made(
        {"own": (0, 0, 0, 1), "gold": (1, 1, 1, 1), "both_wrong": (0, 1, 0, 1), "empty": (0, 0, 0, 0)},
        condition="incorrect",
    )
    found = between_conditions(frame(rows), rng(), repeats=REPEATS)
    got = found[found.outcome == "answer_correct"].set_index("effect").value
    assert got["total"] == 0.5 and got["direct_gold"] == 0 and got["direct_both_wrong"] == -0.25
    assert got["eliminated_gold"] == 0.5 and got["eliminated_both_wrong"] == 0.75


@pytest.mark.parametrize(("kind", "value"), [("share", 1), ("share", 0), ("difference", 0), ("difference", -1)])
def test_intervals_keep_a_width_where_all_problems_are_alike(kind, value):
    index = pd.MultiIndex.from_product([range(20), [1]], names=["id", "seed"])
    found = bootstrap.pooled(pd.Series(float(value), index), rng(), 200, kind)
    assert found["value"] == value and found["high"] - found["low"] > 0.1
    assert np.isnan(bootstrap.pooled(pd.Series(float(value), index[:1]), rng(), 200, kind)["low"])


def test_a_file_given_twice_is_refused(rows):
    with pytest.raises(ValueError, match="twice"):
        frame([*rows, rows[0]])
    with pytest.raises(ValueError, match="no intervention rows"):
        frame([])
