"""The from-scratch student: problems, trace kinds, loss, records, resuming, judged predictions."""

import json
import re
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
from tracekd.interventions.from_scratch import Setting
from tracekd.io.records import append_jsonl, read_jsonl
from tracekd.scoring.aligned import verdict
from tracekd.traces import templates

TINY = Setting("correct", steps=4, looks=2, test=6, problems=40)
WENT = re.compile(r"(\w+) went to the (\w+)\.")
FACTS, SEEDS = st.integers(2, 8), st.integers(0, 10**6)


def one(facts, seed):
    rng = np.random.default_rng(seed)
    return world.problems(1, facts, rng)[0], rng


@given(FACTS, SEEDS)
def test_a_problem_has_one_gold_fact_that_the_projects_rules_derive(facts, seed):
    problem, _ = one(facts, seed)
    people, places = zip(*(WENT.fullmatch(fact).groups() for fact in problem.context), strict=True)
    assert len(problem.context) == facts == len(set(people)) == len(set(places))
    derived = derive(problem)
    assert (derived.answers, derived.evidence) == (problem.answers, problem.evidence)


@given(FACTS, SEEDS)
def test_kinds_are_what_they_say(facts, seed):
    problem, rng = one(facts, seed)
    stated = {kind: world.trace(problem, kind, rng).retrieval for kind in world.KINDS}
    assert stated["vanilla"] is None and stated["filler"] is None
    assert stated["correct"] == problem.facts
    assert set(stated["all_wrong"]) == set(problem.context) - set(problem.facts)
    assert len(stated["one_wrong"]) == 1 and set(stated["one_wrong"]) <= set(stated["all_wrong"])
    assert len(stated["any"]) == 1 and set(stated["any"]) <= set(problem.context)
    who, where = WENT.fullmatch(*stated["foreign"]).groups()
    assert who not in " ".join(problem.context) and where not in " ".join(problem.context)
    assert problem.answers[0] not in stated["masked"][0] and world.MASK in stated["masked"][0]
    with pytest.raises(ValueError, match="'corect'"):
        world.trace(problem, "corect", rng)


@pytest.mark.parametrize(("kind", "share"), [("any", 0.2), ("wrong_25", 0.75), ("wrong_75", 0.25)])
def test_a_blind_or_dosed_trace_is_right_as_often_as_it_says(kind, share):
    rng = np.random.default_rng(1)
    found = world.problems(2000, 5, rng)
    right = np.mean([world.stated(p, kind, rng) == p.facts for p in found])
    # Four standard deviations of a share of 2000 draws; the gold fact stands at each position alike.
    assert abs(right - share) <= 4 * np.sqrt(share * (1 - share) / 2000)
    assert abs(np.bincount([p.evidence[0] for p in found]) / 2000 - 0.2).max() <= 4 * np.sqrt(0.2 * 0.8 / 2000)


@given(FACTS, SEEDS, st.sampled_from(list(world.KINDS)))
def test_a_target_is_judged_right_as_a_text_and_as_tokens(facts, seed, kind):
    problem, rng = one(facts, seed)
    target = templates.target(problem, world.trace(problem, kind, rng))
    for text in (target, " ".join(world.WORDS[i] for i in world.encode(target))):
        assert verdict(problem, text)["answer_correct"]
    with pytest.raises(ValueError, match=r"facts=1\b"):
        one(1, seed)


@pytest.mark.parametrize("kind", ["vanilla", "correct", "all_wrong"])
def test_the_loss_falls_on_trace_and_answer_alone(kind):
    rng = np.random.default_rng(0)
    found = world.problems(3, 3, rng)
    ids, labels = world.examples(found, kind, rng)
    for problem, row, label in zip(found, ids.tolist(), labels.tolist(), strict=True):
        start = len(world.encode(templates.prompt(problem)))
        # K names and places, the word Question, and the name asked for.
        assert start == 2 * 3 + 2 and label[:start] == [-100] * start
        # vanilla: <answer> place </answer>; correct: + <think> name place </think>; all_wrong: two pairs in it.
        length = {"vanilla": 3, "correct": 7, "all_wrong": 9}[kind]
        assert label[start : start + length] == row[start : start + length] and world.END in label
        assert set(label[start + length :]) <= {-100}


def test_a_training_repeats_by_its_seed_and_starts_as_the_recorded_one():
    first, again, other = (json.loads(json.dumps(world.finished(replace(TINY, seed=s)))) for s in (1, 1, 5))
    assert first["curve"] == again["curve"] != other["curve"]
    looks = record.recorded()
    wanted = looks[(looks.kind == "correct") & (looks.facts == 5) & (looks.seed == 121) & looks.smeared].iloc[0]
    torch.set_num_threads(1)
    step, loss, _ = next(world.train(Setting("correct", steps=int(wanted.steps), looks=12)))
    assert (step, loss) == (wanted.step, pytest.approx(wanted.loss, rel=1e-3))


