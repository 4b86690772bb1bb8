"""Custom sets: read, refused with file, line and value, or used with counted warnings; rules beside the file."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracekd
from tracekd.data import custom, forms, problem, problems
from tracekd.decompose.agreement import compare_all
from tracekd.decompose.derive import derive
from tracekd.scoring import aligned
from tracekd.traces import templates
from tracekd.traces.verify import verify

EXAMPLE = Path(tracekd.__file__).parent / "data" / "example_own_set.jsonl"


def own(number, category="place", **changes):
    row = {
        "id": f"q{number}",
        "context": [f"The lamp is in room {number}.", "The rug is in the den."],
        "question": f"Where is lamp {number}?",
        "answers": [f"room {number}"],
        "category": category,
        "evidence": [0],
    }
    return row | changes


def small(**changes):
    return [own(n, category, **changes) for n, category in enumerate(["place", "place", "thing", "thing"])]


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path, *rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines(*rows), encoding="utf-8")
    return path


def test_the_example_and_its_rules_run_without_code():
    found = problems.load("example-own-set", str(EXAMPLE))
    assert len(found) == 30 and {p.split for p in found} == {"train", "test"}
    for p in found:
        assert verify(templates.build(p, "correct"), p).correct
        assert verify(templates.build(p, "incorrect"), p).correct is False
        assert (derive(p).category, derive(p).evidence) == (p.category, p.evidence)
    assert set(compare_all(found).kind) == {"free-text answer is not derived"}
    assert len(EXAMPLE.with_name("example_own_set_rules.py").read_text().splitlines()) <= 40


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"evidence": [2]}, "line 2: evidence 2"),
        ({"evidence": None}, "line 2: evidence None"),
        ({"evidence": ["0"]}, "line 2: evidence '0'"),
        ({"evidence": [True]}, "line 2: evidence True"),
        ({"answers": "X"}, "line 2: answers is 'X'"),
        ({"context": []}, "line 2: context"),
        ({"question": " "}, "line 2: question is ' '"),
        ({"category": 3}, "line 2: category is 3"),
        ({"category": "a|b"}, r"line 2: category is 'a\|b'"),
        ({"split": "dev"}, "line 2: split is 'dev'"),
        ({"id": "q0"}, "line 2: id 'q0' .*line 1"),
        ({"answers": ["(3, 4)"]}, r"line 2: '\(3, 4\)'"),
        ({"answers": ['"a", "b"']}, 'line 2: \'"a", "b"\''),
        ({"answers": ["?!"]}, r"line 2: '\?!'"),
        ({"context": ["<think>", "x"]}, "line 2: '<think>'"),
    ],
)
def test_errors_name_line_and_value(tmp_path, change, words):
    with pytest.raises(ValueError, match=rf"mine\.jsonl, {words}"):
        custom.read_own(write(tmp_path / "mine.jsonl", own(0), own(1) | change))


@settings(max_examples=1000, deadline=None)
@given(st.text(alphabet="aB1 .,;:'\"()[]{}<>/-*+#&|?°é‘", min_size=1, max_size=9))
def test_every_accepted_answer_is_scored_right_when_it_is_given(text):
    p = problem.Problem("own/a/1", "own", "a", ("It is so.", "Other."), "q?", (text,), (0,), "test")
    try:
        custom.check_scorable(list(p.context), [text])
    except ValueError:
        return
    found = aligned.verdict(p, templates.target(p, templates.build(p, "correct")))
    assert found["answer_correct"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (small(split="train"), "'place' 2 train and 0 test"),
        ([own(n) for n in range(9)], "'place' 7 train and 2 test"),
        (small()[1:], "'place' 1 train and 0 test"),
        # The repeated training problem is left out, so that "thing" has none.
        ([own(0, split="train"), own(1, split="test"), own(0, "thing", id="a", split="train"),
          own(9, "thing", split="test")], "'thing' 0 train and 1 test"),
        (small(answers=["hall"]), "'hall'"),
        (small(evidence=[0, 1]), "beside its evidence"),
        ([*small(), own(7, "A!"), own(8, "A?")], r"'A\?'"),
        ([*small(), own(7, "Place")], "'Place'"),
        ([*small(), own(7, "??")], r"'\?\?'"),
        ([*small(), own(7, "Dogs. What")], "'Dogs. What'"),
    ],
)  # fmt: skip
def test_sets_that_no_notebook_could_use_are_refused_at_loading(tmp_path, rows, words):
    path = write(tmp_path / "mine.jsonl", *rows)
    for read in (problems.check_source, forms.read_any):
        with pytest.raises(ValueError, match=rf"mine\.jsonl.*{words}"):
            read(str(path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("mine.jsonl", lines(own(0)).encode() + '{"id": "Zoë"}'.encode("latin-1"), "line 2: byte 0xeb"),
        ("mine.jsonl", b"{nope\n", "line 1"),
        ("mine.jsonl", b"[1]\n", "JSON list"),
        ("mine.jsonl", json.dumps(own(1), indent=1).encode(), "several lines"),
        ("mine.jsonl", b"\n", "holds no problem"),
        ("mine.jsonl", lines({"id": "a", "context": ["x"], "question": "q", "category": "c"}).encode(), "answers"),
        ("mine.jsonl", lines(own(0)).replace("the den", r"the \ud800 den").encode(), "line 1.*surrogate"),
        ("babi.jsonl", lines(*small()).encode(), "'babi'"),
        ("CoTempQA.jsonl", lines(*small()).encode(), "'CoTempQA'"),
        ("marco.jsonl.gz", gzip.compress(lines(*small()).encode()), "'marco'"),
        ("equal.json", lines({"facts": [], "question": "q", "answer": []}).encode(), "cotempqa/.*--data FOLDER"),
        ("qa1.txt", b"1 Ann went to the hall.\n", "babi/.*--data FOLDER"),
    ],
)
def test_files_that_are_no_custom_set_are_named(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}.*{words}"):
        problems.load("x", str(tmp_path / name))


def test_warnings_and_left_out_problems_are_counted(tmp_path, caplog):
    rows = [
        *small(),
        own(5, answers=["hall"]),
        own(6, evidence=[]),
        own(7, "thing", context=["The lamp is in room 7, a cafÃ©.", "Other."]),
        own(8, "rare", evidence=[0, 1]),
    ]
    (tmp_path / "my_set.jsonl").write_bytes(b"\xef\xbb\xbf" + lines(*rows).encode())
    found = problems.load("x", str(tmp_path / "my_set.jsonl"))
    assert found[0].id == "my-set/place/q0"
    assert Counter(p.split for p in found) == {"train": 6, "test": 2}  # two of place and thing each, one of rare
    counted = {record.args[3].split(",")[0].split(":")[0]: record.args[1:3] for record in caplog.records}
    assert counted == {
        "an answer is in none of its evidence facts": (1, 8),
        "no evidence": (1, 8),
        "text looks as if read in the wrong encoding (such as 'Ã©' for 'é')": (1, 8),
        "no fact beside the evidence": (1, 8),
        "only in training": (1, 8),
    }


def test_rules_belong_to_their_file_and_have_a_function(tmp_path):
    ruled, bare = (write(tmp_path / name / "mine.jsonl", *small()) for name in ("ruled", "bare"))
    rules = tmp_path / "ruled" / "mine_rules.py"
    rules.write_text("def retrieve(problem):\n    return (0,)\n")
    assert derive(problems.load("x", str(ruled))[0]).evidence == (0,)
    assert derive(problems.load("x", str(bare))[0]).underivable
    rules.write_text("a = 1\n")
    with pytest.raises(ValueError, match=r"mine_rules\.py"):
        custom.read_rules(rules)
