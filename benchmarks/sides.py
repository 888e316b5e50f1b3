"""The sides and the bound: our step, the straightforward one, the authors' arithmetic, and what a dense form needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.cases import Case
from uhn.descriptors.blocks import index_table
from uhn.descriptors.ranges import EPSILON
from uhn.models import ModelSpec
from uhn.sources import UniversalHypernetwork, WeightSource
from uhn.sources.trunk import mlp

BOUND_ROWS = 2**16
"""Rows on which products and sines are timed; the figures are scaled to all rows."""

Step = Callable[[], object]


class Straightforward(WeightSource):
    """The same generator evaluated straightforwardly, for one spec.

    Normalise (float64 to float32), all features once a step, one dense product, eager MLP with autograd. In favour of
    this side the index table is made once, and on a CPU the features go into the same memory every step: fresh pages
    of that size cost a third of a step.

    Args:
        root: the generator; its parameters are this source's.
        spec: the one spec that it serves.
    """

    kind = "straightforward"

    def __init__(self, root: UniversalHypernetwork, spec: ModelSpec) -> None:
        super().__init__()
        self.root = root
        device = root.index.weight.device
        self._table = index_table(spec).to(device)
        self._room: Tensor | None = None
        if device.type == "cpu":
            self._room = torch.empty(spec.num_params, root.encoding.width)

    def forward(self, spec: ModelSpec) -> Tensor:
        """Return the flat weights ``[N]``."""
        rows = features(self.root, self._table, self._room)
        first = torch.nn.functional.linear(rows, self.root.index.weight, self.root.index.bias)
        return mlp(first, self.root.structure_feature(spec), self.root.tail())

    def describe(self) -> dict[str, Any]:
        """The generator's."""
        return self.root.describe() | {"kind": self.kind}


class Authors(WeightSource):
    """The same generator by the arithmetic of the authors' program, written from a description of it, for one spec.

    In every step: descriptors normalised in float32, phases row by row, ``cat([cos, sin])`` into new memory, a dense
    product, eager MLP with autograd, which keeps all of it. In favour of this side the index table is made once, and
    under half precision its phases stay in float32, where the authors' are rounded.

    Args:
        root: the generator; its parameters are this source's.
        spec: the one spec that it serves.
    """

    kind = "authors"

    def __init__(self, root: UniversalHypernetwork, spec: ModelSpec) -> None:
        super().__init__()
        self.root = root
        device = root.index.weight.device
        self._table = index_table(spec).to(device)
        low, high = (torch.tensor(end, device=device) for end in (root.ranges.index_min, root.ranges.index_max))
        self._centre, self._scale = (low + high) / 2, ((high - low).square() / 12 + EPSILON).rsqrt()

    def forward(self, spec: ModelSpec) -> Tensor:
        """Return the flat weights ``[N]``."""
        with torch.autocast(self._table.device.type, enabled=False):
            phases = (self._table.float() - self._centre) * self._scale @ self.root.get_buffer("encoding.matrix")
        x = self.root.index(torch.cat([phases.cos(), phases.sin()], dim=-1))
        for block in self.root.blocks:
            hidden = block.linear1(block.norm1(x.relu()))
            x = x + block.linear2(block.norm2(hidden.relu()))
        structure = self.root.structure_feature(spec)
        x = x if structure is None else x + structure
        flat: Tensor = self.root.readout(x.relu()).squeeze(-1)
        return flat

    def describe(self) -> dict[str, Any]:
        """The generator's."""
        return self.root.describe() | {"kind": self.kind}


def ours(case: Case, device: torch.device) -> Step:
    """Forward and backward of the generator as the library does it."""
    generator = case.generator().to(device)
    upstream, trained = case.upstream().to(device), list(generator.parameters())
    return lambda: torch.autograd.grad(generator(case.spec), trained, upstream)


def straightforward(case: Case, device: torch.device, compiled: bool = False) -> Step:
    """Forward and backward of :class:`Straightforward`; ``compiled`` puts ``torch.compile`` around all of it."""
    generator = case.generator().to(device)
    source = Straightforward(generator, case.spec)
    upstream, trained = case.upstream().to(device), list(generator.parameters())
    run = torch.compile(lambda: source(case.spec)) if compiled else lambda: source(case.spec)
    return lambda: torch.autograd.grad(run().to(upstream.dtype), trained, upstream)


def features(generator: UniversalHypernetwork, table: Tensor, room: Tensor | None = None) -> Tensor:
    """The feature matrix ``[N, 2m]`` in float32 (Eq 3 and 9), with no care for the precision of the phases.

    ``room`` is memory for the result; without it the result is new.
    """
    x = generator.ranges.normalise_index(table).float()
    with torch.autocast(x.device.type, enabled=False):
        phase = torch.mm(x, generator.get_buffer("encoding.matrix"))
    found = torch.empty(x.shape[0], generator.encoding.width, device=x.device) if room is None else room
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
