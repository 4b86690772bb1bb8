"""Natural wrong traces: a student's own errors on problems it was not trained on, from the grid to another student."""

from dataclasses import replace

import pytest

from tracekd import config
from tracekd.data.problem import key
from tracekd.data.problems import kept, training_set
from tracekd.grid import run_grid
from tracekd.io.records import read_jsonl, write_jsonl
from tracekd.run import Run
from tracekd.students import records, registry, sft
from tracekd.traces import freeform, templates

RIGHT = "<think>{}</think> <answer>{}</answer>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The run of `smoke` with its `correct` students trained, and that of `smoke-natural` beside it."""
    folder = tmp_path_factory.mktemp("runs")
    base = replace(
        config.load("smoke"), datasets=("babi",), conditions=("correct",), also={}, seeds=(121, 122), test={"babi": 4}
    )
    beside = replace(base, name="smoke-natural", conditions=tuple(freeform.NATURAL), train={"babi": 20}, untrained=())
    made = [Run("train", p, 121, "generated", folder / p.name) for p in (base, beside)]
    run_grid.train(made[0])
    return made


def answers(run, wrong: dict[int, set[int]]):
    """Outputs under the real key for every seed (random weights write no trace): gold traces but at ``wrong``."""
    base, problems = run_grid.base_of(run), kept(run)["babi"]
    asked = run_grid.fresh_problems(run, "babi", problems)
    for seed, places in wrong.items():
        record = records.read_record(records.adapter_path(base, "babi", "correct", seed))
        name = records.output_key(registry.identity(run.student), record, base.profile.recipe, asked)
        rows = []
        for i, p in enumerate(asked):
            trace = templates.build(p, "incorrect" if i in places else "correct", seed=seed).text
            rows.append({"id": p.id, "text": RIGHT.format(trace, "who knows"), "finished": True, "key": name})
        write_jsonl(run.path("natural", "babi", f"outputs-{seed}.jsonl"), rows)
    return asked


def test_the_students_own_errors_train_others_on_their_own_seeds_problems(runs, capsys):
    base, run = runs
    asked = answers(run, {121: {1, 4, 5}, 122: {0, 4}})
    seen = {key(p) for p in training_set(base, "babi", kept(run)["babi"])}
    assert len(asked) == 20 and not seen & {key(p) for p in asked}
    table = run_grid.train(run)
    assert dict(zip(zip(table.condition, table.seed, strict=True), table.n, strict=True)) == {
        (c, s): n for c in freeform.NATURAL for s, n in ((121, 3), (122, 2))
    }
    assert "17 correct, 3 wrong" in capsys.readouterr().out
    sets = {c: sft.kept(run)["babi", c] for c in freeform.NATURAL}
    assert {c: sft.teacher_of(made) for c, made in sets.items()} == dict.fromkeys(sets, "") | {"natural": "tiny-random"}
    for seed, places in {121: (1, 4, 5), 122: (0, 4)}.items():
        of = {c: {e.id: e for e in sft.of_seed(made, seed)} for c, made in sets.items()}
        for p in (asked[i] for i in places):
            ends = {c: of[c][p.id].target for c in of}
            assert ends["natural"] == templates.target(p, templates.build(p, "incorrect", seed=seed))  # gold answer
            assert ends["natural_correct"] == templates.target(p, templates.build(p, "correct"))
            assert ends["natural_incorrect"] == templates.target(p, templates.build(p, "incorrect", seed=121))
            assert len({of[c][p.id].prompt for c in of}) == 1
    assert len(run_grid.generate(run)) == 6 and len(run_grid.intervene(run)) == 6
    run_grid.export(run, [("babi", "natural", seed) for seed in (121, 122)], run.folder)
    assert [len([*read_jsonl(run.folder / f"babi/natural-seed{s}.jsonl")]) for s in (121, 122)] == [3, 2]


def test_a_student_without_a_readable_trace_is_an_error(runs):
    run = replace(runs[1], folder=runs[1].folder.with_name("other-natural"))
    with pytest.raises(ValueError, match="none of 20 outputs"):  # the random student writes no trace
        run_grid.answer_naturally(run)
    asked = {p.id for p in run_grid.fresh_problems(run, "babi", kept(run)["babi"])}
    assert {row["id"] for row in read_jsonl(run.path("natural", "babi", "outputs-121.jsonl"))} == asked


def test_what_is_missing_is_named_with_the_command(runs, tmp_path):
    run = replace(runs[1], folder=tmp_path / "smoke-natural")
    with pytest.raises(FileNotFoundError, match="smoke --data generated --dataset babi --condition correct"):
        run_grid.train(run)
    with pytest.raises(FileNotFoundError, match="tracekd train --profile smoke-natural"):
        sft.prepare(run)
    greedy = replace(run, profile=replace(run.profile, name="grid"))
    with pytest.raises(ValueError, match="'grid'"):
        run_grid.base_of(greedy)
    profile = config.load("grid-natural")
    assert (profile.datasets, profile.seeds, profile.train["babi"]) == (("babi",), (121, 122, 123), 1000)
    assert run_grid.base_of(replace(run, profile=profile)).folder.name == "grid"
