"""The C library's heap, on a CPU: keep what training frees, instead of handing it back and asking again."""

from __future__ import annotations

import ctypes
import platform

# Parameters of glibc's mallopt(3), from malloc.h.
TRIM_THRESHOLD, MMAP_MAX = -1, -4
NEVER = 2**31 - 1  # bytes at the heap's top from which they are handed back: mallopt takes a C int


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next tensors; return whether that could be set.

    By default glibc gives large blocks back to the system at once and faults each page in anew when the next tensor
    of that size is made: a tenth of a training step of a small student. The memory a process holds at most grows
    little, since what a step frees the next one takes. Only glibc is told; elsewhere nothing changes.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(TRIM_THRESHOLD, NEVER)) and bool(libc.mallopt(MMAP_MAX, 0))


def give_back() -> bool:
    """Hand all freed memory back to the system, so that what a process then takes can be measured; whether it could."""
    return platform.libc_ver()[0] == "glibc" and bool(ctypes.CDLL(None).malloc_trim(0))
