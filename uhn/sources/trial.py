"""The compiled kernels against torch on random inputs, before a process uses them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from uhn.descriptors.blocks import IndexBlock
from uhn.descriptors.grids import Planner
from uhn.descriptors.kernels import FourierProjection, pieces
from uhn.kernels.compiled import Kernels
from uhn.kernels.gpu import GpuKernels
from uhn.sources.fused import FusedTail
from uhn.sources.trunk import NORM_EPSILON, folded, mlp
from uhn.sources.whole import WholeTail
from uhn.transforms import forming

WIDTH = 112
"""Of the trial: the widest panel of columns and both narrower ones take part."""

ALLOWED = {False: 1e-5, True: 0.2}
"""Relative difference in norm, in float32 and in bfloat16, whose rounding turns some ReLUs on or off."""

FLIPPED = 0.02
"""What one ReLU of the trial, on in float32 and off in float64, makes of a gradient at most."""


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
        for room in (0, 2**20):  # everything computed again, and everything kept
            tail = FusedTail(kernels, [tensor.detach() for tensor in tensors], structure.detach(), NORM_EPSILON)
            tail.budget(room, len(rows))
            values, (_, bits) = tail.forward(rows.detach(), len(rows))
            yield values, wanted
            found = [tail.backward(upstream, rows.detach(), bits), tail.structure_grad, *tail.grads]
            yield from ((got, right) for got, right in zip(found, gradients, strict=True) if got is not None)


def disagreement_on_gpu(hidden: int, half: bool, device: torch.device) -> str | None:
    """The same of the Triton kernels at a width, against float64 on the CPU."""
    draw, kernels = torch.Generator().manual_seed(0), GpuKernels(half)
    shapes = [(hidden,), *[(hidden, hidden), (hidden,)] * 4, (1, hidden), (1,)]
    bias, *tail = (torch.randn(shape, generator=draw) / (shape[-1] if len(shape) > 1 else 1) ** 0.5 for shape in shapes)
    rows, structure, upstream = (torch.randn(n, generator=draw) for n in ((145, hidden), (1, hidden), (1, 145)))
    rows = rows.to(kernels.dtype)
    with forming(), torch.autocast(device.type, enabled=False):
        exact = [t.double().requires_grad_() for t in (rows, bias, structure, *tail)]
        ones, zeros = torch.ones(hidden).double(), torch.zeros(hidden).double()
        plain = [part for at in range(3, 11, 2) for part in (ones, zeros, *exact[at : at + 2])]
        with torch.enable_grad():
            wanted = mlp(exact[0] + exact[1], exact[2], [*plain, *exact[11:]], several=True)
            gradients = torch.autograd.grad(wanted, exact, upstream.double())
        there, own = (
            rows.to(device),
            WholeTail(kernels, [t.to(device) for t in tail], structure.to(device), bias.to(device), NORM_EPSILON),
        )
        values, streams = own.forward(there)
        first = own.backward(upstream.to(device), there, streams)
        for got, right in zip(
            (values, first, own.bias_grad, own.structure_grad, *own.grads), (wanted, *gradients), strict=True
        ):
            assert got is not None
            error = float((got.cpu().double() - right.detach()).norm() / right.detach().norm())
            if not error < (ALLOWED[half] if got is values else max(ALLOWED[half], FLIPPED)):
                return f"the Triton kernels differ from float64 by {error:.1e} of their values on this card"
    return None


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
