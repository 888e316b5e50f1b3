"""Kernels in C for the generator on a CPU, where they beat every library's: float32, or bfloat16 products.

Everything that is not a product is float32. Sums run in an order that depends on the number of threads only.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from uhn.kernels.build import library

LANES = 16
"""Widths are a multiple of this."""

Argument = Tensor | float | ctypes.Structure | None


@dataclass(frozen=True)
class Kernels:
    """The compiled kernels for one precision of products; ``parts`` is the number of threads that share a call."""

    half: bool
    parts: int

    @property
    def dtype(self) -> torch.dtype:
        """Of the operands of products."""
        return torch.bfloat16 if self.half else torch.float32

    def call(self, name: str, *arguments: Argument) -> None:
        """Call a kernel; None is a pointer to nothing. Raises ``MemoryError`` where it found none to work in."""
        if not getattr(library(self.half), name)(*[_converted(argument) for argument in arguments]):
            raise MemoryError(f"the kernel {name} found no memory to work in")

    def operand(self, matrix: Tensor) -> Tensor:
        """``[K, N]`` as the second operand of a product (tile.h): for bfloat16 in pairs along K, which must be even."""
        matrix = matrix.to(self.dtype)
        if self.half:
            matrix = matrix.reshape(-1, 2, matrix.shape[1]).transpose(1, 2)
        return matrix.contiguous()


def _converted(argument: Argument) -> object:
    if argument is None:
        return ctypes.c_void_p()
    if isinstance(argument, Tensor):
        assert argument.is_contiguous() and argument.device.type == "cpu"
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    return ctypes.c_float(argument) if isinstance(argument, float) else ctypes.byref(argument)
