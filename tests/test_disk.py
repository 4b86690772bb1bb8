"""A full disk: whoever meets it, one error says what was written where, how much was free, and what to do."""

import errno
import json
import resource
import shutil

import pandas as pd
import pytest

from tracekd import __main__, disk, records


@pytest.fixture()
def limited():
    """No file of this process may grow beyond 64 KiB: a full disk without one, for EFBIG in place of ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(params=["disk", "limit"])
def no_room(request, tmp_path):
    """A folder that takes no file of 128 KiB, either way."""
    if request.param == "disk":
        return request.getfixturevalue("small_disk")(64)
    request.getfixturevalue("limited")
    return tmp_path


ROWS = [{"text": "x" * 2**17}]


def torch_save(path):
    import torch

    torch.save({"a": torch.zeros(2**17)}, path)


def safetensors_save(path):
    import torch
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2**17)}, path)


WAYS = {
    "plain": lambda path: path.write_bytes(b"x" * 2**17),
    "write_json": lambda path: records.write_json(path, ROWS),
    "write_jsonl": lambda path: records.write_jsonl(path, ROWS),
    "append_jsonl": lambda path: records.append_jsonl(path, ROWS),
    "write_csv": lambda path: records.write_csv(path, pd.DataFrame(ROWS)),
    "torch": torch_save,
    "safetensors": safetensors_save,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_says_it_in_the_same_words(no_room, way):
    with pytest.raises(disk.DiskFull) as caught, disk.writing(no_room / "kept"):
        WAYS[way](no_room / "kept")
    assert str(caught.value).startswith(f"cannot write {no_room / 'kept'}: ")
    for said in ("were free on that disk", "finished before stays", "run the same command again"):
        assert said in str(caught.value)


@pytest.mark.parametrize("way", ["write_json", "write_jsonl", "append_jsonl", "write_csv"])
def test_records_name_the_file_themselves(no_room, way):
    with pytest.raises(disk.DiskFull, match=f"cannot write {no_room / 'kept'}: "):
        WAYS[way](no_room / "kept")


def test_the_free_space_is_that_of_the_moment(small_disk):
    """Not that of after the half-written temporary file was removed."""
    folder = small_disk(64)
    with pytest.raises(disk.DiskFull, match=r"0\.0 MiB of 0\.1 MiB were free"):
        records.write_json(folder / "a.json", ROWS)
    assert list(folder.iterdir()) == []


def test_an_old_file_stays_and_a_torn_line_is_cut_off(small_disk):
    folder = small_disk(64)
    records.write_json(folder / "a.json", {"old": True})
    with pytest.raises(disk.DiskFull):
        records.write_json(folder / "a.json", ROWS)
    assert json.loads((folder / "a.json").read_text()) == {"old": True}
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


def test_the_innermost_place_is_named(tmp_path):
    outer, inner = disk.writing(tmp_path / "outer"), disk.writing(tmp_path / "inner")
    with pytest.raises(disk.DiskFull, match="inner: "), outer, inner:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")


def test_an_error_raised_from_a_full_disk_counts(tmp_path):
    try:
        raise RuntimeError("cannot load") from OSError(errno.ENOSPC, "No space left on device")
    except RuntimeError as error:
        assert "no space is left" in disk.explained(error, tmp_path).why


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "below {}: no space is left on the disk"),
        (OSError(errno.ENOSPC, "No space left on device", "there.csv"), "there.csv: no space is left"),
        (OSError(errno.EDQUOT, "Quota", "from.csv", None, "to.csv"), "to.csv: the disk quota is used up"),
        (OSError(errno.EFBIG, "File too large"), "below {}: the file grows beyond"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"), "below {}: torch"),
    ],
)
def test_commands_end_with_one_message(tmp_path, monkeypatch, capsys, error, named):
    """Anywhere below a command, also where nobody said what was being written."""

    def fail(argv):
        raise error

    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path))
    monkeypatch.setattr("tracekd.score_cli.main", fail)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda p: USAGE[str(p) == str(tmp_path)])
    assert __main__.main(["score"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"tracekd: cannot write {named.format(tmp_path)}")
    assert "free on that disk" in said and "Traceback" not in said and len(said.splitlines()) == 2


# The folder of the runs is the one without room.
USAGE = {found: shutil._ntuple_diskusage(2**30, 0, 0 if found else 2**30) for found in (True, False)}
