"""Students: names, checks, and messages that name the ways on."""

import shutil

import pytest

from tracekd.students import registry
from tracekd.students.registry import StudentUnavailable


def test_unknown_names_give_the_nearest():
    with pytest.raises(StudentUnavailable, match="did you mean 'smollm2-135m'"):
        registry.resolve("smolm2-135m")


def test_folders_and_hub_ids_serve(tmp_path):
    assert registry.resolve(str(tmp_path)) == str(tmp_path)
    assert registry.resolve("owner/model") == "owner/model"
    assert registry.resolve("qwen3-8b") == "Qwen/Qwen3-8B"


def test_a_gated_model_out_of_reach_gives_a_message_not_a_trace(monkeypatch):
    def refuse(*_, **__):
        raise OSError("You are trying to access a gated repo.\nlong advice")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", refuse)
    with pytest.raises(StudentUnavailable) as caught:
        registry.load_tokenizer("llama-3.2-1b")
    message = str(caught.value)
    assert "gated repo" in message and "long advice" not in message
    assert "Llama 3.2 Community" in message and "hf auth login" in message


@pytest.mark.parametrize(
    ("file", "load"), [("model.safetensors", registry.load_model), ("tokenizer.json", registry.load_tokenizer)]
)
def test_a_torn_file_in_a_folder_of_ones_own_gives_a_message(tmp_path, file, load):
    shutil.copytree(registry.resolve("tiny-random"), tmp_path, dirs_exist_ok=True)
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:1000])
    with pytest.raises(StudentUnavailable, match="cannot be loaded"):
        load(str(tmp_path))


def test_a_model_without_chat_template_is_refused(tmp_path):
    tokenizer = registry.load_tokenizer("tiny-random")
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(StudentUnavailable, match="no chat template"):
        registry.load_tokenizer(str(tmp_path))


def test_smollm_is_what_its_card_says():
    """134.5 million parameters, 49,152 tokens, a head tied to the embedding, offline once it is kept."""
    try:
        registry.resolve("smollm2-135m")
    except StudentUnavailable as error:
        pytest.skip(str(error).splitlines()[0])
    model = registry.load_model("smollm2-135m", quantise=False)
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    assert model.config.vocab_size == 49_152
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    assert len(registry.load_tokenizer("smollm2-135m")) == 49_152
