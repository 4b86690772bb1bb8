"""Memory: how many examples go through a student at once, in training and in decoding."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass

import torch

from tracekd import machine

workers = 1  # processes at work on this machine, this one included
PASS = 512  # tokens that fill a core's matrices; more at once cost memory and gain under 1% (measured)
CACHE = 2**31  # most bytes of a cache on a CPU, whatever the machine has, so that batches are cut alike


@dataclass(frozen=True)
class Plan:
    """How an update is cut to fit: examples per pass, passes per update, gradient checkpointing or not."""

    at_once: int
    passes: int
    checkpointing: bool


def bytes_a_token(config, size: int) -> int:
    """Activations that a token keeps for the backward pass, over all layers, without checkpointing.

    About 10 vectors of the hidden and 13 of the inner width per layer, of ``size`` bytes a number: fitted to a LoRA
    student of SmolLM2-135M in fp32 (3 MiB per token), not derived.
    """
    return config.num_hidden_layers * (10 * config.hidden_size + 13 * config.intermediate_size) * size


def rows_at_once(config, size: int, places: int) -> int:
    """Largest decoding batch whose KV cache fits in ``cache_room``, at least 1.

    Args:
        config: of a Llama-like model.
        size: bytes a number.
        places: tokens of a row's prompt and of its longest answer.

    A row keeps keys and values of all layers, and as much again while they move to a larger place.
    """
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return max(1, int(cache_room() // (2 * 2 * config.num_hidden_layers * heads * width * size * places)))


def room() -> float:
    """Bytes that activations may take: half of a GPU, or a third of main memory, shared by the workers."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory / 2 / workers
    return machine.memory() / 3 / workers


def cache_room() -> float:
    """Bytes that a KV cache may take.

    The size of a batch can tip a near tie, so on a CPU this does not depend on the number of workers.
    """
    if torch.cuda.is_available():
        return room()
    return min(CACHE, machine.memory() / 6 / machine.cores())


def plan(config, size: int, batch: int, longest: int) -> Plan:
    """Fit updates of ``batch`` examples of at most ``longest`` tokens into ``room``.

    The loss is weighted by tokens, so the update stays the same however it is cut. Checkpointing, which costs a second
    forward pass, is used only if a single example would not fit.
    """
    layers, each = config.num_hidden_layers, bytes_a_token(config, size) * longest
    checkpointing = each > room()
    if checkpointing:  # the input of each layer is kept, and one layer's activations at a time
        each = each / layers + layers * config.hidden_size * size * longest
    most = batch if torch.cuda.is_available() else max(1, PASS // longest)
    fits = [d for d in range(1, min(batch, most) + 1) if batch % d == 0 and d * each <= room()]
    at_once = max(fits, default=1)
    return Plan(at_once, batch // at_once, checkpointing)


def peak() -> float:
    """Peak memory so far in GiB: allocated on the GPU, else of the whole process."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**30, 2)
    unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts in bytes, Linux in KiB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30, 2)
