"""Students of a published shape with random weights: they cost what the real ones cost, and answer nothing.

For benches where the real weights cannot be had. The shapes are those of the models' published configurations.
"""

from __future__ import annotations

from pathlib import Path

from tracekd.embedded import cache_folder
from tracekd.profiles import nearest

SHAPES = {
    "shape-llama-3.2-1b": {
        "vocab_size": 128_256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "tie_word_embeddings": True,
        "rope_theta": 500_000.0, "max_position_embeddings": 131_072,
    },
    "shape-tiny": {
        "vocab_size": 49_152, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True,
    },
}  # fmt: skip


def make(name: str, dtype=None) -> Path:
    """Write a random model of a shape, with the embedded student's tokenizer, and return its folder.

    Args:
        name: one of ``SHAPES``.
        dtype: of the weights; bf16 by default.

    Raises:
        ValueError: the shape is not known.
        StudentUnavailable: the embedded student, whose tokenizer it takes, cannot be had.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tracekd import students

    if name not in SHAPES:
        raise ValueError(f"no shape {name!r}: {nearest(name, list(SHAPES))}")
    folder = cache_folder() / name
    if (folder / "model.safetensors").exists():
        return folder
    tokenizer = students.load_tokenizer("smollm2-135m")
    config = LlamaConfig(**SHAPES[name], eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).to(dtype or torch.bfloat16)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder, max_shard_size="100GB")
    return folder
