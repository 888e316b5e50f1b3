"""Numerics of a run: half precision where the contract allows it, deterministic kernels, a fixed thread count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from uhn.training.machine import keep_freed_memory

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Half precision for the generator's MLP and the base model; phases, KAN and Eq 4 opt out themselves.

    Raises:
        ValueError: for a precision other than fp32, bf16 or fp16.
    """
    if precision not in DTYPES:
        raise ValueError(f"precision must be one of {', '.join(DTYPES)}, got {precision!r}")
    dtype = DTYPES[precision]
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


def pick_precision(name: str, device: torch.device) -> str:
    """Return the precision for ``auto``: ``bf16`` on a GPU, ``fp32`` elsewhere; any other name as it is."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" else "fp32"


def pick_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ValueError: if cuda is asked for where there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("compute.device is cuda, but torch finds no CUDA device here (wanted cuda, got cpu only)")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Same seed, same machine, same thread count: the same bits. Every global that it sets is put back.

    Freed memory is kept from then on, as long as the process lasts.
    """
    keep_freed_memory()
    before = (
        torch.get_num_threads(),
        torch.get_deterministic_debug_mode(),
        torch.get_float32_matmul_precision(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined,unused-ignore]
        torch.backends.cudnn.allow_tf32,
    )
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    # what torch.use_deterministic_algorithms sets, which imports torch's compiler, seconds of every process
    torch.set_deterministic_debug_mode("error")
    # or every torch.empty would be filled first, a tenth of a step, though nothing reads memory before it is written
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined,unused-ignore]
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False  # or fp32 would not be float32 in the convolutions of a GPU
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        torch.set_float32_matmul_precision(before[2])
        torch.utils.deterministic.fill_uninitialized_memory = before[3]  # type: ignore[attr-defined,unused-ignore]
        torch.backends.cudnn.allow_tf32 = before[4]
