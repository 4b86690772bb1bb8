"""The machine: cores, memory, and whether there is a GPU, found without loading torch where there surely is none."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import psutil

DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


@cache
def has_gpu() -> bool:
    """Whether torch finds a GPU; torch is asked only where the system shows signs of one."""
    if not shutil.which("nvidia-smi") and not any(Path(path).exists() for path in DEVICES):
        return False
    import torch

    return torch.cuda.is_available()


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes of memory, in all."""
    return psutil.virtual_memory().total


def free_memory() -> int:
    """Bytes that can be taken now: of the GPU where there is one, else of the main memory without swapping."""
    if has_gpu():
        import torch

        return torch.cuda.mem_get_info()[0]
    return psutil.virtual_memory().available
