"""Measuring: memory while something runs, the machine's own matrix rate, and the operations that a student needs."""

from __future__ import annotations

import gc
import statistics
import threading
import time
from contextlib import contextmanager

import psutil
import torch

from tracekd import heap


class Memory:
    """Peak memory in GiB above what stood at the start: of the GPU's allocator, else of this process, sampled."""

    def __init__(self, every: float = 0.02):
        """Sample the process each ``every`` seconds."""
        self.every, self.gib = every, 0.0

    @contextmanager
    def watched(self):
        """Watch the block; afterwards ``gib`` is its peak."""
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            yield self
            self.gib = (torch.cuda.max_memory_allocated() - before) / 2**30
            return
        heap.give_back()  # what an earlier turn has freed must not serve this one for nothing
        process, ended = psutil.Process(), threading.Event()
        before = peak = process.memory_info().rss

        def sample() -> None:
            nonlocal peak
            while not ended.wait(self.every):
                peak = max(peak, process.memory_info().rss)

        watcher = threading.Thread(target=sample, daemon=True)
        watcher.start()
        try:
            yield self
        finally:
            ended.set()
            watcher.join()
            self.gib = (max(peak, process.memory_info().rss) - before) / 2**30


def synchronise() -> None:
    """Wait until the GPU has done what it was given, so that a clock tells the truth."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def matrix_rate(rows: int, inner: int, columns: int, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Floating-point operations a second (multiply and add count two) of a plain matrix product of these sizes."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, b = (torch.randn(*shape, device=device).to(dtype) for shape in ((rows, inner), (inner, columns)))
    torch.mm(a, b)
    taken, started = [], time.perf_counter()
    while time.perf_counter() - started < seconds or len(taken) < 5:
        synchronise()
        one = time.perf_counter()
        torch.mm(a, b)
        synchronise()
        taken.append(time.perf_counter() - one)
    return 2 * rows * inner * columns / statistics.median(taken)


def operations(model, lengths: list[int], supervised: int) -> float:
    """Floating-point operations that one LoRA update needs, forward and backward, without any recomputation.

    Counted from the layers (Kaplan et al. 2020, arXiv 2001.08361, appendix B.3, with a frozen base): a frozen weight
    costs 2 operations a token forward and 2 for the gradient of its input; an adapter's weight 2 more for its own
    gradient; the head only at ``supervised`` tokens; causal attention, 2 matrix products of each pair of places, once
    forward and twice backward.

    Args:
        model: with its adapter on.
        lengths: tokens of each example.
        supervised: tokens with a label.
    """
    config, tokens = model.config, sum(lengths)
    frozen = adapter = 0
    for name, weight in model.named_parameters():
        if "lora_" in name:
            adapter += weight.numel()
        elif any(part in name for part in ("_proj",)):
            # NF4 packs two weights in a byte.
            frozen += weight.numel() * (2 if weight.dtype == torch.uint8 else 1)
    head = config.vocab_size * config.hidden_size
    width = config.num_attention_heads * getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    pairs = sum(n * (n + 1) / 2 for n in lengths) * config.num_hidden_layers
    return 4 * frozen * tokens + 6 * adapter * tokens + 4 * head * supervised + 3 * 4 * width * pairs
