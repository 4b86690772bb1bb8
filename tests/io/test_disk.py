"""A full disk: whoever meets it, one error says what could not be written, why, and what to do."""

import errno
import json
import resource
import shutil

import pandas as pd
import pytest

from tracekd import __main__
from tracekd.io import disk, records


@pytest.fixture()
def limited(tmp_path):
    """A folder for files of at most 64 KiB: a full disk without one, for EFBIG in place of ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(params=["disk", "limit"])
def no_room(request):
    """A folder that takes no file of 128 KiB, either way."""
    if request.param == "disk":
        return request.getfixturevalue("small_disk")(64)
    return request.getfixturevalue("limited")


ROWS = [{"text": "x" * 2**17}]


def torch_save(path):
    import torch

    with disk.writing(path):
        torch.save({"a": torch.zeros(2**17)}, path)


def safetensors_save(path):
    import torch
    from safetensors.torch import save_file

    with disk.writing(path):
        save_file({"a": torch.zeros(2**17)}, path)


WAYS = {
    "write_json": lambda path: records.write_json(path, ROWS),
    "write_jsonl": lambda path: records.write_jsonl(path, ROWS),
    "append_jsonl": lambda path: records.append_jsonl(path, ROWS),
    "write_csv": lambda path: records.write_csv(path, pd.DataFrame(ROWS)),
    "torch": torch_save,
    "safetensors": safetensors_save,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_names_the_file(no_room, way):
    with pytest.raises(disk.DiskFull, match=f"{no_room / 'kept'}: "):
        WAYS[way](no_room / "kept")


def test_an_old_file_stays_and_a_torn_line_is_cut_off(small_disk):
    folder = small_disk(64)
    records.write_json(folder / "a.json", {"old": True})
    with pytest.raises(disk.DiskFull):
        records.write_json(folder / "a.json", ROWS)
    assert json.loads((folder / "a.json").read_text()) == {"old": True}
    assert [path.name for path in folder.iterdir()] == ["a.json"]
    records.append_jsonl(folder / "b.jsonl", [{"n": 1}])
    with pytest.raises(disk.DiskFull):
        records.append_jsonl(folder / "b.jsonl", ROWS)
    shutil.copy(folder / "b.jsonl", folder.parent / "b.jsonl")  # the disk has no room for a second copy
    assert records.recover_jsonl(folder.parent / "b.jsonl") == [{"n": 1}]


def test_other_errors_pass_unchanged(tmp_path):
    for error in (OSError(errno.EACCES, "Permission denied"), RuntimeError("shapes differ"), ValueError("disk full")):
        with pytest.raises(type(error)) as caught, disk.writing(tmp_path):
            raise error
        assert caught.value is error
        assert disk.explained(error, tmp_path) is None


def test_the_innermost_place_is_named_and_causes_count(tmp_path):
    outer, inner = disk.writing(tmp_path / "outer"), disk.writing(tmp_path / "inner")
    with pytest.raises(disk.DiskFull, match="inner: "), outer, inner:
        raise RuntimeError("cannot load") from OSError(errno.EDQUOT, "Disk quota exceeded")


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "{}"),
        (OSError(errno.ENOSPC, "No space left on device", "there.csv"), "there.csv"),
        (OSError(errno.EDQUOT, "Quota", "from.csv", None, "to.csv"), "to.csv"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), "{}"),
    ],
)
def test_commands_end_with_one_message(tmp_path, monkeypatch, capsys, error, named):
    """Anywhere below a command, also where nobody said what was being written."""

    def fail(argv):
        raise error

    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path))
    monkeypatch.setattr("tracekd.scoring.score_cli.main", fail)
    assert __main__.main(["score"]) == 1
    said = capsys.readouterr().err
    assert f"{named.format(tmp_path)}: " in said and "Traceback" not in said and len(said.splitlines()) == 2
