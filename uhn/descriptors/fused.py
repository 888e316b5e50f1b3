"""The first layer along grids with windows of frequencies, through the compiled kernels."""

from __future__ import annotations

import ctypes
from ctypes import c_long, c_void_p
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from uhn.descriptors.grids import Grid, Windows
from uhn.descriptors.windows import Windowed
from uhn.kernels.compiled import LANES, Kernels


class _Axis(ctypes.Structure):
    _fields_ = [(name, c_void_p) for name in ("ranks", "values", "left", "left_pairs")] + [("total", c_long)]


class _Grid(ctypes.Structure):
    _fields_ = [
        *((name, c_long) for name in ("h", "width", "windows", "half", "rows", "skip_row", "skip_column")),
        ("sizes", c_void_p),
        ("factors", c_void_p * 2),
        ("axes", _Axis * 2),
    ]


class Layout:
    """A grid as the kernels read it: windows padded to whole vectors, ranks and columns to even numbers, by zeros."""

    def __init__(self, grid: Grid, kernels: Kernels) -> None:
        assert isinstance(grid.columns, Windows)
        self.grid, self.kernels, parts = grid, kernels, grid.columns.cos.right
        sizes = [v.shape[1] for v in parts]
        self.pads = [-size % LANES for size in sizes]
        self.sizes = torch.tensor([size + pad for size, pad in zip(sizes, self.pads, strict=True)])
        self.width = int(self.sizes.sum())
        self.order = self.padded(grid.columns.order, -1)
        self.factors = [self.padded(grid.rows.cos), self.padded(grid.rows.sin)]
        self.phi = [self.padded(grid.phi.cos()), self.padded(grid.phi.sin())]
        self.axes = [self._axis(axis) for axis in (grid.columns.cos, grid.columns.sin)]

    def padded(self, values: Tensor, filler: int = 0) -> Tensor:
        """Values of all frequencies ``[.., m]`` with the windows' padding, ``[.., width]``."""
        if any(self.pads):
            parts = torch.split(values, (self.sizes - torch.tensor(self.pads)).tolist(), dim=-1)
            padded = [F.pad(part, (0, pad), value=filler) for part, pad in zip(parts, self.pads, strict=True)]
            values = torch.cat(padded, dim=-1)
        return values.contiguous()

    def _axis(self, axis: Windowed) -> tuple[Tensor, ...]:
        left = F.pad(axis.left, (0, axis.left.shape[1] % 2))
        values = torch.cat([F.pad(v, (0, pad)).view(-1) for v, pad in zip(axis.right, self.pads, strict=True)])
        pairs = self.kernels.operand(F.pad(left, (0, 0, 0, left.shape[0] % 2)))
        return torch.tensor([v.shape[0] for v in axis.right]), values, left.to(self.kernels.dtype).contiguous(), pairs

    def rows(self, h: int, first: int, last: int) -> _Grid:
        """Rows ``first .. last`` of the upper half, for width ``h``."""
        odd = first == 0 and self.grid.row_size % 2, self.grid.column_size % 2
        sizes = (h, self.width, len(self.pads), self.grid.half[1], last - first, *map(int, odd))
        factors = (c_void_p * 2)(*[f[first:].data_ptr() for f in self.factors])
        axes = [_Axis(*[t.data_ptr() for t in axis], axis[2].shape[1]) for axis in self.axes]
        return _Grid(*sizes, self.sizes.data_ptr(), factors, (_Axis * 2)(*axes))


class FusedWindows:
    """One evaluation of the first layer on such grids, piece by piece, in either direction.

    Args:
        kernels: the compiled kernels.
        weight: ``[h, 2m]``, cosine columns first.
        bias: ``[h]`` or None.
    """

    def __init__(self, kernels: Kernels, weight: Tensor, bias: Tensor | None) -> None:
        self.kernels, self.h, self.m = kernels, weight.shape[0], weight.shape[1] // 2
        self.given = weight
        self.bias = weight.new_zeros(self.h) if bias is None else bias.contiguous()
        self._layout: Layout | None = None
        self._layer: int | None = None
        self._grads: Tensor | None = None

    def forward(self, grid: Grid, layer: int, first: int, last: int, count: int) -> Tensor:
        """The rows ``[count, h]`` of a piece."""
        layout = self._enter(grid, layer)
        out = self.weight.new_empty(count, self.h)
        given = (layout.rows(self.h, first, last), self.kernels.parts, self._turned, self.bias)
        self.kernels.call("windows_forward", *given, out)
        return out

    def backward(self, grid: Grid, layer: int, first: int, last: int, grad: Tensor) -> None:
        """Add up the gradient of the weight from that of the rows of a piece, ``[count, h]``."""
        layout = self._enter(grid, layer)
        if self._grads is None:
            self._grads = self.weight.new_zeros(self.kernels.parts, 2 * layout.width, self.h)
        given = (layout.rows(self.h, first, last), self.kernels.parts, grad.contiguous())
        self.kernels.call("windows_backward", *given, self._grads)

    def finish(self) -> Tensor | None:
        """Gradient of the weight, ``[h, 2m]``; None if there was no such grid."""
        self._leave()
        return self._total.t() if "_total" in self.__dict__ else None

    @cached_property
    def weight(self) -> Tensor:
        """Transposed, ``[2m, h]``: of no use where no grid has windows."""
        return self.given.t().contiguous()

    @cached_property
    def _total(self) -> Tensor:
        return torch.zeros_like(self.weight)

    def _enter(self, grid: Grid, layer: int) -> Layout:
        """Turn the weight by the constant phase of a layer, unless it is already."""
        if self._layout is None or self._layout.grid is not grid:
            self._leave()
            self._layout, self._layer = Layout(grid, self.kernels), None
        layout = self._layout
        if self._layer != layer:
            self._leave()
            self._layer = layer
            self._turned = self.weight.new_empty(2 * layout.width, self.h, dtype=self.kernels.dtype)
            self.kernels.call("windows_turn", *self._phase(layout, layer), self.weight, self._turned)
        return layout

    def _leave(self) -> None:
        """Turn the gradients gathered for one layer back and add them to the weight's."""
        if self._grads is not None and self._layout is not None and self._layer is not None:
            given = (*self._phase(self._layout, self._layer), self.kernels.parts, self._grads, self._total)
            self.kernels.call("windows_return", *given)
        self._grads = None

    def _phase(self, layout: Layout, layer: int) -> tuple[int | Tensor, ...]:
        cosine, sine = (part[layer] for part in layout.phi)
        return self.h, layout.width, self.m, layout.order, cosine, sine
