"""The machine: cores, memory, and whether there is a GPU; torch is loaded only if there may be one."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOWN = ("torch", "transformers", "peft", "bitsandbytes", "numpy", "pandas", "scipy", "statsmodels")
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
    if has_gpu():
        import torch

        return torch.cuda.get_device_properties(0).total_memory
    return memory()


def free_memory() -> int:
    """Bytes that are free now: of the GPU if there is one, else of main memory without swapping."""
    if has_gpu():
        import torch

        return torch.cuda.mem_get_info()[0]
    import psutil

    return min(psutil.virtual_memory().available, memory())


@cache
def cpu_compute() -> str:
    """What this CPU multiplies matrices of a real student in: "fp32", or "bf16" where a short probe finds it faster.

    Processors with AVX512-BF16 or AMX do twice as many products of 16 bits a second; on others bf16 is emulated and
    slower. The variable ``TRACEKD_COMPUTE`` overrides the probe; its finding is put there, so that the processes that
    this one starts do as it does.

    Raises:
        ValueError: ``TRACEKD_COMPUTE`` is neither.
    """
    asked = os.environ.get(COMPUTE)
    if asked is None:
        asked = os.environ[COMPUTE] = "bf16" if _speedup() >= FASTER else "fp32"
    if asked not in KINDS:
        raise ValueError(f"{COMPUTE} {asked!r}: expected one of {', '.join(KINDS)}, or nothing to let a probe decide")
    return asked


def _speedup() -> float:
    """How many times faster this CPU multiplies matrices of a small student's size in bf16 than in fp32."""
    import torch

    def best(dtype) -> float:
        left, right = torch.ones(512, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype)
        times = []
        for _ in range(8):  # the best of several, so that another program's turn does not decide
            started = time.perf_counter()
            left @ right
            times.append(time.perf_counter() - started)
        return min(times)

    return best(torch.float32) / best(torch.bfloat16)


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
