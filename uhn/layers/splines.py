"""The KAN layer's arithmetic (Eq 22-24) with its gradient written out: a fifth of the operations that autograd takes.

With w_k,i = (x - t_i) / (t_(i+k) - t_i) the recursion of Cox and de Boor is B_k,i = w_k,i B_(k-1),i +
(1 - w_k,(i+1)) B_(k-1),(i+1). Knots and the gaps between them are sums of the same shares of the grid's length, so that
one product with a matrix of zeros and ones gives both. Knots run along the first axis and the batch along the last:
every slice is one stretch of memory. Knots that coincide leave no gap; their w is taken as 0, and nothing lies there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from uhn.transforms import forming


class SplineLayer(torch.autograd.Function):
    """``active W_b^T + b + B(x) W_s'^T``.

    Args:
        order: spline order k.
        x: ``[B, in]``, what the splines see.
        active: ``[B, in]``, what the base map sees.
        base: W_b ``[out, in]``.
        bias: b ``[out]`` or None.
        weight: spline weight ``[out, in, G + k]``.
        scale: spline scale ``[out, in]``.
        lower, length, knots: the grid, ``[in]``, ``[in]`` and ``[in, K]``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        order: int,
        x: Float[Tensor, "B into"],
        active: Float[Tensor, "B into"],
        base: Float[Tensor, "out into"],
        bias: Float[Tensor, " out"] | None,
        weight: Float[Tensor, "out into bases"],
        scale: Float[Tensor, "out into"],
        lower: Float[Tensor, " into"],
        length: Float[Tensor, " into"],
        knots: Float[Tensor, "into K"],
    ) -> Tensor:
        into, count = knots.shape
        shares = knots.softmax(-1).t()
        lengths = shares * length.exp()
        sums = grid_sums(count, order, x.dtype, x.device)[0] @ lengths
        away = torch.sub(x.t(), (sums[:count] + lower)[..., None], out=x.new_empty(count, into, len(x)))
        inverse = F.threshold(sums[count:].view(order, count, into), 0, torch.inf).reciprocal()
        along = away * inverse[..., None]  # w, [k, K, in, B]
        rest = 1 - along
        reached = away >= 0
        basis = torch.gt(reached[:-1], reached[1:], out=x.new_empty(count - 1, into, len(x)))
        bases = []
        for k in range(1, order + 1):
            bases.append(basis)
            left = along[k - 1, : count - k - 1] * basis[:-1]
            basis = torch.addcmul(left, rest[k - 1, 1 : count - k], basis[1:])
        scaled = torch.mul(weight.permute(2, 1, 0), scale.t(), out=x.new_empty(basis.shape[0], into, len(base)))
        out = active @ base.t() if bias is None else torch.addmm(bias, active, base.t())
        ctx.save_for_backward(active, base, weight, scale, scaled, shares, lengths, inverse, along, basis, *bases)
        return out.addmm_(basis.flatten(0, 1).t(), scaled.flatten(0, 1))

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator,unused-ignore]
    def backward(ctx: Any, grad: Float[Tensor, "B out"]) -> tuple[Tensor | None, ...]:
        active, base, weight, scale, scaled, shares, lengths, inverse, along, basis, *bases = ctx.saved_tensors
        order, count, into, rows = along.shape
        # gradients of the bases, with an empty row before and behind them, and of w; what is not written stays zero
        padded, slopes = grad.new_zeros(2, order, count + 1, into, rows)
        torch.mm(scaled.flatten(0, 1), grad.t(), out=padded[order - 1, 1 : count - order].flatten(0, 1))
        for k in range(order, 0, -1):
            upstream = padded[k - 1, : count - k + 1]
            change = upstream[1:] - upstream[:-1]
            torch.mul(change, bases[k - 1], out=slopes[k - 1, : count - k])
            if k > 1:
                below = padded[k - 2, 1 : count - k + 1]
                torch.addcmul(upstream[:-1], along[k - 1, : count - k], change, out=below)
        per_length = slopes[:, :count] * inverse[..., None]
        found = grad.new_empty(2, order, count, into)  # minus the gradients of knots and gaps
        torch.sum(per_length, -1, out=found[0])
        torch.sum(per_length * along, -1, out=found[1])
        back = grid_sums(count, order, grad.dtype, grad.device)[1] @ found.view(-1, into)
        shared = back[:count] * lengths
        length = shared.sum(0)
        knots = torch.addcmul(shared.t(), shares.t(), length[:, None], value=-1, out=grad.new_empty(into, count))
        needs = ctx.needs_input_grad
        product = (basis.flatten(0, 1) @ grad).view_as(scaled).permute(2, 1, 0)
        return (
            None,
            per_length.sum((0, 1)).t() if needs[1] else None,
            grad @ base if needs[2] else None,
            grad.t() @ active,
            grad.sum(0) if needs[4] else None,
            torch.mul(product, scale[..., None], out=torch.empty_like(weight)),
            torch.sum(product * weight, -1, out=torch.empty_like(scale)),
            back[count],
            length,
            knots,
        )


@lru_cache(maxsize=64)
def grid_sums(count: int, order: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which shares make up each of ``count`` knots and each gap t_(i+k) - t_i, and the way back.

    Returns:
        ``[(1 + k) K, K]``, and ``[K + 1, 2 k K]``: from minus the gradients of the knots of every order and of the gaps
        to those of the shares and, last, of the lower bound.
    """
    with forming():
        at = torch.arange(count)
        knot = at[None, :] <= at[:, None]
        gaps = [
            (at[None, :] > at[:, None]) & (at[None, :] <= at[:, None] + k) & (at[:, None] + k < count)
            for k in range(1, order + 1)
        ]
        there = torch.cat([knot, *gaps]).to(device, dtype)
        back = torch.cat([knot.repeat(order, 1), *gaps]).t()
        shift = torch.arange(2 * order * count) < order * count
        return there, -torch.cat([back, shift[None]]).to(device, dtype)
