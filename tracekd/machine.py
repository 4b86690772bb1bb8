"""The machine: cores, memory, and whether there is a GPU; torch is loaded only if there may be one."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOWN = ("torch", "transformers", "peft", "bitsandbytes", "numpy", "pandas", "scipy", "statsmodels")
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
    import psutil  # not in the standard library, which is all that `run --check` may need

    return psutil.virtual_memory().total


def free_memory() -> int:
    """Bytes that are free now: of the GPU if there is one, else of main memory without swapping."""
    if has_gpu():
        import torch

        return torch.cuda.mem_get_info()[0]
    import psutil

    return psutil.virtual_memory().available


def commit() -> str:
    """The commit of the code that runs, with ``+`` when the library differs from it; ``unknown`` outside git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(ROOT), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        name = git("describe", "--always", "--exclude=*", "--abbrev=10")
        return name + ("+" if git("status", "--porcelain", "--", "tracekd") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def hardware() -> str:
    """The machine in a few words: GPU if any, else processor cores, and the memory."""
    size = f"{memory() / 2**30:.0f} GiB"
    if has_gpu():
        import torch  # slow to load, and of no use without a GPU

        return f"{torch.cuda.get_device_name(0)}, {size} host memory"
    threads = cores()
    return f"{threads} CPU thread{'s' if threads > 1 else ''} ({platform.machine()}), {size}"


def versions(packages: Iterable[str] = SHOWN) -> str:
    """Python and ``packages`` with their versions, ``-`` for one that is not installed."""
    found = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} -")
    return ", ".join(found)
