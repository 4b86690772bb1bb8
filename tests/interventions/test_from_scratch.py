"""The from-scratch student: problems, trace kinds, loss, rows, resuming."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tracekd.analysis import mechanism as record
from tracekd.decompose.derive import derive
from tracekd.grid import mechanism
from tracekd.interventions import from_scratch as world
from tracekd.interventions import from_scratch_training as training
from tracekd.interventions import tables
from tracekd.interventions.from_scratch_training import Setting
from tracekd.io.records import append_jsonl, read_jsonl
from tracekd.scoring.aligned import verdict
from tracekd.traces import templates

TINY = Setting("right", steps=4, looks=2, test=6, problems=40)
FACTS, SEEDS = st.integers(2, 8), st.integers(0, 10**6)


def one(facts, seed, distractors=0):
    rng = np.random.default_rng(seed)
    return world.problems(1, facts, rng, distractors=distractors)[0], rng


@given(FACTS, st.integers(0, 4), SEEDS)
def test_a_problem_has_one_gold_fact_that_the_projects_rules_derive(facts, distractors, seed):
    problem, _ = one(facts, seed, distractors)
    pairs = [world.WENT.fullmatch(fact) for fact in problem.context]
    people, places = zip(*(pair.groups() for pair in pairs if pair), strict=True)
    assert len(problem.context) == facts + distractors and len(set(people)) == len(set(places)) == facts
    derived = derive(problem)
    assert (derived.answers, derived.evidence) == (problem.answers, problem.evidence)


def test_the_gold_fact_stands_at_each_position_alike():
    found = world.problems(2000, 4, np.random.default_rng(0))
    counts = np.bincount([p.evidence[0] for p in found])
    # 2000 draws of 1/4: 500 expected, standard deviation sqrt(2000 * 1/4 * 3/4) = 19.4; four of them are 77.
    assert abs(counts - 500).max() < 78


@pytest.mark.parametrize(("facts", "distractors"), [(1, 0), (13, 0), (8, 5), (2, -1)])
def test_too_few_or_too_many_sentences_are_refused(facts, distractors):
    with pytest.raises(ValueError, match=f"facts={facts}"):
        world.problems(1, facts, np.random.default_rng(0), distractors=distractors)


@given(FACTS, SEEDS)
def test_kinds_are_what_they_say(facts, seed):
    problem, rng = one(facts, seed, distractors=2)
    stated = {kind: world.trace(problem, kind, rng).retrieval for kind in world.KINDS}
    asked_for = {fact for fact in problem.context if world.WENT.fullmatch(fact)}
    assert stated["none"] is None and stated["filler"] is None
    assert stated["right"] == problem.facts
    assert set(stated["all_wrong"]) == asked_for - set(problem.facts)
    assert len(stated["one_wrong"]) == 1 and set(stated["one_wrong"]) <= set(stated["all_wrong"])
    assert len(stated["any"]) == 1 and set(stated["any"]) <= asked_for
    who, where = world.WENT.fullmatch(*stated["foreign"]).groups()
    assert who not in " ".join(problem.context) and where not in " ".join(problem.context)
    assert problem.answers[0] not in stated["masked"][0] and world.MASK in stated["masked"][0]
    for kind in ("right", "one_wrong", "all_wrong", "any", "foreign", "masked"):
        assert templates.read(world.trace(problem, kind, rng).text)[0] == world.CATEGORY


@pytest.mark.parametrize(("kind", "share"), [("any", 0.2), ("wrong_25", 0.75), ("wrong_75", 0.25), ("wrong_0", 1.0)])
def test_a_blind_or_dosed_trace_is_right_as_often_as_it_says(kind, share):
    rng = np.random.default_rng(1)
    found = world.problems(2000, 5, rng)
    right = np.mean([world.stated(p, kind, rng) == p.facts for p in found])
    # Four standard deviations of a share of 2000 draws.
    assert abs(right - share) <= 4 * np.sqrt(share * (1 - share) / 2000)


def test_an_unknown_kind_is_refused():
    problem, rng = one(3, 0)
    with pytest.raises(ValueError, match="'rihgt'"):
        world.trace(problem, "rihgt", rng)


@given(FACTS, SEEDS, st.sampled_from(list(world.KINDS)))
def test_a_target_survives_tokens_and_is_judged_like_its_text(facts, seed, kind):
    problem, rng = one(facts, seed)
    target = templates.target(problem, world.trace(problem, kind, rng))
    back = world.decode(world.encode(target))
    wanted, found = verdict(problem, target), verdict(problem, back)
    assert found["answer_correct"] and wanted["answer_correct"]
    if kind != "filler":  # its text states no facts, its tokens dots in place of facts
        assert (found["facts_stated"], found["status"]) == (wanted["facts_stated"], wanted["status"])


def test_an_empty_and_a_broken_trace_stay_what_they_are():
    problem, _ = one(2, 0)
    right = problem.answers[0]
    empty = verdict(problem, world.decode(world.encode(f"<think></think> <answer>{right}</answer>")))
    assert empty["answer_correct"] and empty["status"] == "no_trace" and empty["facts_stated"] is None
    broken = verdict(problem, world.decode(world.encode(f"<think> Ada Ada {right} </think> <answer>{right}</answer>")))
    assert broken["facts_stated"] == ("Ada", f"Ada went to the {right}.")


def test_every_word_has_one_token_and_one_role():
    assert len(set(world.WORDS)) == len(world.WORDS)
    assert not {*world.PEOPLE, *world.PLACES, *world.THINGS} & {*templates.render("babi", world.CATEGORY, ()).split()}


@pytest.mark.parametrize("kind", ["none", "right", "all_wrong"])
def test_the_loss_falls_on_trace_and_answer_alone(kind):
    rng = np.random.default_rng(0)
    found = world.problems(3, 3, rng)
    ids, labels = training.examples(found, kind, rng)
    for problem, row, label in zip(found, ids.tolist(), labels.tolist(), strict=True):
        start = len(world.encode(templates.prompt(problem)))
        # K names and places, the word Question, and the name asked for.
        assert start == 2 * 3 + 2 and label[:start] == [-100] * start
        # none: <answer> place </answer>; right: + <think> name place </think>; all_wrong: two pairs in it.
        length = {"none": 3, "right": 7, "all_wrong": 9}[kind]
        assert label[start : start + length] == row[start : start + length] and world.END in label
        assert set(label[start + length :]) <= {-100}


def test_padding_and_later_words_change_nothing_before_them():
    torch.manual_seed(0)
    for smeared in (False, True):
        student = world.Student(smeared)
        short, long = torch.tensor([[5, 9, 11]]), torch.tensor([[5, 9, 11, 20, 0]])
        torch.testing.assert_close(student(short)[0], student(long)[0, :3])


def test_same_seed_same_bits_and_another_seed_others():
    again = [training.finished(TINY, rows=True) for _ in range(2)]
    assert again[0]["curve"] == again[1]["curve"] and again[0]["rows"] == again[1]["rows"]
    assert training.finished(replace(TINY, seed=5))["curve"] != again[0]["curve"]


def test_rows_are_the_projects_and_its_tables_take_them():
    made = training.finished(TINY, rows=True)
    json.dumps(made)
    rows = tables.frame(made["rows"])
    assert list(dict.fromkeys(rows.variant)) == list(training.VARIANTS) and len(rows) == 7 * TINY.test
    # Foreign facts imply their own place, the empty and the masked trace nothing; all wrong ones several, so nothing.
    implied = rows.groupby("variant").implied.agg(lambda v: v.notna().all())
    assert implied[["gold", "wrong_facts", "other"]].all() and not implied[["empty", "masked", "all_wrong"]].any()
    assert not rows[rows.variant == "gold"].disagrees.any() and rows[rows.variant == "wrong_facts"].disagrees.all()
    levels = tables.levels(rows, np.random.default_rng(0), 50)
    level = levels[(levels.variant == "all_wrong") & (levels.outcome == "answer_correct")].iloc[0]
    assert level.n == TINY.test and level.value == made["curve"][-1]["all_wrong"] / TINY.test
    assert len(tables.follow_shares(rows, np.random.default_rng(0), 50))


@pytest.mark.timeout(120)
def test_right_and_wrong_traces_teach_retrieval_and_only_the_right_one_is_followed():
    """The one real training: 0.2 is chance with five facts; seeds are fixed, so the bits are."""
    right, wrong = (
        training.finished(Setting(kind, steps=220, looks=1, test=50))["curve"][-1] for kind in ("right", "one_wrong")
    )
    assert right["own"] > 40 and right["gold"] > 40 and right["wrong_facts"] < 10
    assert wrong["own"] > 40 and wrong["wrong_facts"] > 40


def test_a_record_goes_on_where_it_stopped(tmp_path):
    path, wanted = tmp_path / "trainings.jsonl", [replace(TINY, kind=kind) for kind in ("none", "any", "right")]
    assert len(list(mechanism.complete(path, wanted[:2], 1))) == 2
    first = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"kind": "ri')  # killed while it wrote
    made = list(mechanism.complete(path, wanted, 1))
    assert sorted(record["kind"] for record in made) == ["any", "none", "right"]
    assert path.read_bytes().startswith(first) and len(list(read_jsonl(path))) == 3
    looks = mechanism.table(made)
    assert len(looks) == 3 * TINY.looks and set(looks.source) == {world.LABEL}
    (newer,) = mechanism.complete(path, [replace(TINY, version=TINY.version + 1)], 1)
    assert newer["version"] == TINY.version + 1 and len(list(read_jsonl(path))) == 4


def test_settings_train_slow_kinds_longer_and_doses_with_five_facts_alone():
    made = mechanism.settings(("none", "right", "wrong_50"), (2, 5), (1,), ("smeared",))
    cells = [(s.kind, s.facts, s.steps // mechanism.STUDENTS["smeared"]) for s in made]
    assert cells == [
        ("none", 2, 1),
        ("right", 2, 1),
        ("none", 5, 1),
        ("right", 5, 1),
        ("wrong_50", 5, 1),
        ("none", 5, 4),
    ]


def looks_of(kind, right, variant="own", steps=10):
    """Invented looks of one training per entry of ``right`` (of 100)."""
    return [
        {"smeared": False, "kind": kind, "facts": 5, "seed": seed, "steps": steps, "step": steps, "n": 100, variant: r}
        for seed, r in enumerate(right)
    ]


@pytest.mark.parametrize(
    ("right", "word"),
    [
        ([100] * 6, record.FAILED),
        ([20] * 6, record.HELD),
        ([0, 100] * 3, record.INCONCLUSIVE),
        ([20] * 4, record.NOT_TESTED),
    ],
)
def test_a_prediction_is_judged_by_the_interval_over_seeds(right, word):
    final = record.last(pd.DataFrame(looks_of("one_wrong", right)))
    measured = record.levels(final, np.random.default_rng(0), 500)
    judged = record.judged(measured, smeared=False).set_index(["kind", "variant"])
    # "trace is the reasoning" predicts chance for own answers after training on one wrong fact.
    assert judged.loc[("one_wrong", "own"), "trace is the reasoning"] == f"chance: {word}"
    assert judged.loc[("one_wrong", "own"), "measured"].startswith(f"{np.mean(right) / 100:.2f}")
    assert judged.loc[("right", "own"), "measured"] == record.NOT_TESTED
    assert record.summary(judged.reset_index()).set_index("account").loc["trace is the reasoning", word] >= 1


def test_the_command_records_what_is_finished(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path))
    monkeypatch.setattr(mechanism, "settings", lambda *chosen: [TINY])
    (tmp_path / "mechanism").mkdir()
    made = training.finished(TINY)
    append_jsonl(tmp_path / "mechanism" / "trainings.jsonl", [made, {**made, "version": 0}])  # an older one is left out
    assert record.recorded(tmp_path).empty
    assert mechanism.main(["--record"], tmp_path) == 0
    looks = record.recorded(tmp_path)
    assert looks.step.tolist() == [2, 4] and looks.own.tolist() == [look["own"] for look in made["curve"]]
    assert looks.smeared.dtype == bool and set(looks.commit.astype(str)) == {made["commit"]}
    assert f"{made['curve'][-1]['own']}/6 right by itself" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "numbers"), [("2,5", [2, 5]), ("121-123", [121, 122, 123]), ("1,4-5", [1, 4, 5])])
def test_numbers_of_the_command(text, numbers, capsys):
    assert mechanism.parser().parse_args(["--seeds", text]).seeds == numbers
    with pytest.raises(SystemExit):
        mechanism.parser().parse_args(["--seeds", f"{text},x"])
    assert f"{text},x" in capsys.readouterr().err
