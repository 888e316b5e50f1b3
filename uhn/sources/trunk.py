"""The residual MLP of the root UHN and its fusion with the factored first layer, at bounded memory.

On a GPU all rows go at once, through the Triton kernels (:mod:`uhn.sources.whole`) or plain autograd. On a CPU a small
model goes through plain autograd. A large one is generated piece by piece, in pieces that fit a core's cache, with the
MLP's backward pass written out: it keeps the rectified input of every linear and norms it again. Above the memory
setting it keeps only the first layer's output and runs the MLP again, and above that again recomputes both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from uhn.descriptors.features import IndexFeatures, Projection, low_precision
from uhn.kernels.compiled import Kernels
from uhn.kernels.gpu import GpuKernels
from uhn.sources.backends import kernels_for
from uhn.sources.fused import FusedTail, Kept
from uhn.sources.whole import generate_whole
from uhn.transforms import composing, differentiable_again, never_traced

EAGER_WEIGHTS = 2**13
"""Models up to this many weights go through plain autograd: nothing is worth recomputing."""

CACHE_ELEMENTS = 2**17
"""Values in one array of the MLP at a time on a CPU (half a MiB: three of them stay in a core's cache)."""

NORM_EPSILON = 1e-5
"""Of every LayerNorm."""


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


def mlp(x: Tensor, structure: Tensor | None, parameters: Sequence[Tensor], *, several: bool = False) -> Tensor:
    """Residual blocks, fusion with the structure feature ``[1, h]``, ReLU, readout: ``[n, h] -> [n]``.

    With ``several``, features ``[K, h]`` share the blocks, and there is a readout for each: ``[K, n]``.
    """
    *blocks, weight, bias = parameters
    for start in range(0, len(blocks), 8):
        x = residual(x, blocks[start : start + 8])
    if several:
        assert structure is not None
        return torch.stack([F.linear((x + feature).relu(), weight, bias).squeeze(-1) for feature in structure])
    if structure is not None:
        x = x + structure
    return F.linear(x.relu(), weight, bias).squeeze(-1)


def folded(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Fold each LayerNorm's scale and shift into the linear that follows; autograd unfolds the gradients.

    Returns (weight, bias) of every linear of the blocks, then of the readout.
    """
    *blocks, weight, bias = parameters
    found = []
    for start in range(0, len(blocks), 4):
        scale, shift, w, b = blocks[start : start + 4]
        found += [w * scale, torch.addmv(b, w, shift)]
    return [*found, weight, bias]


def generate(
    features: IndexFeatures,
    weight: Tensor,
    bias: Tensor,
    structure: Tensor | None,
    parameters: Sequence[Tensor],
    memory_mib: int = 720,
    kernel: str = "auto",
    *,
    several: bool = False,
) -> Tensor:
    """Return the flat weights ``[N]`` of the spec behind ``features``; ``[K, N]`` with ``several``.

    Args:
        features: encoded index descriptors.
        weight: first layer ``[h, width]``.
        bias: first layer ``[h]``.
        structure: structure feature ``[1, h]`` or None.
        several: the structure features are K, ``[K, h]``: index features, first layer and blocks are computed once.
        parameters: the tensors of the blocks and the readout, in order.
        memory_mib: what is kept for the backward pass at most, a sixth of it for activations of the MLP (by the
            compiled kernels an eighth), whose recomputing is cheap for what they take; what does not fit is
            recomputed. On a GPU everything is kept.
        kernel: ``"auto"``, ``"eager"`` or ``"fused"``, see :mod:`uhn.sources.backends`.
    """
    low = low_precision(weight)
    kernels = None if composing() else kernels_for(kernel, weight, low)
    if features.whole is not isinstance(kernels, GpuKernels):
        kernels = None
    open_form = composing() or (features.whole and kernels is None)

    def plain(weight: Tensor, bias: Tensor, *rest: Tensor) -> Tensor:
        vector, tensors = (None, rest) if structure is None else (rest[0], rest[1:])
        with torch.autocast(weight.device.type, low, enabled=low is not None):
            rows = features.project(weight, bias)
            return features.to_flat(mlp(rows, vector, tensors, several=several).to(weight.dtype))

    tensors = (weight, bias, *([] if structure is None else [structure]), *parameters)
    if open_form or (features.shape[0] <= EAGER_WEIGHTS and kernels is None):
        return plain(*tensors)
    tail = folded(parameters)
    values: Tensor
    if isinstance(kernels, GpuKernels):
        values = generate_whole(features, kernels, structure, weight, bias, tail, NORM_EPSILON)
    else:
        values = _Generate.apply(features, memory_mib, kernels, structure, weight, bias, *tail)  # type: ignore[no-untyped-call]
    return differentiable_again(features.to_flat(values if several else values[0]), plain, *tensors)


class _Generate(torch.autograd.Function):
    """First layer and MLP, piece by piece, for rows in plan order: ``[K, N]`` for structure features ``[K, h]``.

    ``rest`` is what :func:`folded` returns.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: IndexFeatures,
        memory_mib: int,
        kernels: Kernels | None,
        structure: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        *rest: Tensor,
    ) -> Tensor:
        ctx.features, ctx.low, ctx.has_structure = features, low_precision(weight), structure is not None
        ctx.kernels = kernels
        ctx.save_for_backward(weight, bias, *rest, *([] if structure is None else [structure]))
        room = memory_mib * 2**20 if any(ctx.needs_input_grad) else 0
        projection, tail = _parts(ctx, weight, bias, structure, rest)
        tail.budget(room, features.shape[0])
        ctx.kept = []
        lines = 1 if structure is None else structure.shape[0]
        values = torch.empty(lines, features.shape[0], dtype=weight.dtype, device=weight.device)
        for piece in features.work:
            rows = projection.forward(piece)
            for first, last in tail.cuts(piece.count):
                start, end = piece.start + first, piece.start + last
                values[:, start:end], kept = tail.forward(rows[first:last], end)
                if room:
                    ctx.kept.append(kept)
        return values

    @staticmethod
    @never_traced
    @once_differentiable  # type: ignore[untyped-decorator,unused-ignore]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, bias, *rest = ctx.saved_tensors
        structure = rest.pop() if ctx.has_structure else None
        projection, tail = _parts(ctx, weight, bias, structure, rest)
        kept, ctx.kept = iter(ctx.kept), []  # a second backward pass recomputes
        for piece in ctx.features.work:
            rows = None
            gradient = torch.empty(piece.count, weight.shape[0], dtype=weight.dtype, device=weight.device)
            for first, last in tail.cuts(piece.count):
                part, held = next(kept, (None, []))
                if part is None and (tail.needs_rows or not held):
                    rows = projection.forward(piece) if rows is None else rows
                    part = rows[first:last]
                gradient[first:last] = tail.backward(grad[:, piece.start + first : piece.start + last], part, held)
            projection.backward(piece, gradient)
        return (None, None, None, tail.structure_grad, *projection.finish(), *tail.grads)


def _parts(
    ctx: Any, weight: Tensor, bias: Tensor, structure: Tensor | None, rest: Sequence[Tensor]
) -> tuple[Projection, _Tail | FusedTail]:
    """First layer and MLP for one evaluation, through the kernels if the context has any."""
    projection = ctx.features.projection(weight, bias, ctx.low, ctx.kernels)
    if ctx.kernels is None:
        return projection, _Tail(rest, structure, ctx.low)
    return projection, FusedTail(ctx.kernels, rest, structure, NORM_EPSILON)


class _Tail:
    """The MLP on rows of the first layer, forward and backward; sums the gradients of its tensors in ``grads``.

    Args:
        tensors: (weight, bias) of every linear and of the readout, LayerNorms folded in.
        structure: features ``[K, h]`` that are added before the readout, or None.
        low: half-precision dtype of the products, or None; the residual stream and the norms stay in float32.
    """

    def __init__(self, tensors: Sequence[Tensor], structure: Tensor | None, low: torch.dtype | None) -> None:
        self.weight, self.bias = tensors[-2:]
        self.structure, self.low = structure, low
        self.linears = [t if low is None else t.to(low) for t in tensors[:-2]]
        self.grads = [torch.zeros_like(t) for t in tensors]
        self.structure_grad = None if structure is None else torch.zeros_like(structure)
        width = self.weight.shape[1]
        self.one, self.zero = self.weight.new_ones(width), self.weight.new_zeros(width)

    needs_rows = False

    def budget(self, room: int, total: int) -> None:
        """Say how many bytes may be kept of how many rows in all: everything of the first parts, rows of the next."""
        row = self.weight.shape[1] * self.weight.element_size()
        each = row * max(1, len(self.grads) // 2 - 1)
        self.rows, self.whole = room // row, max(0, min(room // 6, room - total * row)) // each

    def cuts(self, count: int) -> list[tuple[int, int]]:
        """Parts of ``count`` rows that a cache holds."""
        step = max(1, CACHE_ELEMENTS // self.weight.shape[1]) * (1 if self.weight.device.type == "cpu" else 256)
        return [(first, min(first + step, count)) for first in range(0, count, step)]

    def forward(self, rows: Tensor, end: int) -> tuple[Tensor, Kept]:
        """Return values ``[K, n]`` for rows ``[n, h]``, the last of which is ``end`` of all, and what is kept."""
        values, held = self._through(rows)
        if end <= self.whole:
            return values, (None, held)
        return values, (rows.clone() if end <= self.rows else None, [])  # a view would keep the whole piece alive

    def _through(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Values, and the rectified inputs that :meth:`backward` wants."""
        held = []
        for at in range(0, len(self.linears), 4):
            w1, b1, w2, b2 = self.linears[at : at + 4]
            held.append(x.relu())
            held.append(torch.addmm(b1, self._norm(held[-1])[0], w1.t()).relu_())
            x = x + torch.addmm(b2, self._norm(held[-1])[0], w2.t())
        if self.several:
            held.append(x)
            lines = ((x + feature).relu_() for feature in self.features)
            return torch.stack([torch.addmv(self.bias, line, self.weight[0]) for line in lines]), held
        held.append(x.relu() if self.structure is None else (x + self.structure).relu_())
        return torch.addmv(self.bias, held[-1], self.weight[0])[None], held

    @property
    def features(self) -> Tensor:
        """The features ``[K, h]``; with none there is nothing to add."""
        assert self.structure is not None
        return self.structure

    @property
    def several(self) -> bool:
        """Whether the blocks serve more than one line of values."""
        return self.structure is not None and self.structure.shape[0] > 1

    def backward(self, upstream: Tensor, rows: Tensor | None, held: list[Tensor]) -> Tensor:
        """Return the gradient of the rows ``[n, h]`` from that of the values ``[K, n]``; uses up ``held``."""
        if not held:
            assert rows is not None
            held = self._through(rows)[1]
        last = held.pop()
        self.grads[-1] += upstream.sum()
        grad: Tensor | None = None
        for number, line in enumerate(upstream):
            rectified = (last + self.features[number]).relu_() if self.several else last
            self.grads[-2][0] += rectified.t() @ line
            part = _rectified(line[:, None] * self.weight, rectified)
            if self.structure_grad is not None:
                self.structure_grad[number] += part.sum(0)
            grad = part if grad is None else grad.add_(part)
        assert grad is not None
        for at in range(len(self.linears) - 4, -1, -4):
            inner = self._linear_backward(grad, held.pop(), at + 2)
            grad += self._linear_backward(inner, held.pop(), at)
        return grad

    def _linear_backward(self, grad: Tensor, rectified: Tensor, at: int) -> Tensor:
        """Through linear ``at``, the LayerNorm before it and the ReLU before that."""
        normed, mean, scale = self._norm(rectified)
        self.grads[at + 1] += grad.sum(0)
        if self.low is None:
            self.grads[at].addmm_(grad.t(), normed)
            grad = grad @ self.linears[at]
        else:
            half = grad.to(self.low)
            self.grads[at] += half.t() @ normed
            grad = (half @ self.linears[at]).to(grad.dtype)
        shape, rectified = [self.one.shape[0]], rectified.to(grad.dtype)
        grad = torch.ops.aten.native_layer_norm_backward(
            grad, rectified, shape, mean, scale, None, None, [True, False, False]
        )[0]
        return _rectified(grad, rectified)

    def _norm(self, rectified: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """LayerNorm without scale and shift (given as ones and zeros: torch is faster so); rows, mean, 1 / std."""
        wide = rectified.to(self.one.dtype)
        rows, mean, scale = torch.native_layer_norm(wide, [wide.shape[1]], self.one, self.zero, NORM_EPSILON)
        return rows if self.low is None else rows.to(self.low), mean, scale


def _rectified(grad: Tensor, rectified: Tensor) -> Tensor:
    """The gradient through a ReLU with output ``rectified``."""
    return torch.ops.aten.threshold_backward(grad, rectified, 0)
