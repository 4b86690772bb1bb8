"""The machine: cores, memory, and whether there is a GPU; torch is loaded only if there may be one."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path
from timeit import repeat

ROOT = Path(__file__).resolve().parent.parent
# Packages whose versions may change a number or a picture.
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "numpy", "pandas", "scipy", "statsmodels", "matplotlib")
DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
COMPUTE = "TRACEKD_COMPUTE"  # variable that sets what a CPU multiplies in, in place of the probe
KINDS = {"fp32": "float32", "bf16": "bfloat16"}
FASTER = 1.4  # times the speed of fp32 that bf16 must reach on a CPU to be used: below it the rounding buys little


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
    """Bytes of main memory that this process may use: the machine's, or its container's or batch job's if less."""
    import psutil  # not in the standard library, which is all that `run --check` may need

    return min(psutil.virtual_memory().total, *_allowed())


def _allowed(root: Path = Path("/sys/fs/cgroup"), of: Path = Path("/proc/self/cgroup")) -> list[int]:
    """The limits of the control groups of this process (Linux), one more than it can reach where there is none."""
    found = [2**63]
    for line in of.read_text().splitlines() if of.exists() else ():
        _, kind, group = line.split(":", 2)
        if kind in ("", "memory"):  # version 2 has one tree for all, version 1 one for memory
            file = root / kind / group.strip("/") / ("memory.limit_in_bytes" if kind else "memory.max")
            said = file.read_text().strip() if file.exists() else "max"
            found += [int(said)] if said.isdigit() else []
    return found


def device_memory() -> int:
    """Bytes of memory of the GPU, or of main memory if there is none (see ``memory``)."""
    if not has_gpu():
        return memory()
    import torch

    return torch.cuda.get_device_properties(0).total_memory


def free_memory() -> int:
    """Bytes that are free now: of the GPU if there is one, else of main memory without swapping."""
    import psutil

    if not has_gpu():
        return min(psutil.virtual_memory().available, memory())
    import torch

    return torch.cuda.mem_get_info()[0]


@cache
def cpu_compute() -> str:
    """What this CPU multiplies matrices of a real student in: "fp32", or "bf16" where a short probe finds it faster.

    Processors with AVX512-BF16 or AMX do twice as many products of 16 bits a second; others emulate them. The finding
    is put into ``TRACEKD_COMPUTE``, so that processes that this one starts do as it does; a value there is obeyed.
    """
    asked = os.environ.get(COMPUTE) or ("bf16" if _speedup() >= FASTER else "fp32")
    if asked not in KINDS:
        raise ValueError(f"{COMPUTE} {asked!r}: expected one of {', '.join(KINDS)}, or nothing to let a probe decide")
    os.environ[COMPUTE] = asked
    return asked


def _speedup() -> float:
    """How many times faster this CPU multiplies matrices of a small student's size in bf16 than in fp32."""
    import torch

    def best(dtype) -> float:
        left, right = torch.ones(512, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype)
        # The best of several, so that another program's turn does not decide.
        return min(repeat(lambda: left @ right, number=1, repeat=8))

    return best(torch.float32) / best(torch.bfloat16)


def commit() -> str:
    """The commit of the code that runs, with ``+`` when the library differs from it; ``unknown`` outside git."""
    asked = "describe --always --exclude=* --abbrev=10", "status --porcelain -- tracekd"
    try:
        name, changed = (
            subprocess.check_output(["git", "-C", ROOT, *words.split()], stderr=subprocess.DEVNULL, text=True)
            for words in asked
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name.strip() + ("+" if changed else "")


def hardware() -> str:
    """The machine in a few words: GPU if any, else processor cores, and the memory."""
    size, threads = f"{memory() / 2**30:.0f} GiB", cores()
    if not has_gpu():
        return f"{threads} CPU thread{'s' if threads > 1 else ''} ({platform.machine()}), {size}"
    import torch  # slow to load, and of no use without a GPU

    return f"{torch.cuda.get_device_name(0)}, {size} host memory"


@cache
def versions() -> str:
    """Python and ``PACKAGES`` with their versions."""
    there = {found.name: found.version for found in importlib.metadata.distributions()}
    found = [f"{package} {there.get(package, '-')}" for package in PACKAGES]
    return ", ".join([f"Python {platform.python_version()}", *found])
