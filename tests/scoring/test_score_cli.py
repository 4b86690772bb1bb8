"""One command for any outputs file: totals, join errors, exit codes, the released files, memory."""

import csv
import gzip
import json
import tracemalloc

import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracekd.__main__ import main
from tracekd.data.problem import as_row
from tracekd.data.problems import load
from tracekd.io.records import write_jsonl
from tracekd.scoring import score_cli
from tracekd.scoring.grader_examples import LISTS, NOTHING, PROBLEM, RIGHT

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
    assert code == 0
    assert found["n"] == 3 == sum(found["status"].values())
    assert [found[c] for c in ("both", "answer_only", "trace_only", "neither")] == [2, 0, 1, 0]
    assert found["status"]["truncated"] == 1
    assert found["joint"] == pytest.approx(2 / 3) and found["joint_ci"][0] < 2 / 3 < found["joint_ci"][1]
    # Every trace is right, so a margin is empty: undefined is null, not 0.
    assert found["phi"] is None and found["p_value"] is None and found["test"] == "undefined"
    assert found["missing"] == 1 and found["faults"]["missing"] == ["cotempqa/equal/0004"]
    with (tmp_path / "v.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["cell"]) for row in rows] == [(outputs.name, c) for c in ("both", "trace_only", "both")]
    with (tmp_path / "verdict_columns.csv").open() as file:
        assert set(rows[0]) <= {row["column"] for row in csv.DictReader(file)}


def test_what_cannot_be_joined_is_counted_named_and_strict(files, capsys):
    problems, outputs = files
    with outputs.open("a") as file:
        file.write(
            '{"id": "cotempqa/equal/0001", "text": "again"}\n{"id": "nowhere/1", "text": "x"}\nno json\n[1]\n{}\n'
        )
    code, (found,) = call(capsys, "--problems", problems, "--outputs", outputs, "--strict")
    assert (code, found["n"]) == (1, 3)
    assert [found[k] for k in ("malformed", "unknown", "duplicate", "missing")] == [3, 1, 1, 1]
    assert found["faults"]["unknown"] == ["nowhere/1"]


def test_a_torn_file_and_an_empty_one_are_no_crash(files, capsys, tmp_path):
    problems, outputs = files
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(outputs.read_bytes())[:-20])
    code, (found,) = call(capsys, "--problems", problems, "--outputs", tmp_path / "torn.jsonl.gz", "--strict")
    assert code == 1 and found["malformed"] == 1
    (tmp_path / "none.jsonl").write_text("")
    for rules in score_cli.RULES:
        code, (found,) = call(capsys, "--problems", problems, "--outputs", tmp_path / "none.jsonl", "--rules", rules)
        assert (code, found["n"], found["answer_share"], found["missing"]) == (2, 0, None, 4)


@pytest.mark.parametrize(
    "changed",
    [{"--problems": "nowhere"}, {"--outputs": "nowhere.jsonl"}, {"--problems": "OUTPUTS"},
     {"--dataset": "babl"}, {"--rules": "published"}, {"--problem": "x"}],
)  # fmt: skip
def test_bad_input_exits_2_and_names_the_value(files, changed, capsys):
    problems, outputs = map(str, files)
    options = {"--dataset": "cotempqa", "--problems": problems, "--outputs": outputs} | changed
    argv = [outputs if word == "OUTPUTS" else word for pair in options.items() for word in pair]
    assert main(["score", *argv]) == 2
    name, value = next(iter(changed.items()))
    named = {"--problem": name, "--problems": outputs if value == "OUTPUTS" else value}.get(name, value)
    assert named in capsys.readouterr().err


def test_as_published_prints_metrics(files, capsys):
    problems, outputs = files
    _, (found,) = call(capsys, "--problems", problems, "--outputs", outputs, "--rules", "as_published")
    # "Orion" stands in the question, so the release's rule deletes it: no answer is counted right.
    assert found["metrics"]["equal"]["n"] == 3 and found["metrics"]["all"]["acc"] == 0.0


