"""What of a machine decides the bits that training gives: its processor or GPU, their capability, and torch."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch


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
