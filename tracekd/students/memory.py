"""Memory: how many examples go through a student at once, in training and in decoding."""

from __future__ import annotations

import resource
import sys

import torch

from tracekd import machine

workers = 1  # processes at work on this machine, this one included
PASS = 512  # tokens that fill a core's matrices; more at once cost memory and gain under 1% (measured)
CACHE = 2**31  # most bytes of a cache on a CPU, whatever the machine has, so that batches are cut alike


def room() -> float:
    """Bytes that activations may take: half of a GPU, or a third of main memory, shared by the workers."""
    return machine.device_memory() / (2 if machine.has_gpu() else 3) / workers


def cache_room() -> float:
    """Bytes that a KV cache may take; on a CPU whatever the workers, as the size of a batch can tip a near tie."""
    return room() if torch.cuda.is_available() else min(CACHE, machine.memory() / 6 / machine.cores())


def bytes_a_token(config, size: int) -> int:
    """Activations (bytes) that a token keeps for the backward pass, over all layers, without checkpointing.

    Fitted to a LoRA student of SmolLM2-135M in fp32 (3 MiB per token), not derived.
    """
    return config.num_hidden_layers * (10 * config.hidden_size + 13 * config.intermediate_size) * size


def plan(config, size: int, batch: int, longest: int) -> tuple[int, bool]:
    """How many of ``batch`` examples of at most ``longest`` tokens fit into ``room`` at once, and whether to recompute.

    An update stays the same however it is cut. Gradient checkpointing is used only if one example would not fit.
    """
    layers, each = config.num_hidden_layers, bytes_a_token(config, size) * longest
    checkpointing = each > room()
    if checkpointing:  # the input of each layer is kept, and one layer's activations at a time
        each = each / layers + layers * config.hidden_size * size * longest
    most = batch if torch.cuda.is_available() else max(1, PASS // longest)
    fits = [d for d in range(1, min(batch, most) + 1) if batch % d == 0 and d * each <= room()]
    return max(fits, default=1), checkpointing


def rows_at_once(config, size: int, places: int) -> int:
    """Largest decoding batch, at least 1, of rows of ``places`` tokens whose KV cache fits twice in ``cache_room``."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return max(1, int(cache_room() // (2 * 2 * config.num_hidden_layers * heads * width * size * places)))


def peak() -> float:
    """Peak memory so far in GiB: allocated on the GPU, else of the whole process."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**30, 2)
    unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts in bytes, Linux in KiB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30, 2)