@pytest.mark.timeout(120)
def test_right_and_wrong_traces_teach_retrieval_and_only_the_right_one_is_followed():
    """The one real training: 0.2 is chance with five facts; seeds are fixed, so the bits are."""
    size = {"steps": 220, "looks": 1, "test": 50, "problems": 6000}
    right, wrong = (world.finished(Setting(kind, **size))["curve"][-1] for kind in ("correct", "one_wrong"))
    assert right["own"] > 40 and right["gold"] > 40 and right["wrong_facts"] < 10
    assert wrong["own"] > 40 and wrong["wrong_facts"] > 40


def test_a_record_goes_on_where_it_stopped(tmp_path):
    path, wanted = tmp_path / "trainings.jsonl", [replace(TINY, kind=kind) for kind in ("vanilla", "any", "correct")]
    assert len(list(mechanism.complete(path, wanted[:2], 1))) == 2
    first = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"kind": "ri')  # killed while it wrote
    made = list(mechanism.complete(path, wanted, 2))
    assert sorted(record["kind"] for record in made) == ["any", "correct", "vanilla"]
    assert path.read_bytes().startswith(first) and len(list(read_jsonl(path))) == 3
    looks = mechanism.table(made)
    assert len(looks) == 3 * TINY.looks and set(looks.source) == {world.LABEL}
    assert list(looks) == list(record.recorded())
    (newer,) = mechanism.complete(path, [replace(TINY, version=TINY.version + 1)], 1)
    assert newer["version"] == TINY.version + 1 and len(list(read_jsonl(path))) == 4


@pytest.mark.parametrize(
    ("right", "word"),
    [([100] * 6, record.FAILED), ([20] * 6, record.HELD), ([0, 100] * 3, record.INCONCLUSIVE),
     ([20] * 4, record.NOT_TESTED)],
)  # fmt: skip
def test_a_prediction_is_judged_by_the_interval_over_seeds(right, word):
    about = {"smeared": True, "kind": "one_wrong", "facts": 5, "steps": 10, "step": 10, "n": 100}
    final = record.last(pd.DataFrame([about | {"seed": seed, "own": own} for seed, own in enumerate(right)]))
    found = record.judged(record.levels(final, np.random.default_rng(0), 500))
    judged = found.set_index(["kind", "variant"])
    # "trace is the reasoning" predicts chance for own answers after training on one wrong fact.
    assert judged.loc[("one_wrong", "own"), "trace is the reasoning"] == f"chance: {word}"
    assert judged.loc[("one_wrong", "own"), "measured"].startswith(f"{np.mean(right) / 100:.2f}")
    assert judged.loc[("correct", "own"), "measured"] == record.NOT_TESTED
    counts = record.summary(found).set_index("account").loc["trace is the reasoning"]
    assert counts[word] == (6 if word == record.NOT_TESTED else 1) and counts.sum() == 6


def test_the_small_students_order_in_the_real_one():
    """Of 30 problems ``vanilla`` answers 10, ``correct`` 30, ``foreign`` 20 and ``any`` 10 right; two seeds alike."""
    right = {"vanilla": 10, "correct": 30, "foreign": 20, "any": 10}
    verdicts = pd.DataFrame(
        {"dataset": "babi", "training_problems": 8, "condition": c, "seed": s, "id": f"p{i}", "answer_correct": i < n,
         "n_context": 2 if i < 20 else 5, "drawn_reveals": "none" if i > 25 else "names"}
        for c, n in right.items() for s in (1, 2) for i in range(30)
    )  # fmt: skip
    parts = record.order_in_real_student(verdicts, np.random.default_rng(0), 200).set_index(["context", "condition"])
    # With two facts `vanilla` answers 10 of 20 right, with more none of 10; 4 of these hide the answer.
    assert parts.value[:, "correct"].tolist() == pytest.approx([2 / 3, 1 / 2, 1, 1])
    assert parts.n[:, "any"].tolist() == [30, 20, 10, 4]
    holds = {"correct": "yes", "incorrect": "not tested", "any": "inconclusive", "foreign": "no"}
    assert parts.loc["all"].holds.to_dict() == holds


def test_the_command_adds_what_is_finished_to_what_is_recorded(elsewhere, tmp_path, monkeypatch):
    """Another machine's trainings stay; the same training, done again, is there once, as it was done last."""
    monkeypatch.setattr(mechanism, "settings", lambda *chosen: [TINY])
    before, made = record.recorded(), world.finished(TINY)
    same = mechanism.table([made]).assign(seconds=-1.0)
    pd.concat([before, same]).to_csv(tmp_path / mechanism.FILE, index=False)
    (folder := elsewhere / "mechanism").mkdir(parents=True)
    append_jsonl(folder / "trainings.jsonl", [made, {**made, "version": 0}])  # an older one is left out
    assert mechanism.main(["--record"], tmp_path) == 0
    looks = record.recorded(tmp_path)
    assert len(looks) == len(before) + 2 and not looks.duplicated(mechanism.KEY).any() and looks.seconds.min() > 0
    new = looks[looks.steps == TINY.steps]
    assert new.step.tolist() == [2, 4] and new.own.tolist() == [look["own"] for look in made["curve"]]
    assert looks.smeared.dtype == bool and set(new.commit.astype(str)) == {made["commit"]}
