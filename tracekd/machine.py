"""The machine: cores, memory, and whether there is a GPU; torch is loaded only if there may be one."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import psutil

DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


@cache
def has_gpu() -> bool:
    """Whether torch finds a GPU."""
    if not shutil.which("nvidia-smi") and not any(Path(path).exists() for path in DEVICES):
        return False
    import torch

    return torch.cuda.is_available()


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes of main memory."""
    return psutil.virtual_memory().total


def free_memory() -> int:
    """Bytes that are free now: of the GPU if there is one, else of main memory without swapping."""
    if has_gpu():
        import torch

        return torch.cuda.mem_get_info()[0]
    return psutil.virtual_memory().available
