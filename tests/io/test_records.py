"""Files are whole or not there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekd.io import records

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=5))
def test_rows_survive(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("r") / "rows.jsonl"
    assert records.write_jsonl(path, rows) == len(rows) and list(records.read_jsonl(path)) == rows


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    records.write_json(path, {"old": True})

    def failing():
        yield {"new": 1}
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        records.write_jsonl(path, failing())
    assert json.loads(path.read_text()) == {"old": True} and list(tmp_path.iterdir()) == [path]


@given(st.integers(0, 200))
def test_a_file_torn_anywhere_gives_its_whole_lines_back_and_goes_on(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("t") / "a.jsonl"
    rows = [{"id": n, "text": "ü" * n} for n in range(8)]
    records.append_jsonl(path, rows)
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    assert (records.recover_jsonl(path), path.read_bytes()) == (rows[: data.count(b"\n")], data)  # it may be in work
    records.append_jsonl(path, rows)
    assert records.recover_jsonl(path) == [*rows[: data.count(b"\n")], *rows]


def test_the_fingerprint_of_a_source_sees_through_links(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "test.csv").write_text("a")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "babi").symlink_to(tmp_path / "store")
    before = records.fingerprint(str(tmp_path / "data"))
    (tmp_path / "store" / "test.csv").write_text("ab")
    assert records.fingerprint(str(tmp_path / "data")) != before
