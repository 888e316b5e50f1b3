"""What of a machine decides the bits that training gives: its processor or GPU, their capability, and torch; and how
its memory is held on to from step to step."""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from pathlib import Path

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's names of what is kept at the end of the heap, and of the size from which memory comes from the system."""

LARGEST_KEPT = 2**25
"""Bytes of an array up to which its memory is kept: above that the gaps between arrays would cost too much of it."""


def machine(device: torch.device) -> dict[str, str]:
    """Return by name what has to be the same for a run to go on in the same bits."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processor": processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
    }


@cache
def processor() -> str:
    """The processor's model, as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, if its C library is glibc; whether it does from now on.

    A step frees what the next one takes again. By itself glibc gives it back to the system, which fills fresh pages
    with zeros: up to a fifth of a step (measured, CiteSeer's GAT).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(MMAP_THRESHOLD, LARGEST_KEPT) and mallopt(TRIM_THRESHOLD, 2**31 - 1))
