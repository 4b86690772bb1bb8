"""A full disk: whoever meets it, one error says what could not be written, why, and what to do."""

import errno
import pickle
import resource

import pytest
import torch
from safetensors.torch import save_file

from tracekd import __main__
from tracekd.io import records

ROWS = [{"text": "x" * 2**17}]


@pytest.fixture()
def limited(tmp_path):
    """A folder for files of at most 64 KiB: a full disk without one, for EFBIG in place of ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: records.write_json(path, ROWS),
        lambda path: records.append_jsonl(path, ROWS),
        lambda path: torch.save({"a": torch.zeros(2**17)}, path),
        lambda path: save_file({"a": torch.zeros(2**17)}, path),
    ],
    ids=["write_json", "append_jsonl", "torch", "safetensors"],
)
def test_every_way_of_writing_names_the_file(limited, write):
    path = limited / "new"
    with pytest.raises(records.DiskFull, match=str(path)) as caught, records.writing(path):
        write(path)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # as a worker sends it


def test_a_command_ends_with_one_message(elsewhere, monkeypatch, capsys):
    """Anywhere below a command, also where nobody said what was being written."""

    def fail(argv):
        raise RuntimeError("cannot load") from OSError(errno.ENOSPC, "No space left on device", "there.csv")

    monkeypatch.setattr("tracekd.scoring.outputs.main", fail)
    assert __main__.main(["score"]) == 1
    said = capsys.readouterr().err
    assert str(elsewhere) in said and "there.csv" in said and "Traceback" not in said
