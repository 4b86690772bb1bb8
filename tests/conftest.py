"""Fixtures that several test files share."""

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
hypothesis.settings.register_profile("untimed", deadline=None)  # on a shared machine any example can be slow
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """The folder of this test's runs; what the environment names as data or texts does not count."""
    monkeypatch.setenv("TRACEKD_RUNS", str(tmp_path / "runs"))
    for name in ("TRACEKD_DATA", "TRACEKD_TEXTS"):
        monkeypatch.setenv(name, "")
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real files, or a skip that says where they were looked for."""
    folder = Path(os.environ.get("TRACEKD_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "cotempqa").is_dir():
        pytest.skip(f"real data not at {folder}: set TRACEKD_DATA to the folder that holds cotempqa/ and babi/")
    return folder
