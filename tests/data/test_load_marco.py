"""MS MARCO: right values, counts of what is left out, and errors that name the place."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tracekd.data import load_marco, problem, problems
from tracekd.data.load_marco import read_row
from tracekd.data.problem import DataUnavailable

TYPES = problem.CATEGORIES["marco"]


def record(number=0, **changes):
    """One record in the Hub's form."""
    passages = {"passage_text": ["a river", "a lake"], "is_selected": [0, 1], "url": ["u", "v"]}
    found = {"query": f"what is {number}", "query_type": "ENTITY", "passages": passages, "answers": ["a lake"]}
    return {**found, "query_id": 100 + number, "wellFormedAnswers": []} | changes


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("name", ["hub.jsonl", "v1.1.jsonl", "train-00000.parquet"])
def test_every_form_gives_the_same_problems(tmp_path, name):
    rows = [record(i) for i in range(10)]
    rows[3] |= {"answers": [], "passages": {"passage_text": ["a"], "is_selected": [0], "url": ["u"]}}
    rows[4] |= {"answers": ["No Answer Present."]}
    rows[5] |= {"answers": ["Lake", "a lake", "Lake"]}
    if name.endswith(".parquet"):
        pd.DataFrame(rows).to_parquet(tmp_path / name)
    else:
        old = [{**row, "query_type": "entity"} for row in rows] if "v1.1" in name else rows
        (tmp_path / name).write_text(lines(old))
    found = load_marco.read_folder(tmp_path)
    assert [replace(p, split="") for p in problems.read_any(tmp_path / name)] == [replace(p, split="") for p in found]
    assert [p.id for p in found] == [f"marco/ENTITY/{100 + i}" for i in range(10)]
    # The second passage is the selected one; where nothing answers (3, 4) nothing is evidence.
    assert [p.evidence for p in found] == [(1,), (1,), (1,), (), (), (1,), (1,), (1,), (1,), (1,)]
    assert [p.answers for p in found[3:6]] == [("No Answer Present.",)] * 2 + [("Lake", "a lake")]
    assert Counter(p.split for p in found) == {"train": 8, "test": 2}  # 20% of ten
    assert found[0].context == ("a river", "a lake")


def test_hidden_records_repeats_and_missing_selections_are_counted(tmp_path, caplog):
    """The Hub's test split sorts first, has no answers and ``is_selected`` -1: read, it would fill the set."""
    hidden = [record(500 + i, answers=[], passages={"passage_text": ["a"], "is_selected": [-1]}) for i in range(20)]
    pd.DataFrame(hidden).to_parquet(tmp_path / "test-00000-of-00001.parquet")
    with pytest.raises(DataUnavailable, match=str(tmp_path)):
        problems.read_folder("marco", tmp_path)
    rows = [*(record(i) for i in range(6)), record(0, query="another")]
    rows[1]["answers"] = None
    rows[2]["passages"] = {"passage_text": ["a", "b"], "is_selected": [0, 0]}
    (tmp_path / "x.jsonl").write_text("\n" + lines(rows))
    caplog.clear()
    found = load_marco.read_folder(tmp_path)
    assert [p.id[-3:] for p in found] == ["100", "102", "103", "104", "105"]
    assert found[1].evidence == () and found[1].answers == ("a lake",)
    # Hidden ones by file, one that repeats, and one of five without a selected passage.
    hidden = [("test-00000-of-00001.parquet", 20), ("x.jsonl", 1)]
    assert [record.args for record in caplog.records] == [*hidden, (1, "100"), (1, 5)]


@pytest.mark.parametrize(("changes", "field", "value"), [
    ({"query": " "}, "query", "' '"), ({"query_type": "COLOUR"}, "query_type", "'COLOUR'"),
    ({"query_id": "a/b"}, "query_id", "'a/b'"), ({"answers": "a lake"}, "answers", "'a lake'"),
    ({"answers": [3]}, "answers", r"\[3\]"), ({"passages": "text"}, "passages.passage_text", "None"),
    ({"passages": {"passage_text": ["a", "b"], "is_selected": [1]}}, "passages.is_selected", r"\[1\]"),
    ({"passages": {"passage_text": ["a"], "is_selected": [2]}}, "passages.is_selected", r"\[2\]"),
])  # fmt: skip
def test_a_field_that_cannot_be_read_is_named_with_file_line_and_value(tmp_path, changes, field, value):
    (tmp_path / "x.jsonl").write_text(lines([record(0), record(1, **changes)]))
    with pytest.raises(ValueError, match=rf"x\.jsonl, line 2: {field} is .*{value}.*, expected "):
        load_marco.read_folder(tmp_path)


def test_a_large_set_is_drawn_by_type_as_the_authors_did(caplog):
    """1,200 of each type, 200 of them for the test; a type with fewer is taken whole, 20% of it for the test."""
    rows = [read_row(record(i, query_type=TYPES[0])) for i in range(2000)]
    rows += [read_row(record(5000 + i, query_type="PERSON")) for i in range(50)]
    draws = [load_marco.draw(rows, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2] and draws[0] == sorted(draws[0], key=rows.index)
    counts = Counter((p.category, p.split) for p in load_marco.split(draws[0]))
    assert (counts[TYPES[0], "train"], counts[TYPES[0], "test"]) == (1000, 200)
    assert (counts["PERSON", "train"], counts["PERSON", "test"]) == (40, 10)
    # Each row has the same chance of 0.6: of the 1,000 first ones 600 +- 4 standard deviations (hypergeometric, 11.0).
    assert abs(sum(int(row.id.split("/")[2]) < 1100 for row in draws[0] if row.category == TYPES[0]) - 600) < 44
    assert caplog.records[0].args == (1200, {TYPES[0]: 2000, "PERSON": 50})


def test_a_shuffled_stream_is_read_until_each_type_is_full(caplog):
    taken = []

    def stream(length):
        for i in range(length):
            taken.append(i)
            yield read_row(record(i, query_type=TYPES[i % 5]))

    found = load_marco.draw(stream(1000), np.random.default_rng(1), per_type=4, until_full=True)
    assert Counter(row.category for row in found) == dict.fromkeys(TYPES, 4)
    assert len(taken) == 20 and not caplog.records
    load_marco.draw(stream(18), np.random.default_rng(1), per_type=4, until_full=True)
    assert "ended before" in caplog.text and caplog.records[0].args[1]["PERSON"] == 3


def test_the_real_records(shared_data):
    """591 records; by hand: 164 without an answer (157 say so, 7 empty), 2 answered with nothing selected."""
    if not (shared_data / "marco").is_dir():
        pytest.skip("no real MS MARCO in the data folder")
    found = problems.load("marco", str(shared_data))
    assert Counter(p.category for p in found) == {
        "DESCRIPTION": 362, "NUMERIC": 136, "ENTITY": 55, "LOCATION": 29, "PERSON": 9,
    }  # fmt: skip
    assert sum(p.answers == ("No Answer Present.",) for p in found) == 164
    assert sum(not p.evidence for p in found) == 166
    # 20% of each type, rounded: 72 + 27 + 11 + 6 + 2; with the grid's share 122 + 46 + 19 + 10 + 3.
    assert Counter(p.split for p in found)["test"] == 118
    assert Counter(p.split for p in problems.load("marco", str(shared_data), test_share=0.338))["test"] == 200
    with pytest.raises(ValueError, match=r"1\.5"):
        problems.load("marco", str(shared_data), test_share=1.5)
