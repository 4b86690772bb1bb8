"""The recording of real small runs: what is finished is scored once, merged with what other machines recorded."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pandas as pd
import pytest
from invented_verdicts import frame

from tracekd.analysis import recorded
from tracekd.config import load
from tracekd.grid import forced_traces, run_grid
from tracekd.run import Run
from tracekd.students import generate, records, sft
from tracekd.traces import freeform

SETS = ("babi", "marco")
KEYS = [*recorded.JOB, "training_problems"]


def small_run(folder, name: str, conditions: tuple[str, ...], train: int = 8) -> Run:
    """A run of the 2-layer student on a few generated problems, trained and answered."""
    smoke = load("smoke")
    profile = replace(
        smoke, name=name, datasets=SETS, train=dict.fromkeys(SETS, train), test=dict.fromkeys(SETS, 8), also={},
        interventions=dict.fromkeys(SETS, 2), conditions=conditions, recipe=replace(smoke.recipe, max_new_tokens=8),
    )  # fmt: skip
    run = Run("replication", profile, 121, "generated", folder)
    sft.prepare(run)
    run_grid.train(run)
    run_grid.generate(run)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two machines with the same profile and other jobs of it, and a profile with a smaller training."""
    made = [
        small_run(tmp_path_factory.mktemp("here"), "grid", ("vanilla", "correct")),
        small_run(tmp_path_factory.mktemp("there"), "grid", ("incorrect",)),
        small_run(tmp_path_factory.mktemp("smaller"), "small", ("correct", "any"), 4),
    ]
    asker, chosen = generate.Asker("tiny-random", made[0].profile.recipe), forced_traces.chosen(made[0])
    forced_traces.complete(made[0], asker, chosen["babi"], "babi", "correct", 121)
    return made


def jobs(made: recorded.Recorded) -> set[tuple]:
    return set(made.verdicts[KEYS].itertuples(index=False, name=None))


def contents(folder) -> list[bytes]:
    return [(folder / name).read_bytes() for name in recorded.FILES]


def test_what_is_finished_is_recorded_once_and_read_back(runs, tmp_path):
    made = recorded.record([runs[0], runs[2]], tmp_path)
    conditions = {("prompted", 0), ("vanilla", 8), ("correct", 8), ("correct", 4), ("any", 4)}
    assert jobs(made) == {(d, c, 121, size) for d in SETS for c, size in conditions}
    assert len(made.verdicts) == 10 * 8 and not made.verdicts.duplicated([*KEYS, "id"]).any()
    assert len(made.adapters) == 8 and set(made.adapters.n) == {8, 4}
    assert made.adapters[["hardware", "commit", "seconds", "weights"]].notna().all(axis=None)
    assert set(made.verdicts.profile) == {"grid", "small"} and made.verdicts.answer_correct.dtype == bool
    assert set(made.interventions.condition) == {"correct"} and made.interventions.id.nunique() == 2
    taught = made.adapters.groupby("condition").target_repetition.mean()
    assert taught["vanilla"] < taught["correct"] < 0.5  # `vanilla` is taught a short answer
    before = contents(tmp_path)
    recorded.record([runs[0], runs[2]], tmp_path)
    assert contents(tmp_path) == before


def test_machines_add_to_one_recording_in_any_order(runs, tmp_path):
    """Nothing that another machine recorded is lost, and the files do not say who came first."""
    one, other, all_at_once = (tmp_path / name for name in ("one", "other", "all"))
    for folder in (one, other, all_at_once):
        folder.mkdir()
    first = recorded.record([runs[0]], one)
    both = recorded.record([runs[1]], one)
    assert jobs(both) == jobs(first) | {(d, "incorrect", 121, 8) for d in SETS}
    assert len(both.adapters) == 6 and len(both.interventions) == len(first.interventions) > 0
    recorded.record([runs[1]], other)
    recorded.record([runs[0]], other)
    recorded.record(runs[:2], all_at_once)
    assert contents(one) == contents(other) == contents(all_at_once)
    assert both.verdicts.condition.drop_duplicates().tolist() == ["vanilla", "correct", "incorrect", "prompted"]


def tables(verdicts: pd.DataFrame, weights: str, forced: bool = False) -> list[pd.DataFrame]:
    trained = verdicts[verdicts.training_problems > 0].drop_duplicates(list(recorded.KEY))
    return [verdicts, trained.assign(weights=weights), verdicts[verdicts.id == "p0"] if forced else pd.DataFrame()]


def test_a_job_trained_anew_replaces_its_rows_and_its_forced_answers():
    ours = frame({"prompted": [0, 0], "correct": [1, 1], "vanilla": [1, 1]}).assign(profile="grid")
    again = ours[ours.condition == "correct"].assign(answer_correct=False)
    old = tables(ours, "a", forced=True)
    verdicts, trained, forced = recorded.merged(old, tables(again, "b"))
    assert verdicts.groupby("condition").answer_correct.sum().to_dict() == {"prompted": 0, "correct": 0, "vanilla": 2}
    assert trained.set_index("condition").weights.to_dict() == {"vanilla": "a", "correct": "b"}
    assert set(forced.condition) == {"prompted", "vanilla"}
    # The same adapter, asked on the other machine alone: its forced answers stay.
    assert len(recorded.merged(old, tables(again, "a"))[2]) == 3
    with pytest.raises(ValueError, match="another: notebook 08 takes one student"):
        recorded.merged(old, tables(ours.assign(student="another"), "a"))


