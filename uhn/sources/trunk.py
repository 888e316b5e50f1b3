"""The residual MLP of the root UHN and its fusion with the factored first layer, at bounded memory.

A large model is generated piece by piece; the backward pass keeps at most the first layer's output (or, above the
memory setting, recomputes that too) and runs the MLP again on cache-sized pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uhn.descriptors.features import IndexFeatures, low_precision

EAGER_WEIGHTS = 2**13
"""Models up to this many weights go through plain autograd: nothing is worth recomputing."""

CACHE_ROWS = 4096
"""Rows of the MLP evaluated at a time on a CPU."""


class ResidualBlock(nn.Module):
    """``x + Linear(LN(ReLU(Linear(LN(ReLU(x))))))``: ReLU comes before LayerNorm, one shortcut over both linears."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(hidden)
        self.linear1 = nn.Linear(hidden, hidden)
        self.norm2 = nn.LayerNorm(hidden)
        self.linear2 = nn.Linear(hidden, hidden)


def residual(x: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """One block on rows ``[n, h]``; ``parameters`` are (norm1 w, b, linear1 w, b, norm2 w, b, linear2 w, b)."""
    n1, m1, w1, b1, n2, m2, w2, b2 = parameters
    width = (x.shape[-1],)
    hidden = F.linear(F.layer_norm(x.relu(), width, n1, m1), w1, b1)
    return x + F.linear(F.layer_norm(hidden.relu(), width, n2, m2), w2, b2)


def mlp(x: Tensor, structure: Tensor | None, parameters: Sequence[Tensor]) -> Tensor:
    """Residual blocks, fusion with the structure feature ``[1, h]``, ReLU, readout: ``[n, h] -> [n]``."""
    *blocks, weight, bias = parameters
    for start in range(0, len(blocks), 8):
        x = residual(x, blocks[start : start + 8])
    if structure is not None:
        x = x + structure
    return F.linear(x.relu(), weight, bias).squeeze(-1)


def generate(
    features: IndexFeatures,
    weight: Tensor,
    bias: Tensor,
    structure: Tensor | None,
    parameters: Sequence[Tensor],
    memory_mib: int = 1024,
) -> Tensor:
    """Return the flat weights ``[N]`` of the spec behind ``features``.

    Args:
        features: encoded index descriptors.
        weight: first layer ``[h, width]``.
        bias: first layer ``[h]``.
        structure: structure feature ``[1, h]`` or None.
        parameters: the tensors of the blocks and the readout, in order.
        memory_mib: the first layer's output is kept for the backward pass up to this size, else recomputed.
    """
    if features.shape[0] <= EAGER_WEIGHTS:
        return features.to_flat(mlp(features.project(weight, bias), structure, parameters).to(weight.dtype))
    values: Tensor = _Generate.apply(features, memory_mib, structure, weight, bias, *parameters)  # type: ignore[no-untyped-call]
    return features.to_flat(values)


class _Generate(torch.autograd.Function):
    """First layer and MLP, piece by piece, for rows in plan order."""

    @staticmethod
    def forward(
        ctx: Any,
        features: IndexFeatures,
        memory_mib: int,
        structure: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        *rest: Tensor,
    ) -> Tensor:
        ctx.features, ctx.low, ctx.has_structure = features, low_precision(weight), structure is not None
        ctx.save_for_backward(weight, bias, *rest, *([] if structure is None else [structure]))
        count, hidden = features.shape[0], weight.shape[0]
        keep = any(ctx.needs_input_grad) and count * hidden * weight.element_size() <= memory_mib * 2**20
        ctx.hidden = torch.empty(count, hidden, dtype=weight.dtype, device=weight.device) if keep else None
        values = torch.empty(count, dtype=weight.dtype, device=weight.device)
        projection = features.projection(weight, bias, ctx.low)
        for piece in features.work:
            rows = projection.forward(piece)
            if ctx.hidden is not None:
                ctx.hidden[piece.start : piece.start + piece.count] = rows
            for first, last in _cuts(piece, rows.device):
                values[piece.start + first : piece.start + last] = mlp(rows[first:last], structure, rest)
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, bias, *inputs = ctx.saved_tensors
        totals = [torch.zeros_like(t) for t in inputs]
        projection = ctx.features.projection(weight, bias, ctx.low)
        kept, ctx.hidden = ctx.hidden, None  # overwritten below; a second backward recomputes
        for piece in ctx.features.work:
            rows = projection.forward(piece) if kept is None else kept[piece.start : piece.start + piece.count]
            for first, last in _cuts(piece, rows.device):
                upstream = grad[piece.start + first : piece.start + last]
                found = _mlp_backward(rows[first:last], inputs, ctx.has_structure, upstream, ctx.low)
                rows[first:last] = found[0]
                for total, part in zip(totals, found[1:], strict=True):
                    total += part
            projection.backward(piece, rows)
        structure = totals.pop() if ctx.has_structure else None
        return (None, None, structure, *projection.finish(), *totals)


def _mlp_backward(
    rows: Tensor, inputs: Sequence[Tensor], has_structure: bool, upstream: Tensor, low: torch.dtype | None
) -> tuple[Tensor, ...]:
    """Run the MLP again on ``rows`` and return the gradients of the rows and of every input."""
    with torch.enable_grad(), torch.autocast(rows.device.type, dtype=low, enabled=low is not None):
        x = rows.detach().requires_grad_()
        held = [t.detach().requires_grad_() for t in inputs]
        parameters, structure = (held[:-1], held[-1]) if has_structure else (held, None)
        out = mlp(x, structure, parameters)
        return torch.autograd.grad(out, [x, *held], upstream.to(out.dtype))


def _cuts(piece: Any, device: torch.device) -> list[tuple[int, int]]:
    rows = CACHE_ROWS if device.type == "cpu" else 64 * CACHE_ROWS
    return [(first, min(first + rows, piece.count)) for first in range(0, piece.count, rows)]
