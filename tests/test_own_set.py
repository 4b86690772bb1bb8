import json
from pathlib import Path

import pytest

import tracekd
from tracekd import problems, traces
from tracekd.derive import derive
from tracekd.derive_agreement import compare_all
from tracekd.own_set import load_own, read_own, read_rules
from tracekd.verify import verify

EXAMPLE = Path(tracekd.__file__).parent / "example_own_set.jsonl"
GOOD = {"id": "a", "context": ["X is red.", "Y is blue."], "question": "What is red?", "answers": ["X"],
        "category": "colour", "evidence": [0]}  # fmt: skip


def write(path, *rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def test_the_example_runs_without_code():
    found = problems.load("example-own-set", str(EXAMPLE))
    assert len(found) == 30 and {p.split for p in found} == {"train", "test"}
    for p in found:
        assert verify(traces.build(p, "correct"), p).correct
        assert verify(traces.build(p, "incorrect"), p).correct is False
        assert traces.answer_text(p) == p.answers[0]


def test_the_example_has_rules_of_at_most_40_lines():
    rules = EXAMPLE.with_name("example_own_set_rules.py")
    assert len(rules.read_text().splitlines()) <= 40
    found = load_own(EXAMPLE)
    assert all(derive(p).category == p.category and derive(p).evidence == p.evidence for p in found)
    assert set(compare_all(found).kind) == {"free-text answer is not derived"}
    assert verify(traces.build(found[0], "correct"), found[0]).free_correct is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"evidence": [2]}, r"line 2: evidence 2 is no index into a context of 2 facts.*0 to 1"),
        ({"evidence": [-1]}, "evidence -1"),
        ({"evidence": ["0"]}, "evidence '0'"),
        ({"evidence": [True]}, "evidence True"),
        ({"answers": "X"}, "answers is 'X', expected a list"),
        ({"context": []}, "context is"),
        ({"question": " "}, "question is ' '"),
        ({"category": 3}, "category is 3"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"id": "a"}, "id 'a' stands in line 1 too"),
    ],
)
def test_errors_name_line_value_and_remedy(tmp_path, change, message):
    path = write(tmp_path / "mine.jsonl", GOOD, {**GOOD, "id": "b", **change})
    with pytest.raises(ValueError, match=message):
        read_own(path)


def test_missing_fields_are_named(tmp_path):
    bad = {k: v for k, v in GOOD.items() if k not in ("answers", "evidence")}
    with pytest.raises(ValueError, match="line 1: answers, evidence missing"):
        read_own(write(tmp_path / "mine.jsonl", bad))


def test_broken_files(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + '{"id": "Zoë"}'.encode("latin-1"))
    with pytest.raises(ValueError, match="line 2: byte 0xeb is not UTF-8"):
        read_own(path)
    path.write_text("{nope\n")
    with pytest.raises(ValueError, match="line 1: not JSON"):
        read_own(path)
    path.write_text("[1]\n")
    with pytest.raises(ValueError, match="JSON list"):
        read_own(path)
    path.write_text("\n")
    with pytest.raises(ValueError, match="holds no problem"):
        read_own(path)


def test_warnings_are_counted(tmp_path, caplog):
    rows = [
        GOOD,
        {**GOOD, "id": "b", "question": "Is Z red?", "answers": ["Z"], "category": "thing"},
        {**GOOD, "id": "c", "question": "Is Y red?", "evidence": []},
        {**GOOD, "id": "d", "context": ["X is a cafÃ©.", "Y is blue."], "category": "thing"},
    ]
    found, warnings = read_own(write(tmp_path / "my_set.jsonl", *rows))
    assert len(found) == 4 and found[0].id == "my-set/colour/a"
    assert sorted(warnings.values()) == [1, 1, 1]
    load_own(tmp_path / "my_set.jsonl")
    assert "1 of 4 problems: an answer stands in none of its evidence facts" in caplog.text


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    assert len(read_own(path)[0]) == 1


@pytest.mark.parametrize("answer", ["(3, 4)", "[1, 2]", '"a", "b"', "+", "?!"])
def test_an_answer_that_would_be_scored_wrong_is_refused(tmp_path, answer):
    with pytest.raises(ValueError, match=r"line 2: the right output of this problem, .* scored wrong in answer"):
        read_own(write(tmp_path / "own.jsonl", GOOD, {**GOOD, "id": "b", "answers": [answer]}))


@pytest.mark.parametrize("labels", [("A!", "A?"), ("Red", "red"), ("??", "x"), ("a\nb", "x")])
def test_labels_that_cannot_be_told_apart_are_refused(tmp_path, labels):
    rows = [{**GOOD, "id": str(i), "category": label} for i, label in enumerate(labels)]
    with pytest.raises(ValueError, match="as labels are compared: give categories"):
        read_own(write(tmp_path / "own.jsonl", *rows))


def test_rules_without_a_function(tmp_path):
    (tmp_path / "x_rules.py").write_text("a = 1\n")
    with pytest.raises(ValueError, match="neither classify nor retrieve"):
        read_rules(tmp_path / "x_rules.py")
