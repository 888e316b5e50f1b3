"""Whether this machine can carry runs: asked of all of them before the first one starts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import torch

from uhn.paper.settings import RunSettings
from uhn.sources.universal import expected_counts
from uhn.training.precision import pick_device

COPIES = 16
"""Bytes for each trained number: itself, its gradient and the two means that Adam keeps."""

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says what a container may use."""


def check_here(runs: Iterable[RunSettings]) -> None:
    """Check devices and the memory of generators.

    Raises:
        ValueError: for a device that is not there.
        MemoryError: for a generator that the memory cannot hold.
    """
    for run in runs:
        device = pick_device(run.compute.device)
        needed, there = COPIES * trained(run), memory(device)
        if needed > there:
            raise MemoryError(
                f"out of memory: the generator of {run.name} takes {needed / 2**30:,.1f} GiB in training, "
                f"here are {there / 2**30:,.1f} GiB"
            )


def trained(run: RunSettings) -> int:
    """Trained numbers of a run's generator; of other sources 0, as they have the size of a base model."""
    generator = run.generator
    if generator is None:
        return 0
    counts = expected_counts(
        generator.hidden,
        generator.blocks,
        generator.index_frequencies,
        structure=generator.structure,
        structure_frequencies=generator.structure_frequencies,
        encoding=generator.encoding,
    )
    return counts["trainable"]


def memory(device: torch.device) -> int:
    """Bytes that a process may use on ``device``."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in LIMITS:
        text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        found += [int(text)] if text.isdecimal() else []
    return min(found)
