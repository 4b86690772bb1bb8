"""The grid of interventions: every trained student, its own traces, nothing asked twice, nothing loaded for nothing."""

from dataclasses import replace

import pytest

from tracekd.config import load
from tracekd.data.problem import DATASETS
from tracekd.grid import forced_traces, run_grid
from tracekd.interventions.forced import VARIANTS
from tracekd.interventions.tables import frame
from tracekd.io.records import read_jsonl, write_jsonl
from tracekd.run import Run
from tracekd.scoring import aligned
from tracekd.students import records, registry, sft
from tracekd.traces import corruption


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with three adapters a set and the outputs of notebook 04."""
    settings = load("smoke")
    sizes = {"babi": 6, "cotempqa": 4, "marco": 4}
    settings = replace(settings, train=sizes, test=sizes, interventions={"babi": 3, "cotempqa": 2, "marco": "all"})
    settings = replace(settings, recipe=replace(settings.recipe, max_new_tokens=6), also={})
    run = Run("07_interventions", settings, 121, "generated", tmp_path_factory.mktemp("run"))
    sft.prepare(run)
    with pytest.raises(FileNotFoundError, match="tracekd train --profile smoke"):
        run_grid.generate(run)  # evaluating never trains
    run_grid.train(run)
    with pytest.raises(FileNotFoundError, match="tracekd generate --profile smoke"):
        run_grid.intervene(run)
    run_grid.generate(run)
    return run


@pytest.fixture(scope="module")
def paths(run):
    return run_grid.intervene(run)


def test_nine_rows_a_problem_for_every_trained_student(run, paths):
    assert [p.relative_to(run.folder).as_posix() for p in paths] == [
        f"interventions/{d}/{c}-121.jsonl" for d in DATASETS for c in ("vanilla", "correct", "incorrect")
    ]
    sizes = {"babi": 3, "cotempqa": 2, "marco": 4}
    asked = records.evaluation_problems(run)
    for path, (dataset, condition, seed) in zip(paths, records.adapter_jobs(run), strict=True):
        rows, first = list(read_jsonl(path)), [p.id for p in asked[dataset][: sizes[dataset]]]
        assert [r["id"] for r in rows] == [i for i in first for _ in VARIANTS]
        assert [r["variant"] for r in rows] == list(VARIANTS) * len(first)
        record = records.read_record(records.adapter_path(run, dataset, condition, seed))
        about = {(r["student"], r["condition"], r["seed"], r["source"], r["adapter"], r["identity"]) for r in rows}
        identity = registry.identity("tiny-random")
        assert about == {("tiny-random", condition, 121, "GENERATED problems", record["key"], identity)}


def test_a_killed_grid_goes_on_and_another_adapters_rows_are_replaced(run, paths, monkeypatch):
    """A torn file, and one of another key: the base is loaded once for both, and the rows come out as they were."""
    before, times, real = [list(read_jsonl(p)) for p in paths], [], registry.load_model
    monkeypatch.setattr(registry, "load_model", lambda *a, **o: times.append(a) or real(*a, **o))
    assert run_grid.intervene(run) == paths and times == []  # what is there is not asked again
    lines = paths[-1].read_text().splitlines(keepends=True)
    paths[-1].write_text("".join(lines[:9]) + lines[9][:30])
    write_jsonl(paths[0], [{**r, "key": "of an earlier adapter"} for r in before[0]])
    run_grid.intervene(run)
    assert len(times) == 1
    for path, rows in zip(paths, before, strict=True):
        for old, new in zip(rows, read_jsonl(path), strict=True):
            assert {k: v for k, v in new.items() if "logp" not in k} == {
                k: v for k, v in old.items() if "logp" not in k
            }
            assert new["logp_gold"] == (old["logp_gold"] and pytest.approx(old["logp_gold"], abs=1e-4))


def test_what_may_be_committed_holds_no_text(paths):
    table = frame(forced_traces.read(paths))
    kept = forced_traces.without_text(table)
    assert len(kept) == len(table) and {"id", "variant", "answer_correct", "logp_gold", "follows"} <= set(kept)
    known = {"id", "variant", "donor", "student", "dataset", "condition", "source", "category"}
    for name in kept.select_dtypes(exclude=["number", "bool", "boolean"]).columns.difference(list(known)):
        values = {str(value) for value in kept[name].dropna()}
        allowed = {"trace", "context", "both", "neither", *corruption.LEVELS, corruption.RIGHT, *aligned.STATUSES}
        assert values <= allowed | {"derivation", "source", "slots", "renamed"}, name
