"""First layer and residual MLP on a GPU, all rows at once, through the Triton kernels.

Kept for the backward pass are the rows of the first layer and the residual stream after each block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from uhn.descriptors.batched import first_layer
from uhn.descriptors.features import IndexFeatures, low_precision
from uhn.kernels.gpu import GpuKernels, widths
from uhn.transforms import never_traced


class WholeTail:
    """The MLP on rows of the first layer, forward and backward; ``grads`` are those of its tensors.

    Args:
        kernels: the Triton kernels.
        tensors: (weight, bias) of every linear and of the readout, LayerNorms folded in.
        structure: features ``[K, h]`` that are added before the readout (one per line of values), or None.
        bias: of the first layer, ``[h]``, which its rows are still without.
        epsilon: of every LayerNorm.
    """

    def __init__(
        self, kernels: GpuKernels, tensors: Sequence[Tensor], structure: Tensor | None, bias: Tensor, epsilon: float
    ) -> None:
        *linears, readout, shift = tensors
        self.kernels, self.bias, self.readout, self.shift = kernels, bias, readout.contiguous(), shift
        self.h, self.blocks = readout.shape[1], len(linears) // 4
        none = [readout.new_empty(0)]
        self.weights = torch.stack(linears[::2] or none).to(kernels.dtype)
        self.biases = torch.stack(linears[1::2] or none)
        self.features = readout.new_zeros(1, self.h) if structure is None else structure.contiguous()
        self.constants = {**widths(self.h), "PRECISION": kernels.precision, "EPSILON": epsilon}
        self.grads: list[Tensor] = []
        self.structure_grad: Tensor | None = None
        self.bias_grad: Tensor | None = None
        self.has_structure = structure is not None

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Values ``[K, n]`` for rows ``[n, h]``, and the stream after each block ``[blocks, n, h]``."""
        n, lines = rows.shape[0], self.features.shape[0]
        streams = self.bias.new_empty(self.blocks, n, self.h)
        values = self.bias.new_empty(lines, n)
        given = (rows, self.bias, self.weights, self.biases, self.features, self.readout, self.shift, streams, values)
        sizes = {"LINES": lines, "BLOCKS": self.blocks}
        self.kernels.call("trunk_forward", "forward", n, *given, n, n * self.h, **sizes, **self.constants)
        return values, streams

    def backward(self, upstream: Tensor, rows: Tensor, streams: Tensor) -> Tensor:
        """Return the gradient of the rows ``[n, h]``, in their dtype, from that of the values ``[K, n]``."""
        kernels, n, lines = self.kernels, rows.shape[0], self.features.shape[0]
        before = [rows, *streams]
        grad = self._gradient(rows, self.blocks)
        sums = self.bias.new_empty(kernels.programs("readout", n), 1 + lines, self.h)
        given = (before[-1], self.bias, self.features, self.readout, upstream.contiguous(), grad, sums, n)
        sizes = {"LINES": lines, "SHIFTED": self.blocks == 0}
        kernels.call("readout_backward", "readout", n, *given, **sizes, **widths(self.h))
        total = sums.sum(0)
        self.structure_grad = total[1:] if self.has_structure else None
        self.bias_grad = total[1:].sum(0)
        found = [total[:1], upstream.sum()[None]]
        for block in reversed(range(self.blocks)):
            normed = torch.empty(2, n, self.h, dtype=kernels.dtype, device=rows.device)
            inner, gradient = torch.empty_like(normed[0]), self._gradient(rows, block)
            sums = self.bias.new_empty(kernels.programs("backward", n), 3, self.h)
            own = (self.weights[2 * block :], self.biases[2 * block :])
            there = (before[block], self.bias, *own, grad, normed, inner, gradient, sums, n, n * self.h)
            kernels.call("block_backward", "backward", n, *there, SHIFTED=block == 0, **self.constants)
            inner_bias, outer_bias, self.bias_grad = sums.sum(0)
            outer = (kernels.sum_rows(grad, normed[1]), outer_bias)
            found = [kernels.sum_rows(inner, normed[0]), inner_bias, *outer, *found]
            grad = gradient
        self.grads = found
        return grad

    def _gradient(self, rows: Tensor, block: int) -> Tensor:
        """Room for the gradient of the stream before ``block``: of the rows themselves in their dtype."""
        return torch.empty_like(rows, dtype=torch.float32 if block else rows.dtype)


def generate_whole(
    features: IndexFeatures,
    kernels: GpuKernels,
    structure: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    tail: Sequence[Tensor],
    epsilon: float,
) -> Tensor:
    """Flat weights ``[K, N]``; ``tail`` is what :func:`uhn.sources.trunk.folded` returns."""
    values: Tensor = _Whole.apply(features, kernels, epsilon, structure, weight, bias, *tail)  # type: ignore[no-untyped-call]
    return values


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: IndexFeatures,
        kernels: GpuKernels,
        epsilon: float,
        structure: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        *rest: Tensor,
    ) -> Tensor:
        ctx.given, ctx.low, ctx.has_structure = (
            (features, kernels, epsilon),
            low_precision(weight),
            structure is not None,
        )
        with torch.autocast(weight.device.type, enabled=False):
            rows = first_layer(features, ctx.low, weight.device).rows(weight, None)
            values, streams = WholeTail(kernels, rest, structure, bias, epsilon).forward(rows)
        ctx.save_for_backward(rows, streams, bias, *rest, *([] if structure is None else [structure]))
        return values

    @staticmethod
    @never_traced
    @once_differentiable  # type: ignore[untyped-decorator,unused-ignore]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        rows, streams, bias, *rest = ctx.saved_tensors
        structure = rest.pop() if ctx.has_structure else None
        features, kernels, epsilon = ctx.given
        with torch.autocast(bias.device.type, enabled=False):
            tail = WholeTail(kernels, rest, structure, bias, epsilon)
            grad = tail.backward(upstream, rows, streams)
            weight_grad = first_layer(features, ctx.low, bias.device).adjoint(grad, False)[0]
        return (None, None, None, tail.structure_grad, weight_grad.to(bias.dtype), tail.bias_grad, *tail.grads)
