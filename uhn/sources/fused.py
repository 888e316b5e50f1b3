"""The residual MLP through the compiled kernels: nothing is kept but its rows, everything is computed again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uhn.kernels.compiled import Kernels

TILE = 96
"""Rows that go through the whole MLP together."""


class FusedTail:
    """The MLP on rows of the first layer, forward and backward; sums the gradients of its tensors in ``grads``.

    Args:
        kernels: the compiled kernels.
        tensors: (weight, bias) of every linear and of the readout, LayerNorms folded in.
        structure: features ``[K, h]`` that are added before the readout (one per line of values), or None.
        epsilon: of every LayerNorm.
    """

    def __init__(self, kernels: Kernels, tensors: Sequence[Tensor], structure: Tensor | None, epsilon: float) -> None:
        *linears, readout, shift = tensors
        self.kernels, self.h, self.count, self.epsilon = kernels, readout.shape[1], len(linears) // 2, epsilon
        self.has_structure = structure is not None
        none = readout.new_zeros(1, self.h)
        self.structure = none if structure is None else structure.to(readout.dtype).contiguous()
        self.readout, self.shift, self.shift_grad = readout.contiguous(), float(shift), torch.zeros_like(shift)
        empty = [readout.new_empty(0)]
        self.down = torch.cat([kernels.operand(w.t()).view(-1) for w in linears[::2]] or empty)
        self.up = torch.cat([kernels.operand(w).view(-1) for w in linears[::2]] or empty)
        self.biases = torch.cat(list(linears[1::2]) or empty)
        self.sums = readout.new_zeros(
            kernels.parts, self.count * self.h * (self.h + 1) + (len(self.structure) + 1) * self.h
        )

    def whole(self, room: int, rows: int) -> int:
        """Of how many of ``rows`` all that :meth:`backward` wants, the rows themselves, is kept in ``room`` bytes."""
        return min(rows, room // (self.h * self.readout.element_size()))

    def cuts(self, count: int) -> list[tuple[int, int]]:
        """The rows of a piece are cut in the kernel."""
        return [(0, count)]

    def held(self, rows: Tensor) -> list[Tensor]:
        """What :meth:`backward` wants."""
        return [rows]

    def forward(self, rows: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Values ``[K, n]`` for rows ``[n, h]``, and what :meth:`backward` wants."""
        values = rows.new_empty(len(self.structure), rows.shape[0])
        given = (len(self.structure), self.structure, self.down, self.biases, self.readout, self.shift)
        self.kernels.call("trunk_forward", *self._sizes(rows), *given, values)
        return values, [rows]

    def backward(self, upstream: Tensor, held: list[Tensor]) -> Tensor:
        """Return the gradient of the rows ``[n, h]`` from that of the values ``[K, n]``; uses up ``held``."""
        rows = held.pop()
        upstream, gradient = upstream.contiguous(), torch.empty_like(rows)
        given = (len(self.structure), self.structure, self.down, self.up, self.biases, self.readout, upstream)
        self.kernels.call("trunk_backward", *self._sizes(rows), *given, gradient, self.sums)
        self.shift_grad += upstream.sum()
        return gradient

    def _sizes(self, rows: Tensor) -> tuple[float | Tensor, ...]:
        return self.h, self.count, TILE, self.epsilon, self.kernels.parts, rows.shape[0], rows

    @property
    def grads(self) -> list[Tensor]:
        """Gradients of the tensors, in their order."""
        h, count = self.h, self.count
        weights, biases, readout, _ = self._summed()
        pairs = zip(weights.view(count, h, h), biases.view(count, h), strict=True)
        return [*(grad for pair in pairs for grad in pair), readout[None], self.shift_grad]

    @property
    def structure_grad(self) -> Tensor | None:
        """Gradient of the features ``[K, h]``, None without any."""
        return self._summed()[3].view(-1, self.h) if self.has_structure else None

    def _summed(self) -> tuple[Tensor, ...]:
        sizes = [self.count * self.h**2, self.count * self.h, self.h, len(self.structure) * self.h]
        return torch.split(self.sums.sum(0), sizes)
