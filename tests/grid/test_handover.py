"""What one of our commands writes, the others and other programs read; shards of a grid make a whole."""

import argparse
import json
import re
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import pandas as pd
import pytest
from datasets import load_dataset

from tracekd import __main__
from tracekd.data.problem import read_problems
from tracekd.grid import pool, run_grid
from tracekd.io.records import read_jsonl, write_jsonl
from tracekd.run import open_run
from tracekd.students import registry, sft
from tracekd.students.train import IGNORED
from tracekd.study import survey


def call(*argv):
    assert __main__.main([str(word) for word in argv]) == 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The smoke run after train and generate of one bAbI student; every data set's problems and sets are there."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACEKD_RUNS", str(folder))
        patch.delenv("TRACEKD_DATA", raising=False)
        for command in ("train", "generate"):
            call(command, "--profile", "smoke", "--dataset", "babi", "--condition", "correct")
    return folder / "smoke"


pytestmark = pytest.mark.usefixtures("elsewhere")


def test_outputs_are_scored_and_the_verdicts_are_a_table(runs, tmp_path, capsys):
    outputs, table = runs / "outputs/babi/correct-121.jsonl", tmp_path / "verdicts.csv"
    call("score", "--dataset", "babi", "--problems", runs / "problems/babi.jsonl", "--outputs", outputs, "--csv", table)
    found = json.loads(capsys.readouterr().out)
    # 32 of the 90 test problems are asked in this profile; the others are missing, and counted.
    assert [found[k] for k in ("n", "malformed", "unknown", "duplicate", "missing")] == [32, 0, 0, 0, 58]
    rows = pd.read_csv(table)
    assert len(rows) == 32 and rows["answer_correct"].sum() == found["answer"]


def test_a_teachers_texts_are_trained_on_and_shown_in_the_survey(runs, tmp_path, monkeypatch):
    problems = read_problems(runs / "problems/cotempqa.jsonl")[:60]
    texts = tmp_path / "texts.jsonl"
    write_jsonl(texts, ({"id": p.id, "teacher": "stand-in", "trace": "I look at the years."} for p in problems))
    call("train", "--profile", "smoke", "--dataset", "cotempqa", "--condition", "r1", "--texts", texts)
    record = json.loads((tmp_path / "runs/smoke/adapters/cotempqa/r1/seed121/record.json").read_text())
    assert record["teacher"] == "stand-in"
    call("generate", "--profile", "smoke", "--dataset", "cotempqa", "--condition", "r1", "--texts", texts)
    monkeypatch.setattr(survey, "fetch", lambda: (["var jsPsych;"], "licence"))
    call("survey", "build", "--traces", texts, "--output", tmp_path / "page.html")
    assert "I look at the years." in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_problems_of_a_run_are_an_own_set(runs, tmp_path):
    rows = [{**row, "dataset": "mine"} for row in read_jsonl(runs / "problems/babi.jsonl")]
    for row in rows:
        row["id"] = row["id"].replace("babi", "mine")
    write_jsonl(tmp_path / "mine.jsonl", rows)
    call("derive", tmp_path / "mine.jsonl")
    call("train", "--profile", "smoke", "--data", tmp_path / "mine.jsonl", "--condition", "vanilla")
    assert list((tmp_path / "runs/smoke/adapters/mine/vanilla").rglob("record.json"))


