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
    assert records.write_jsonl(path, rows) == len(rows)
    assert list(records.read_jsonl(path)) == rows


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    records.write_json(path, {"old": True})

    def failing():
        yield {"new": 1}
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        records.write_jsonl(path, failing())
    assert json.loads(path.read_text()) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


@given(st.integers(0, 200))
def test_a_file_torn_anywhere_gives_its_whole_lines_back(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("t") / "a.jsonl"
    rows = [{"id": n, "text": "ü" * n} for n in range(8)]
    records.append_jsonl(path, rows)
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    assert records.recover_jsonl(path) == rows[: data.count(b"\n")]
    assert path.read_bytes() == data[: data.rfind(b"\n") + 1]


def test_sha256_of_text_bytes_files_and_data(tmp_path):
    # echo -n abc | sha256sum
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "a").write_bytes(b"abc")
    assert records.sha256("abc") == records.sha256(b"abc") == records.sha256(tmp_path / "a") == known
    assert records.sha256({"a": 1, "b": 2}) == records.sha256({"b": 2, "a": 1}) != records.sha256({"a": 1, "b": 3})
