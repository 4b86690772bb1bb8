"""Tables: simulated students come out as what they are, and the sums of small tables are those worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import simulated_students
from simulated_students import Simulated

from tracekd.data.synthetic.generated import generate
from tracekd.interventions import tables
from tracekd.interventions.tables import CONTRASTS, by_reveals, effects, follow_shares, frame

REPEATS = 300
STUDENTS = {"copies": Simulated(1.0, knows=0.0), "ignores": Simulated(0.0, knows=0.8), "mixed": Simulated(0.7, 0.9)}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module", params=["babi", "cotempqa"])
def rows(request, tmp_path_factory):
    # The simulated draws follow from the ids: an "x" more is another draw, which the 95% intervals hold.
    problems = [replace(p, id=f"{p.id}x") for p in generate(request.param, 700, seed=7) if p.split == "test"]
    return simulated_students.rows(problems, STUDENTS, tmp_path_factory.mktemp("rows"))


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
    # Where trace and context agree, there is nothing to follow against the other.
    assert not {"gold", "wrong_label", "empty"} & set(found.variant)
    assert [*follow_shares(table[table.variant == "gold"], rng(), REPEATS)] == [*found]


def test_mediation_of_a_student_that_copies_and_of_one_that_does_not(table):
    found = effects(table, rng(), REPEATS)
    pick = {e: at(found, condition="copies", effect=e, outcome="answer_correct") for e in CONTRASTS}
    assert (pick["total"].value, pick["natural_direct"].value, pick["natural_indirect"].value) == (1, 0, 1)
    assert tables.sign(pick["total"]) == "above zero" and tables.sign(pick["natural_direct"]) == "inconclusive"
    # Not 1 on bAbI: wrong facts imply the right answer to some yes-no questions.
    assert pick["facts_given_right_label"].value == pick["facts_given_wrong_label"].value > 0.85
    assert pick["label_given_right_facts"].value == pick["interaction"].value == 0
    for effect in CONTRASTS:
        row = at(found, condition="ignores", effect=effect, outcome="answer_correct")
        assert row.value == 0 and row.low < 0 < row.high
        assert at(found, condition="ignores", effect=effect, outcome="logp_gold").value == pytest.approx(0)
    of = {e: at(found, condition="mixed", effect=e, outcome="logp_gold") for e in CONTRASTS}
    assert of["total"].value == pytest.approx(of["natural_direct"].value + of["natural_indirect"].value)
    assert of["total"].n == of["natural_direct"].n == of["natural_indirect"].n > 20
    # Gold is right with 1 - 0.3 * 0.1; a wrong trace leaves what is not copied, 0.3 * 0.9, where it implies something.
    if table.dataset.iloc[0] == "cotempqa":
        holds(at(found, condition="mixed", effect="total", outcome="answer_correct"), 0.97 - 0.27)


def test_observed_is_the_association_in_own_traces(table):
    found = effects(table, rng(), REPEATS)
    observed = at(found, effect="observed", condition="copies")
    assert observed.value > 0.9 and observed.low < observed.high  # where every trace decides its answer, too
    assert abs(at(found, effect="observed", condition="ignores").value) < 0.3


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


@pytest.mark.parametrize(("low", "high", "n", "t", "sign"), [
    (0.1, 0.3, 20, (), "above zero"),
    (-0.3, -0.1, 20, (), "below zero"),
    # The bootstrap alone shows a sign; the t interval over three seeds does not.
    (-0.14, -0.02, 20, (-0.17, 0.02), "inconclusive"), (-0.14, -0.02, 20, (-0.12, -0.01), "below zero"),
    (0.9, 1.1, 19, (), "not tested"), (np.nan, np.nan, 1, (), "not tested"),
])  # fmt: skip
def test_no_sign_is_claimed_that_an_interval_does_not_show(low, high, n, t, sign):
    row = {"low": low, "high": high, "n": n} | dict(zip(("t_low", "t_high"), t, strict=False))
    assert tables.sign(row) == sign


def test_a_file_given_twice_is_refused(rows):
    with pytest.raises(ValueError, match="twice"):
        frame([*rows, rows[0]])
    with pytest.raises(ValueError, match="no intervention rows"):
        frame([])