def test_released_files_are_read_as_they_lie(shared_data, capsys):
    folder = shared_data / "released"
    names = sorted((folder / "babi").glob("*facts_default.jsonl.gz"))
    code = main(["score", "--dataset", "babi", "--problems", str(shared_data), "--rules", "as_published", "--strict",
                 "--outputs", *map(str, names)])  # fmt: skip
    llama, qwen = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert code == 0
    assert [llama[k] for k in ("both", "answer_only", "trace_only", "neither")] == [86, 269, 5, 16]
    assert [qwen[k] for k in ("both", "answer_only", "trace_only", "neither")] == [85, 278, 4, 9]
    assert llama["metrics"]["all"]["acc"] == 94.4 and llama["other_gold_row"] == 350
    # The prompted files hold repeated and foreign rows.
    name = folder / "cotempqa" / "Qwen_Qwen3-1.7B_default_equal.jsonl.gz"
    code, (found,) = call(capsys, "--problems", shared_data, "--outputs", name, "--strict")
    assert code == 1 and found["n"] + found["missing"] == 87
    assert found["n"] + found["unknown"] + found["duplicate"] + found["malformed"] == 87


@pytest.mark.parametrize("rules", score_cli.RULES)
def test_memory_does_not_grow_with_the_file(tmp_path, rules):
    """Ten times the outputs, each another long text: the peak grows by far less than the texts do."""
    problems = {f"cotempqa/equal/{i:05d}": PROBLEM for i in range(10000)}

    def peak(number: int) -> int:
        path = tmp_path / f"correct-{number}.jsonl"
        keys = list(problems)[:number]
        write_jsonl(path, ({"id": key, "text": f"{i} {GOOD} {'x' * 2000}"} for i, key in enumerate(keys)))
        tracemalloc.start()
        try:
            assert score_cli.score_file(path, problems, rules)["n"] == number
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # fills the caches that hold a bounded number of strings
    # 9,000 more texts of over 2,000 characters are 18 MB or more; the ids seen are about 150 bytes each.
    assert -peak(1000) + peak(10000) < 5e6


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


LINE = json.dumps({"id": "cotempqa/equal/0001", "text": GOOD, "finished": True})
PIECES = st.sampled_from([b"\x00", b"\xef\xbb\xbf", b"}", b"{", b'"', b"null", b"\\ud800", b"[" * 3000, b"1e999",
                          b"\xff", b"<answer>", b"\n"])  # fmt: skip
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(data=st.data())
def test_mutated_lines_are_scored_or_counted_with_their_number(files, data):
    problems, outputs = files
    raw = bytearray("\n".join([LINE] * 3), "utf-8")
    for _ in range(data.draw(st.integers(1, 4))):
        place, cut = data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, 12))
        raw[place : place + cut] = data.draw(PIECES) + data.draw(st.binary(max_size=3))
    outputs.write_bytes(bytes(raw))
    known = score_cli.test_problems(problems, "cotempqa")
    for rules in score_cli.RULES:
        found = score_cli.score_file(outputs, known, rules)
        assert found["n"] == sum(found["status"].values())
        json.dumps(found, ensure_ascii=False).encode()
        assert all("line " in name for name in found["faults"].get("malformed", ()))


@FUZZ
@given(data=st.data())
def test_mutated_problems_are_read_or_named(files, data):
    raw = bytearray(files[0].read_bytes())
    place = data.draw(st.integers(0, 900))
    raw[place : place + data.draw(st.integers(0, 12))] = data.draw(PIECES)
    path = files[0].with_name("mutated.jsonl")
    path.write_bytes(bytes(raw))
    try:
        assert score_cli.test_problems(path, "cotempqa")
    except ValueError as error:
        assert "mutated.jsonl" in str(error)
