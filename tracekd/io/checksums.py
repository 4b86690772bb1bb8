"""Seals: a folder that is whole says so, by the sha256 of each of its files, written last."""

from __future__ import annotations

import json
from pathlib import Path

from tracekd.io.records import sha256, write_json

SEAL = "SEAL.json"


def seal(folder: Path) -> None:
    """Write ``SEAL.json``: the sha256 of every other file in ``folder``, by name; those in folders below are left out.

    Raises:
        disk.DiskFull: no room.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != SEAL)
    write_json(folder / SEAL, {path.name: sha256(path) for path in files})


def broken(folder: Path) -> str | None:
    """What is wrong with a sealed folder, in words; None where every sealed file is as it was.

    It finds what a kill leaves (no seal yet), and also what a power cut, a copy that broke off or a bad disk leave,
    where the last file is whole and an earlier one is not.
    """
    try:
        digests = json.loads((folder / SEAL).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "it was not written to its end"
    except ValueError:
        return f"{SEAL} is torn"
    for name, wanted in digests.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if sha256(folder / name) != wanted:
            return f"{name} is not what was written"
    return None