def test_two_profiles_with_the_same_job_are_refused(runs, tmp_path):
    named = replace(runs[0], profile=replace(runs[0].profile, name="grid-r1"))
    with pytest.raises(ValueError, match="grid-r1"):
        recorded.record([runs[0], named], tmp_path)
    recorded.record([runs[0]], tmp_path)
    with pytest.raises(ValueError, match="grid-r1"):
        recorded.record([named], tmp_path)


def test_nothing_recorded_and_a_missing_column_are_named(runs, tmp_path):
    with pytest.raises(FileNotFoundError, match="--record"):
        recorded.load(tmp_path)
    recorded.record([runs[2]], tmp_path)
    old = pd.read_csv(tmp_path / recorded.ADAPTERS).drop(columns="teacher")
    old.to_csv(tmp_path / recorded.ADAPTERS, index=False)
    with pytest.raises(ValueError, match="'teacher'"):
        recorded.load(tmp_path)


@contextmanager
def changed(path, text: str):
    """A file of a run with another text for a while."""
    whole = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(whole)


def test_unfinished_jobs_and_outputs_of_another_adapter_are_open_and_stay_out(runs, tmp_path):
    job, chosen = ("babi", "correct", 121), forced_traces.chosen(runs[0])["babi"]
    path, rows = records.outputs_path(runs[0], *job), forced_traces.rows_path(runs[0], *job)
    with changed(path, "".join(path.read_text().splitlines(keepends=True)[:-1])):
        done, rest = recorded.finished(runs[0])
        assert rest == [job] and len(done) == 5 and (*job, 8) not in jobs(recorded.record(runs[:1], tmp_path))
    assert forced_traces.answered(runs[0], chosen, *job)
    record = records.adapter_path(runs[0], *job) / "record.json"
    # The record of an adapter trained anew has other weights: these outputs are not its.
    with changed(record, json.dumps(json.loads(record.read_text()) | {"key": "another", "weights": "others"})):
        assert recorded.finished(runs[0])[1] == [job] and not forced_traces.answered(runs[0], chosen, *job)
    half = "".join(line for line in rows.read_text().splitlines(keepends=True) if chosen[0].id not in line)
    with changed(rows, half):
        assert len(recorded.forced_traces(runs[0], [job])) == 0


def test_adapters_of_another_size_than_the_profiles_stay_out(runs, tmp_path):
    """Recorded under the profile's present size, they would be compared with students that saw other problems."""
    larger = replace(runs[0], profile=replace(runs[0].profile, train=dict.fromkeys(SETS, 9)))
    done, rest = recorded.finished(larger)
    assert {job[1] for job in done} == {"prompted"} and {job[1] for job in rest} == {"vanilla", "correct"}
    made = jobs(recorded.record([larger, runs[2]], tmp_path))
    assert made == {(d, c, 121, size) for d in SETS for c, size in {"prompted": 0, "correct": 4, "any": 4}.items()}
    assert len(recorded.finished(runs[0])[0]) == 6


def test_the_largest_size_is_each_sets_own():
    sizes = frame({"correct": [1], "prompted": [0]}), frame({"correct": [1]}, size=256), frame({"any": [1]}, size=256)
    top = recorded.largest(pd.concat([*sizes, frame({"correct": [1]}, dataset="marco", size=64)]))
    assert [*zip(top.dataset, top.training_problems, strict=True)] == [("babi", 1000), ("babi", 0), ("marco", 64)]
    small, two = frame({"vanilla": [1], "correct": [1]}, size=64), frame({"correct": [1]}, size=64).assign(seed=122)
    none = pd.concat([small, small.assign(seed=122), sizes[0], two.assign(training_problems=1000)])
    one, more = pd.concat([none, frame({"vanilla": [1]})]), frame({"vanilla": [1]}).assign(seed=122)
    for part, size in ((none, 64), (one, 64), (pd.concat([one, more]), 1000)):  # seeds of vanilla at the larger size
        assert {*recorded.largest(part).training_problems} == {0, size}
    asked = one.groupby(["dataset", "training_problems", "condition"]).seed.nunique().rename("seeds").reset_index()
    assert {*recorded.largest(asked).training_problems} == {0, 64}


def test_conditions_and_sources_are_named_in_full():
    ours = frame({"correct": [1], "r1": [1], "swapped": [0]})
    named = ["correct", "r1 (templated)", "swapped (templated)"]
    assert freeform.spelled(ours.drop(columns="teacher"), recorded.teachers(ours)).condition.tolist() == named
    both = pd.concat([ours.assign(source="real problems"), ours.assign(dataset="marco", source="GENERATED problems")])
    assert recorded.sources(both) == "recorded: babi: real problems; marco: GENERATED problems"
    assert recorded.sources(both[both.dataset == "babi"]) == "recorded: babi: real problems"
