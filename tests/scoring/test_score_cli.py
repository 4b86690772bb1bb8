"""One command for any outputs file: totals, join errors, exit codes, tables, the released files."""

import csv
import gzip
import json
from types import SimpleNamespace

import pytest
from conftest import ROOT
from invented_outputs import LISTS, NOTHING, PROBLEM, RIGHT

from tracekd.__main__ import main
from tracekd.data.problem import as_row
from tracekd.data.problems import load
from tracekd.io.records import write_jsonl
from tracekd.scoring import outputs as scoring

GOOD = f"<think>{RIGHT}</think> <answer>['Orion']</answer>"


@pytest.fixture
def files(tmp_path):
    problems, outputs = tmp_path / "cotempqa.jsonl", tmp_path / "correct-121.jsonl"
    more = [as_row(PROBLEM) | {"id": f"cotempqa/equal/{i:04d}"} for i in range(1, 5)]
    write_jsonl(problems, [*more, as_row(LISTS), as_row(NOTHING), more[0] | {"id": "x", "split": "train"}])
    lines = [
        {"id": "cotempqa/equal/0001", "text": GOOD, "finished": True},
        {"id": "cotempqa/equal/0002", "text": GOOD.replace("'Orion'", "'Nova'"), "finished": True},
        {"id": "cotempqa/equal/0003", "text": GOOD, "finished": False},
    ]
    write_jsonl(outputs, lines)
    return problems, outputs


def call(capsys, *argv):
    code = main(["score", "--dataset", "cotempqa", *map(str, argv)])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_totals_add_up(files, capsys, tmp_path):
    problems, outputs = files
    code, (found,) = call(capsys, "--problems", problems, "--outputs", outputs, "--csv", tmp_path / "v.csv")
    assert code == 0 and found["n"] == 3 == sum(found["status"].values())
    assert [found[c] for c in ("both", "answer_only", "trace_only", "neither")] == [2, 0, 1, 0]
    assert found["status"]["truncated"] == 1
    assert found["joint"] == pytest.approx(2 / 3) and found["joint_ci"][0] < 2 / 3 < found["joint_ci"][1]
    # Every trace is right, so a margin is empty: undefined is null, not 0.
    assert found["phi"] is None and found["p_value"] is None and found["test"] == "undefined"
    assert found["missing"] == 1 and found["faults"]["missing"] == ["cotempqa/equal/0004"]
    with (tmp_path / "v.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["cell"]) for row in rows] == [(str(outputs), c) for c in ("both", "trace_only", "both")]
    with (tmp_path / "verdict_columns.csv").open() as file:
        assert set(rows[0]) <= {row["column"] for row in csv.DictReader(file)}


def test_what_cannot_be_joined_is_counted_and_named(files, capsys):
    problems, outputs = files
    with outputs.open("a") as file:
        file.write(
            '{"id": "cotempqa/equal/0001", "text": "y"}\n{"id": "no", "text": "x", "problem": 1}\n{}\n{"id": []}\n'
        )
    for rules, n in (("aligned", 3), ("as_published", 4)):  # the release counts repeated rows too
        code, (found,) = call(capsys, "--problems", problems, "--outputs", outputs, "--rules", rules)
        assert (code, found["n"]) == (0, n)
        assert [found[k] for k in ("malformed", "unknown", "duplicate", "missing")] == [2, 1, 1, 1]
        assert found["faults"]["unknown"] == ["no"]


@pytest.mark.parametrize("rules", scoring.RULES)
@pytest.mark.parametrize(
    ("text", "named"),
    [("", "missing"), ('{"id": "x", "text": "y"}\n', "'x'"), ("no json\n", "line 1"), ("{}\n[1]\n", "line 2"),
     (gzip.compress(b'{"id": "x"}' * 99, mtime=0)[:-20], "bad.jsonl")],
)  # fmt: skip
def test_a_file_with_nothing_to_score_or_a_bad_line_is_an_error_that_names_it(
    files, capsys, tmp_path, rules, text, named
):
    path = tmp_path / ("bad.jsonl.gz" if isinstance(text, bytes) else "bad.jsonl")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    code = main(["score", "--problems", str(files[0]), "--outputs", str(path), "--rules", rules])
    said = capsys.readouterr().err
    assert code == 2 and path.name in said and named in said


def test_released_files_are_read_as_they_lie(shared_data, capsys):
    folder = shared_data / "released"
    names = sorted((folder / "babi").glob("*facts_default.jsonl.gz"))
    code = main(["score", "--dataset", "babi", "--problems", str(shared_data), "--rules", "as_published",
                 "--outputs", *map(str, names)])  # fmt: skip
    llama, qwen = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert code == 0
    assert [llama[k] for k in ("both", "answer_only", "trace_only", "neither")] == [86, 269, 5, 16]
    assert [qwen[k] for k in ("both", "answer_only", "trace_only", "neither")] == [85, 278, 4, 9]
    assert llama["metrics"]["all"]["acc"] == 94.4 and llama["other_gold_row"] == 350


def test_a_short_id_that_two_problems_have_is_neither_ones(tmp_path):
    write_jsonl(tmp_path / "o.jsonl", [{"id": "0001", "text": "x"}, {"id": "0002", "text": "x"}])
    known = {name: SimpleNamespace(id=name, dataset="cotempqa", category=name.split("/")[1], question="", context=())
             for name in ("cotempqa/equal/0001", "cotempqa/mix/0001", "cotempqa/mix/0002")}  # fmt: skip
    assert [row["id"] for row in scoring.read(tmp_path / "o.jsonl", known)] == ["0001", "cotempqa/mix/0002"]


def test_a_custom_set_is_scored_by_its_own_ids(capsys, tmp_path):
    example = ROOT / "tracekd" / "data" / "example_own_set.jsonl"
    test = [p for p in load("", str(example)) if p.split == "test"]
    short = test[0].id.rpartition("/")[2]
    lines = [{"id": short, "text": f"Answer: {test[0].answers[0]}"}, {"id": test[1].id, "text": "<answer>no</answer>"}]
    write_jsonl(tmp_path / "o.jsonl", lines)
    arguments = ["--problems", str(example), "--outputs", str(tmp_path / "o.jsonl")]
    assert main(["score", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["answer"], found["missing"]) == (2, 1, len(test) - 2)
    assert main(["score", *arguments, "--rules", "as_published"]) == 2