@pytest.mark.skipif(find_spec("trl") is None, reason="TRL, which the dev extra has, is not installed")
def test_trl_takes_a_step_on_a_set_unchanged(runs, tmp_path, monkeypatch):
    """It sees our tokens, and puts the loss where we do."""
    from trl import SFTConfig, SFTTrainer

    monkeypatch.setenv("TRACEKD_RUNS", str(runs.parent))
    call("export", "--profile", "smoke", "--dataset", "babi", "--condition", "correct", "--output", tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("*.jsonl")
    rows = load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    own = [sft.Example(**e) for e in read_jsonl(runs / "sft/babi/correct/train.jsonl")]
    assert len(rows) == len(own) == 40 and rows["id"] == [e.id for e in own]
    rows, tokenizer = rows.select(range(8)), registry.load_tokenizer("tiny-random")
    config = SFTConfig(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=8, use_cpu=True, bf16=False,
        report_to="none", gradient_checkpointing=False, save_strategy="no", disable_tqdm=True, max_length=None,
    )  # fmt: skip
    model = registry.load_model("tiny-random", quantise=False)
    trainer = SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
    assert trainer.train().training_loss > 0 and trainer.state.global_step == 1
    for theirs, ours in zip(trainer.train_dataset, [sft.encode(e, tokenizer) for e in own[:8]], strict=True):
        ids = [*ours.prompt_ids, *ours.target_ids]
        assert theirs["input_ids"][: len(ids)] == ids
        batch = trainer.data_collator([theirs])
        assert [t for t in batch["labels"][0].tolist() if t != IGNORED][: len(ours.target_ids)] == list(ours.target_ids)


def test_adapters_of_other_data_or_settings_are_not_asked(runs, monkeypatch):
    monkeypatch.setenv("TRACEKD_RUNS", str(runs.parent))
    run, job = open_run("generate", "smoke", 121, "generated"), ("babi", "correct", 121)
    assert run_grid.untrained(run, [job]) == []
    run.profile = replace(run.profile, recipe=replace(run.profile.recipe, learning_rate=1e-5))
    for command in (run_grid.generate, run_grid.intervene):
        with pytest.raises(FileNotFoundError, match=r"other data or settings \(first babi/correct/121\)"):
            command(run, [job])


def test_a_template_that_drops_parts_of_worked_examples_is_refused(monkeypatch):
    """Qwen3's takes the thoughts out of earlier turns, so that examples with traces would show none."""
    monkeypatch.setattr(pool.records, "turns", lambda *_: [{"role": "assistant", "content": "<think>T</think> A"}])
    drops = SimpleNamespace(apply_chat_template=lambda chat, **_: re.sub("<think>.*?</think>", "", str(chat)))
    with pytest.raises(ValueError, match="leave 'few_shot_traces' out"):
        pool._answer(SimpleNamespace(student="x"), SimpleNamespace(tokenizer=drops), [], "babi", "few_shot_traces", 1)


def test_shards_make_the_whole_and_a_choice_outside_the_grid_is_named_with_the_nearest():
    grid = [("babi", "correct", i) for i in range(11)]
    options = argparse.Namespace(dataset=None, condition=None, seed="7", shard="0/1")
    assert run_grid.chosen(grid, options) == grid[7:8]
    options.seed, parts = None, []
    for options.shard in ("0/3", "1/3", "2/3"):
        parts.append(run_grid.chosen(grid, options))
    assert sorted(job for part in parts for job in part) == grid and {len(part) for part in parts} == {3, 4}
    for name, value, said in (("shard", "3/3", "'3/3'"), ("condition", "corect", "did you mean 'correct'")):
        with pytest.raises(ValueError, match=said):
            run_grid.chosen(grid, argparse.Namespace(**vars(options) | {name: value}))


def test_a_shard_answers_with_the_adapters_that_it_trained(capsys):
    listed = []
    for main, more in ((run_grid.main_train, []), (run_grid.main_generate, ["--trained"])):
        assert main(["--profile", "smoke", "--shard", "1/3", "--list", *more]) == 0
        printed = capsys.readouterr().out.splitlines()
        listed.append([line for line in printed if line.startswith(("babi ", "cotempqa ", "marco "))])
    assert run_grid.main_generate(["--profile", "smoke", "--list", "--untrained", "--dataset", "babi"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "babi prompted 121"
    assert listed[0] == listed[1] and len(listed[0]) == 4  # of 3 x 3 and two more of CoTempQA: 1, 4, 7 and 10
