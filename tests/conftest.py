"""Fixtures that several test files share."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real files, or a skip that says where they were looked for."""
    folder = Path(os.environ.get("TRACEKD_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "cotempqa").is_dir():
        pytest.skip(f"real data not at {folder}: set TRACEKD_DATA to the folder that holds cotempqa/ and babi/")
    return folder


@pytest.fixture()
def small_disk(tmp_path):
    """A function that makes a folder with a disk of its own, of so many KiB; a skip where mounting is not permitted."""
    mounted = []

    def make(kib: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        try:
            command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder]
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            pytest.skip("no `mount` here, so no small disk")
        if done.returncode:
            pytest.skip(f"mounting a small tmpfs is not permitted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)
