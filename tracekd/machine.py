"""The machine: cores, memory, whether there is a GPU, and how many examples go through a student at once."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from timeit import repeat

ROOT = Path(__file__).resolve().parent.parent
# Packages whose versions may change a number or a picture.
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "numpy", "pandas", "scipy", "statsmodels", "matplotlib")
DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
COMPUTE = "TRACEKD_COMPUTE"  # variable that sets what a CPU multiplies in, in place of the probe
FASTER = 1.4  # times the speed of fp32 that bf16 must reach on a CPU to be used: below it the rounding buys little
PASS = 512  # tokens that fill a core's matrices; more at once cost memory and gain under 1% (measured)
CACHE = 2**31  # most bytes of a cache on a CPU, whatever the machine has, so that batches are cut alike
workers = 1  # processes of ours at work on this machine, this one included


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


def memory(gpu: bool = True) -> tuple[int, int]:
    """Bytes free and in all: of a GPU (unless not ``gpu``), else of main memory, within its container's limit."""
    if gpu and has_gpu():
        import torch

        return torch.cuda.mem_get_info()
    import psutil  # not in the standard library, which is all that `run --check` may need

    found, limit = psutil.virtual_memory(), min(_allowed())
    return min(found.available, limit), min(found.total, limit)


def _allowed(root: Path = Path("/sys/fs/cgroup"), of: Path = Path("/proc/self/cgroup")) -> list[int]:
    """The limits of the control groups of this process (Linux), one more than it can reach where there is none."""
    found = [2**63]
    for line in of.read_text().splitlines() if of.exists() else ():
        _, kind, group = line.split(":", 2)
        if kind in ("", "memory"):  # version 2 has one tree for all, version 1 one for memory
            name, place = "memory.limit_in_bytes" if kind else "memory.max", Path(kind, group.strip("/"))
            for file in (root / part / name for part in (place, *place.parents)):  # a batch job's may be above
                said = file.read_text().strip() if file.exists() else "max"
                found += [int(said)] if said.isdigit() else []
    return found


def room() -> float:
    """Bytes that activations may take: half of a GPU, or a third of main memory, shared by the workers."""
    return memory()[1] / (2 if has_gpu() else 3) / workers


def cache_room() -> float:
    """Bytes that a KV cache may take; on a CPU whatever the workers, as the size of a batch can tip a near tie."""
    return room() / 2 if has_gpu() else min(CACHE, memory()[1] / 6 / cores())


def plan(config, size: int, batch: int, longest: int) -> tuple[int, bool]:
    """How many of ``batch`` examples of ``longest`` tokens fit into ``room`` at once, and whether to recompute."""
    layers = config.num_hidden_layers
    # Activations of a token over all layers without checkpointing, as measured of SmolLM2-135M in fp32.
    each = layers * (10 * config.hidden_size + 13 * config.intermediate_size) * size * longest
    checkpointing = each > room()  # an update stays the same however it is cut
    if checkpointing:  # the input of each layer is kept, and one layer's activations at a time
        each = each / layers + layers * config.hidden_size * size * longest
    most = batch if has_gpu() else max(1, PASS // longest)
    fits = [d for d in range(1, min(batch, most) + 1) if batch % d == 0 and d * each <= room()]
    return max(fits, default=1), checkpointing


def rows_at_once(model, places: int) -> int:
    """Largest decoding batch, at least 1, of rows of ``places`` tokens whose KV cache fits twice in ``cache_room``."""
    config, size = model.config, model.dtype.itemsize if has_gpu() else 4  # on a CPU whatever it multiplies in
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return max(1, int(cache_room() // (2 * 2 * config.num_hidden_layers * heads * width * size * places)))


def peak() -> float:
    """Peak memory so far in GiB: allocated on the GPU, else of the whole process."""
    if has_gpu():
        import torch

        return round(torch.cuda.max_memory_allocated() / 2**30, 2)
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 2**10  # macOS counts in bytes, Linux in KiB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30, 2)


@cache
def cpu_compute():
    """The torch type that this CPU multiplies a real student's matrices in: bf16 where a short probe finds it faster.

    Processors with AVX512-BF16 or AMX do twice as many products of 16 bits a second; others emulate them. The finding
    is put into ``TRACEKD_COMPUTE``, so that processes that this one starts do as it does; a value there is obeyed.
    """
    import torch

    def best(dtype) -> float:
        left, right = torch.ones(512, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype)
        # The best of several, so that another program's turn does not decide.
        return min(repeat(lambda: left @ right, number=1, repeat=8))

    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    asked = os.environ.get(COMPUTE) or ("bf16" if best(kinds["fp32"]) >= FASTER * best(kinds["bf16"]) else "fp32")
    if asked not in kinds:
        raise ValueError(f"{COMPUTE} {asked!r}: expected one of {', '.join(kinds)}, or nothing to let a probe decide")
    os.environ[COMPUTE] = asked
    return kinds[asked]


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
    size, threads = f"{memory(gpu=False)[1] / 2**30:.0f} GiB", cores()
    if not has_gpu():
        return f"{threads} CPU thread{'s' if threads > 1 else ''} ({platform.machine()}), {size}"
    import torch  # slow to load, and of no use without a GPU

    return f"{torch.cuda.get_device_name(0)}, {size} host memory"


@cache
def versions() -> str:
    """Python and ``PACKAGES`` with their versions."""
    there = {found.name: found.version for found in importlib.metadata.distributions()}
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {there.get(name, '-')}" for name in PACKAGES)])
