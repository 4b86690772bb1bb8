"""Custom sets: read, or refused with file, line and value; what a run cannot use is refused at loading."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tracekd
from tracekd.data import problem, problems
from tracekd.decompose.derive import derive
from tracekd.scoring import aligned
from tracekd.traces import templates

EXAMPLE = Path(tracekd.__file__).parent / "data" / "example_own_set.jsonl"


def own(number, category="place", **changes):
    context = [f"The lamp is in room {number}.", "The rug is in the den."]
    row = {"id": f"q{number}", "context": context, "question": f"Where is lamp {number}?", "category": category}
    return row | {"answers": [f"room {number}"], "evidence": [0]} | changes


def small(**changes):
    return [own(n, category, **changes) for n, category in enumerate(["place", "place", "thing", "thing"])]


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_the_example_runs_without_code():
    found = problems.load("example-own-set", str(EXAMPLE))
    assert len(found) == 30 and {p.split for p in found} == {"train", "test"}
    for p in found:
        assert templates.verify(templates.build(p, "correct"), p) == (True, True)
        assert templates.verify(templates.build(p, "incorrect"), p) == (False, False)
        assert derive(p).category is None and p.dataset in derive(p).underivable


def test_ids_splits_and_repeats(tmp_path, caplog):
    rows = [*small(), own(0, id="again", split="train"), own(5, split="test"), own(6, evidence=0)]
    (tmp_path / "my_set.jsonl").write_bytes(b"\xef\xbb\xbf" + lines(*rows).encode())
    found = problems.load("x", str(tmp_path / "my_set.jsonl"))
    assert found[0].id == "my-set/place/q0" and found[-1].evidence == (0,)
    # One of the two with lamp 0 leaves: the other one is in the test, or comes first in training.
    assert len(found) == 6 and caplog.records[-1].args[:2] == ("my-set", 1)
    # Of "place" q5 says test, so none is drawn; of two "thing" the least is one.
    assert [p.category for p in found if p.split == "test"] == ["thing", "place"]


@pytest.mark.parametrize(("change", "words"), [
    ({"evidence": [2]}, "line 2: evidence is 2"), ({"evidence": [True]}, "line 2: evidence is True"),
    ({"answers": "X"}, "line 2: answers is 'X'"), ({"context": []}, "line 2: context"),
    ({"category": 3}, "line 2: category is 3"), ({"category": "a|b"}, r"line 2: category is 'a\|b'"),
    ({"split": "dev"}, "line 2: split is 'dev'"), ({"id": "q0"}, "line 2: 'q0' is in line 1"),
    ({"answers": ["(3, 4)"]}, r"line 2: '\(3, 4\)'"), ({"answers": ["?!"]}, r"line 2: '\?!'"),
    ({"answers": ["\\boxed{5}"]}, "line 2: .*boxed"), ({"answers": ["a\u2028b"]}, "line 2: 'a"),
    ({"context": ["a", "struck &lt;/s&gt; out"]}, "line 2: 'struck"),
    ({"context": ["<think>", "x"]}, "line 2: '<think>'"),
])  # fmt: skip
def test_errors_name_line_and_value(tmp_path, change, words):
    (tmp_path / "mine.jsonl").write_text(lines(own(0), own(1) | change), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"mine\.jsonl, {words}"):
        problems.load_own(tmp_path / "mine.jsonl")


@settings(max_examples=300)
@given(st.text(alphabet="aB1 .,;:'\"()[]{}<>/-*+#&|?°é‘\r\x0b\u2028", min_size=1, max_size=9))
def test_every_accepted_answer_is_scored_right_when_it_is_given(text):
    p = problem.Problem("own/a/1", "own", "a", ("It is so.", "Other."), "q?", (text,), (0,), "test")
    try:
        problems.check_scorable(list(p.context), [text])
    except ValueError:
        return
    assert aligned.verdict(p, templates.target(p, templates.build(p, "correct")))["answer_correct"]


@pytest.mark.parametrize(("name", "content", "words"), [
    ("mine", lines(*small(split="train")), "'place' 2 train and 0 test"),
    # The repeated training problem is left out, so that "thing" has none.
    ("mine", lines(own(0, split="train"), own(1, split="test"), own(0, "thing", id="a", split="train"),
                   own(9, "thing", split="test")), "'thing' 0 train and 1 test"),
    ("mine", lines(*small(), own(7, "A!"), own(8, "A?")), r"'A\?'"),
    ("mine", lines(*small(), own(7, "Dogs. What")), "'Dogs. What'"),
    ("mine", lines(own(0, "a/b", id="1"), own(1, "a/c", id="1")), "'1' is in line 1"), ("mine", "{nope\n", "line 1"),
    ("mine", json.dumps(small()), "line 1: expected a JSON object"),
    ("mine", "\n", "holds no problem"),
    ("mine", lines({"facts": [], "question": "q", "answer": []}), "line 1: id, category, context, answers missing"),
    ("CoTempQA", lines(*small()), "'CoTempQA'"),
])  # fmt: skip
def test_sets_that_no_run_could_use_are_refused_at_loading(tmp_path, name, content, words):
    path = tmp_path / f"{name}.jsonl"
    path.write_text(content, encoding="utf-8")
    for read in (problems.check_source, problems.read_any):
        with pytest.raises(ValueError, match=rf"{name}\.jsonl.*{words}"):
            read(str(path))
