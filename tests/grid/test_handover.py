"""What one of our commands writes, the others read: problems, a teacher's texts, outputs, verdicts."""

import json

import pandas as pd
import pytest

from tracekd import __main__
from tracekd.data.problem import read_problems
from tracekd.io.records import read_jsonl, write_jsonl
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


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path / "runs"))
    for name in ("TRACEKD_DATA", "TRACEKD_TEXTS"):
        monkeypatch.setenv(name, "")


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
