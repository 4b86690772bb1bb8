"""Seals: whatever befalls a sealed folder is found and named."""

import pytest

from tracekd.io import checksums


@pytest.fixture()
def sealed(tmp_path):
    for name in ("a.bin", "b.json"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    (tmp_path / "below").mkdir()
    checksums.seal(tmp_path)
    return tmp_path


def test_a_whole_folder_is_whole_and_can_be_sealed_again(sealed):
    assert checksums.broken(sealed) is None
    (sealed / "a.bin").write_bytes(b"new")
    checksums.seal(sealed)
    assert checksums.broken(sealed) is None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "SEAL.json").unlink(), "not written to its end"),
        (lambda folder: (folder / "SEAL.json").write_text('{"a.bin": "12'), "SEAL.json is torn"),
        (lambda folder: (folder / "SEAL.json").write_bytes(b"\xff"), "SEAL.json is torn"),
        (lambda folder: (folder / "a.bin").unlink(), "a.bin is missing"),
        (lambda folder: (folder / "a.bin").write_bytes(b"a.bin" * 50), "a.bin is not what was written"),
        (lambda folder: (folder / "b.json").write_bytes(b"b.jsom" * 100), "b.json is not what was written"),
    ],
)
def test_every_damage_is_named(sealed, damage, said):
    damage(sealed)
    assert said in checksums.broken(sealed)
