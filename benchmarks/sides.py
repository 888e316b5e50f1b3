"""The two sides and the bound: our step, the straightforward step, and the products and sines that the latter needs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.cases import Case
from uhn.descriptors.blocks import index_table
from uhn.sources import UniversalHypernetwork
from uhn.sources.trunk import mlp

BOUND_ROWS = 2**16
"""Rows on which products and sines are timed; the figures are scaled to all rows."""

Step = Callable[[], object]


def ours(case: Case, device: torch.device) -> Step:
    """Forward and backward of the generator as the library does it."""
    generator = case.generator().to(device)
    upstream, trained = case.upstream().to(device), list(generator.parameters())
    return lambda: torch.autograd.grad(generator(case.spec), trained, upstream)


def straightforward(case: Case, device: torch.device, compiled: bool = False) -> Step:
    """Table, normalise (float64 to float32), all features once a step, one dense product, eager MLP.

    The table is made once, in favour of this side. ``compiled`` puts ``torch.compile`` around features and MLP.
    """
    generator = case.generator().to(device)
    table = index_table(case.spec).to(device)
    upstream, trained = case.upstream().to(device), list(generator.parameters())

    def forward() -> Tensor:
        return mlp(torch.nn.functional.linear(features(generator, table), *generator.index.parameters()), None, tail)

    tail = generator.tail()
    run = torch.compile(forward) if compiled else forward
    return lambda: torch.autograd.grad(run().to(upstream.dtype), trained, upstream)


def features(generator: UniversalHypernetwork, table: Tensor) -> Tensor:
    """The feature matrix ``[N, 2m]`` in float32 (Eq 3 and 9), with no care for the precision of the phases."""
    x = generator.ranges.normalise_index(table).float()
    with torch.autocast(x.device.type, enabled=False):
        phase = torch.mm(x, generator.get_buffer("encoding.matrix"))
    found = torch.empty(x.shape[0], generator.encoding.width, device=x.device)
    torch.cos(phase, out=found[:, : phase.shape[1]])
    torch.sin(phase, out=found[:, phase.shape[1] :])
    return found


def bound(case: Case, device: torch.device) -> tuple[Step, Step, float]:
    """(dense products, sines, factor): the least that the straightforward form needs, on a part of its rows.

    Products of the first layer forward and for its weight's gradient, and three of each linear of the MLP. Times
    are to be multiplied by the factor.
    """
    rows, h, m = min(case.spec.num_params, BOUND_ROWS), case.hidden, case.frequencies
    wide, hidden = torch.randn(rows, 2 * m, device=device), torch.randn(rows, h, device=device)
    first, inner = torch.randn(h, 2 * m, device=device), torch.randn(h, h, device=device)
    out, first_out, inner_out = torch.empty_like(hidden), torch.empty_like(first), torch.empty_like(inner)
    linears = 2 * len(case.generator().blocks)

    def products() -> None:
        torch.mm(wide, first.t(), out=out)
        torch.mm(hidden.t(), wide, out=first_out)
        for _ in range(linears):
            torch.mm(hidden, inner.t(), out=out)
            torch.mm(hidden, inner, out=out)
            torch.mm(hidden.t(), out, out=inner_out)

    phase, sines_out = wide[:, :m] * 300, torch.empty_like(wide)

    def sines() -> None:
        torch.cos(phase, out=sines_out[:, :m])
        torch.sin(phase, out=sines_out[:, m:])

    return products, sines, case.spec.num_params / rows
