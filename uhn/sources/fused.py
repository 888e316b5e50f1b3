"""The residual MLP through the compiled kernels, which keep little between the two directions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uhn.kernels.compiled import Kernels

TILE = 96
"""Rows that go through the whole MLP together."""

Kept = tuple[Tensor | None, list[Tensor]]
"""Of a part's way forward: its rows or None, and what else the way back wants."""


class FusedTail:
    """The MLP on rows of the first layer, forward and backward; sums the gradients of its tensors in ``grads``.

    Args:
        kernels: the compiled kernels.
        tensors: (weight, bias) of every linear and of the readout, LayerNorms folded in.
        structure: features ``[K, h]`` that are added before the readout (one per line of values), or None.
        epsilon: of every LayerNorm.
    """

    needs_rows = True
    """Whether :meth:`backward` wants the rows whatever else is kept."""

    def __init__(self, kernels: Kernels, tensors: Sequence[Tensor], structure: Tensor | None, epsilon: float) -> None:
        *linears, readout, shift = tensors
        self.kernels, self.h, self.count, self.epsilon = kernels, readout.shape[1], len(linears) // 2, epsilon
        self.has_structure = structure is not None
        none = readout.new_zeros(1, self.h)
        self.structure = none if structure is None else structure.to(readout.dtype).contiguous()
        self.readout, self.shift, self.shift_grad = readout.contiguous(), float(shift), torch.zeros_like(shift)
        self.linears, self.biases = linears[::2], torch.cat(list(linears[1::2]) or [readout.new_empty(0)])
        self.down, self.up = self._operands([w.t() for w in self.linears]), readout.new_empty(0)
        self.sums = readout.new_zeros(
            kernels.parts, self.count * self.h * (self.h + 1) + (len(self.structure) + 1) * self.h
        )
        self.budget(0, 0)

    def _operands(self, matrices: Sequence[Tensor]) -> Tensor:
        return torch.cat([self.kernels.operand(matrix).view(-1) for matrix in matrices] or [self.readout.new_empty(0)])

    def budget(self, room: int, total: int) -> None:
        """Say how many bytes may be kept of how many rows in all: the bits of their last ReLU, then rows."""
        bits = len(self.structure) * self.h // 8 * total
        self.bits = 0 < bits <= room // 8
        self.rows = (room - bits * self.bits) // (self.h * self.readout.element_size())

    def cuts(self, count: int) -> list[tuple[int, int]]:
        """The rows of a piece are cut in the kernel."""
        return [(0, count)]

    def forward(self, rows: Tensor, end: int) -> tuple[Tensor, Kept]:
        """Values ``[K, n]`` for rows ``[n, h]``, the last of which is ``end`` of all, and what is kept."""
        k, n = len(self.structure), rows.shape[0]
        bits = [torch.empty(k, n, self.h // 16, dtype=torch.int16)] if self.bits else []
        values = rows.new_empty(k, n)
        self.kernels.call("trunk_forward", *self._given(rows, bits), self.readout, self.shift, values)
        return values, (rows if end <= self.rows else None, bits)

    def backward(self, upstream: Tensor, rows: Tensor | None, bits: list[Tensor]) -> Tensor:
        """Return the gradient of the rows ``[n, h]`` from that of the values ``[K, n]``."""
        assert rows is not None
        if not len(self.up):
            *before, last = self.linears or [self.readout]
            self.up = self._operands([*before, last * self.readout.t()][: self.count])
        upstream, gradient = upstream.contiguous(), torch.empty_like(rows)
        given = (self.up, self.readout, upstream, gradient, self.sums)
        self.kernels.call("trunk_backward", *self._given(rows, bits), *given)
        self.shift_grad += upstream.sum()
        return gradient

    def _given(self, rows: Tensor, bits: list[Tensor]) -> tuple[float | Tensor | None, ...]:
        sizes = (self.h, self.count, TILE, self.epsilon, self.kernels.parts, rows.shape[0], rows, len(self.structure))
        return *sizes, self.structure, self.down, self.biases, bits[0] if bits else None

    @property
    def grads(self) -> list[Tensor]:
        """Gradients of the tensors, in their order."""
        weights, biases, readout, _ = self._summed()
        pairs = zip(weights, biases, strict=True)
        return [*(grad for pair in pairs for grad in pair), readout[None], self.shift_grad]

    @property
    def structure_grad(self) -> Tensor | None:
        """Gradient of the features ``[K, h]``, None without any."""
        return self._summed()[3] if self.has_structure else None

    def _summed(self) -> tuple[Tensor, ...]:
        """Gradients of linears, biases, readout and features; the kernel leaves the readout's part out (trunk.c)."""
        h, count = self.h, self.count
        sizes = [count * h**2, count * h, h, len(self.structure) * h]
        weights, biases, readout, features = torch.split(self.sums.sum(0), sizes)
        weights, biases, features = weights.view(count, h, h), biases.view(count, h), features.view(-1, h)
        readout += (features * self.structure).sum(0)
        if count:
            last = self.linears[-1].to(self.kernels.dtype).to(readout.dtype)
            readout += (last * weights[-1]).sum(1) + self.biases[-h:] * biases[-1]
            weights[-1] *= self.readout.t()
            biases[-1] *= self.readout[0]
        return weights, biases, readout, features * self.readout
