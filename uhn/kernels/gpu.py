"""Launching the Triton kernels: in which tiles, and in how many programs.

Tiles were chosen by measuring on one card (``python -m benchmarks.gpu_kernels``); they change last bits, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

WIDEST = 256
"""Widths up to this one are tried; a card that has no room for them says so at first use."""

PRECISION = "tf32x3"
"""Of products of float32: three of TF32, whose error is that of float32; "ieee" is float32 itself, far slower."""

PROGRAMS = 264
"""That sum products over rows at the same time: two for each multiprocessor of an H100 or H200."""


@dataclass(frozen=True)
class Tile:
    """Rows (or columns, of a sum over rows) of a program, its warps, stages of its loop and rows of one step."""

    size: int
    warps: int
    stages: int = 1
    step: int = 0


TILES = {
    ("forward", True): Tile(64, 4),
    ("forward", False): Tile(32, 8),
    ("backward", True): Tile(32, 4),
    ("backward", False): Tile(32, 8),
    ("readout", True): Tile(32, 4),
    ("readout", False): Tile(32, 4),
    ("sum", True): Tile(128, 4, 3, 64),
    ("sum", False): Tile(64, 4, 3, 32),
}
"""By kernel and whether in bfloat16: the fastest at width 128 on an H200."""


@dataclass(frozen=True)
class GpuKernels:
    """The Triton kernels in one precision of products."""

    half: bool

    @property
    def dtype(self) -> torch.dtype:
        """Of the operands of products."""
        return torch.bfloat16 if self.half else torch.float32

    @property
    def precision(self) -> str:
        """How products of float32 are computed."""
        return PRECISION

    def tile(self, kernel: str) -> Tile:
        """Of a kernel."""
        return TILES[kernel, self.half]

    def programs(self, kernel: str, rows: int) -> int:
        """Programs that share ``rows``."""
        return -(-rows // self.tile(kernel).size)

    def call(self, name: str, kernel: str, rows: int, *arguments: Tensor | int, **constants: Any) -> None:
        """Launch the kernel ``name`` in tiles of ``kernel`` on ``rows [n, h]``; widths and precision are added."""
        from uhn.kernels import triton_trunk

        tile = self.tile(kernel)
        like = next(argument for argument in arguments if isinstance(argument, Tensor))
        with _on(like):
            launch: Callable[..., Any] = getattr(triton_trunk, name)[(self.programs(kernel, rows),)]
            launch(*arguments, ROWS=tile.size, num_warps=tile.warps, num_stages=tile.stages, **constants)

    def sum_rows(self, a: Tensor, b: Tensor) -> Tensor:
        """``a.T @ b`` for ``a [n, h]`` and ``b [n, columns]``, float32 ``[h, columns]``."""
        from uhn.kernels import triton_trunk

        (rows, h), columns, tile = a.shape, b.shape[1], self.tile("sum")
        across = -(-columns // tile.size)
        part = tile.step  # doubled, so that models of many sizes share a few compiled kernels
        while -(-rows // part) * across > PROGRAMS:
            part *= 2
        parts = -(-rows // part)
        sums = torch.empty(parts, h, columns, dtype=torch.float32, device=a.device)
        with _on(a):
            triton_trunk.rows_product[(across, parts)](
                a.detach(), b.detach(), sums, rows, COLUMNS=columns, PART=part, TILE=tile.size, STEP=tile.step,
                PRECISION=self.precision, num_warps=tile.warps, num_stages=tile.stages, **widths(h),
            )  # fmt: skip
        return sums.sum(0)


def widths(h: int) -> dict[str, int]:
    """``h`` and the power of two that it is filled up to."""
    return {"H": h, "WIDTH": 1 << (h - 1).bit_length()}


def _on(like: Tensor) -> AbstractContextManager[object]:
    """Triton launches on the current device."""
    return torch.cuda.device(like.device) if like.is_cuda else nullcontext()
