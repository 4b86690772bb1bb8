"""Fixtures that several test files share."""

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent
hypothesis.settings.register_profile("untimed", deadline=None)  # on a shared machine any example can be slow
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real files, or a skip that says where they were looked for."""
    folder = Path(os.environ.get("TRACEKD_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "cotempqa").is_dir():
        pytest.skip(f"real data not at {folder}: set TRACEKD_DATA to the folder that holds cotempqa/ and babi/")
    return folder
