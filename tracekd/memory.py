"""Memory: how many examples go through a student at once, in training and in decoding."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass

import torch

from tracekd import machine

workers = 1  # processes at work beside each other on this machine, this one included
PASS = 512  # tokens that fill a core's matrices: more at once cost memory and gain nothing (measured: under 1%)
CACHE = 2**31  # most bytes of a cache on a CPU, whatever the machine has, so that batches are cut alike


@dataclass(frozen=True)
class Plan:
    """How an update is cut to fit: examples a pass, passes an update, and gradient checkpointing or not."""

    at_once: int
    passes: int
    checkpointing: bool


def bytes_a_token(config, size: int) -> int:
    """Activations that one token keeps for the backward pass, over all layers, without checkpointing.

    Args:
        config: of a Llama-like model (``hidden_size``, ``intermediate_size``, ``num_hidden_layers``).
        size: bytes a number.

    A layer of a LoRA student keeps about 10 vectors of the hidden and 13 of the inner width: fitted to
    SmolLM2-135M in fp32 (3 MiB a token), not derived.
    """
    return config.num_hidden_layers * (10 * config.hidden_size + 13 * config.intermediate_size) * size


def rows_at_once(config, size: int, places: int) -> int:
    """How many rows of ``places`` tokens can be decoded at once: as many as fit into ``cache_room``, at least one.

    Args:
        config: of a Llama-like model (``num_hidden_layers``, ``num_attention_heads``, ``hidden_size``; where it has
            them ``num_key_value_heads`` and ``head_dim``).
        size: bytes a number.
        places: tokens of a row's prompt and of its longest answer.

    A row keeps keys and values of all layers, and as much again while they are moved to a larger place: 128 rows of
    1,600 places of SmolLM2-135M in fp32 took 15 GiB, their caches alone have 9.
    """
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    row = 2 * 2 * config.num_hidden_layers * heads * width * size * places
    return max(1, int(cache_room() // row))


def room() -> float:
    """Bytes that activations may take: half of a GPU, a third of other memory, shared by the workers."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory / 2 / workers
    return machine.memory() / 3 / workers


def cache_room() -> float:
    """Bytes that a cache may take: on a CPU, ``CACHE`` or, if less, a core's share of a sixth of the memory.

    The size of a batch can tip a near tie, so this does not depend on how many workers there are.
    """
    if torch.cuda.is_available():
        return room()
    return min(CACHE, machine.memory() / 6 / machine.cores())


def plan(config, size: int, batch: int, longest: int) -> Plan:
    """Fit updates of ``batch`` examples of at most ``longest`` tokens into ``room``.

    The update stays the same however it is cut, since its loss is weighted by tokens. Checkpointing, which costs a
    second forward pass, comes in only where one example alone would not fit.
    """
    layers, each = config.num_hidden_layers, bytes_a_token(config, size) * longest
    checkpointing = each > room()
    if checkpointing:
        # What is kept then: the input of each layer, and one layer's activations at a time.
        each = each / layers + layers * config.hidden_size * size * longest
    most = batch if torch.cuda.is_available() else max(1, PASS // longest)
    fits = [d for d in range(1, min(batch, most) + 1) if batch % d == 0 and d * each <= room()]
    at_once = max(fits, default=1)
    return Plan(at_once, batch // at_once, checkpointing)


def peak() -> float:
    """Peak memory so far in GiB: allocated on the GPU, else the whole process."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**30, 2)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30, 2)
