"""The compiled kernels against torch on random inputs, before a process uses them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from uhn.descriptors.blocks import IndexBlock
from uhn.descriptors.grids import Planner
from uhn.descriptors.kernels import FourierProjection, pieces
from uhn.kernels.compiled import Kernels
from uhn.sources.fused import FusedTail
from uhn.sources.trunk import NORM_EPSILON, folded, mlp
from uhn.transforms import forming

WIDTH = 112
"""Of the trial: the widest panel of columns and both narrower ones take part."""

ALLOWED = {False: 1e-5, True: 0.2}
"""Relative difference in norm, in float32 and in bfloat16, whose rounding turns some ReLUs on or off."""


def disagreement(half: bool) -> str | None:
    """How the kernels of a precision differ from torch beyond rounding, as half a sentence; None if they do not."""
    kernels, draw = Kernels(half, 2), torch.Generator().manual_seed(0)
    with forming(), torch.autocast("cpu", enabled=False):
        for name, trial in (("trunk", _trunk), ("windows", _windows)):
            for got, wanted in trial(kernels, draw):
                error = float((got - wanted).detach().norm() / wanted.detach().norm())
                if not error < ALLOWED[half]:
                    return f"the compiled kernel {name} differs from torch by {error:.1e} of its values on this machine"
    return None


def _trunk(kernels: Kernels, draw: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Values and gradients of the MLP on a tile and a half of rows, an odd number; (got, wanted) of each."""

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw).requires_grad_()

    rows, structure, upstream = some(145, WIDTH), some(3, WIDTH), some(3, 145).detach()
    parameters = [some(*shape) for shape in [(WIDTH,), (WIDTH,), (WIDTH, WIDTH), (WIDTH,)] * 4 + [(1, WIDTH), (1,)]]
    with torch.enable_grad():
        tensors = [tensor.detach().requires_grad_() for tensor in folded(parameters)]
        ones, zeros = torch.ones(WIDTH), torch.zeros(WIDTH)
        plain = [part for at in range(0, 8, 2) for part in (ones, zeros, *tensors[at : at + 2])]
        wanted = mlp(rows, structure, [*plain, *tensors[8:]], several=True)
        gradients = torch.autograd.grad(wanted, [rows, structure, *tensors], upstream)
    with torch.no_grad():
        tail = FusedTail(kernels, [tensor.detach() for tensor in tensors], structure.detach(), NORM_EPSILON)
        values, held = tail.forward(rows.detach())
        yield values, wanted
        found = [tail.backward(upstream, held), tail.structure_grad, *tail.grads]
    yield from ((got, right) for got, right in zip(found, gradients, strict=True) if got is not None)


@torch.no_grad()
def _windows(kernels: Kernels, draw: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and gradient of the first layer on a grid of odd sizes with windows of unequal ones."""
    scale, centre = torch.full((10,), 1 / 40, dtype=torch.float64), torch.zeros(10, dtype=torch.float64)
    planner = Planner(scale, centre, torch.randn(10, 250, generator=draw) * 100, 128)
    plan = planner.plan([IndexBlock(0, (place,) * 10, ((3, 41), (4, 65))) for place in (0, 1)])
    weight, bias = torch.randn(WIDTH, 500, generator=draw), torch.randn(WIDTH, generator=draw)
    eager, fused = FourierProjection(plan, weight, bias), FourierProjection(plan, weight, bias, None, kernels)
    for piece in pieces(plan, WIDTH, 2**17):
        upstream = torch.randn(piece.count, WIDTH, generator=draw)
        yield fused.forward(piece), eager.forward(piece)
        eager.backward(piece, upstream)
        fused.backward(piece, upstream)
    yield fused.finish()[0], eager.finish()[0]
