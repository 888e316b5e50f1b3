"""What the conformance suite runs over: every source, built small, with its oracle. A new source adds a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import source_oracle as oracle
import torch
from torch import Tensor

from uhn.descriptors.ranges import Ranges
from uhn.models import ModelSpec
from uhn.models.feedforward import cnn, mlp
from uhn.models.hypernet import generated_uhn
from uhn.models.kan import kan
from uhn.randomness import stream
from uhn.sources import ChunkedHypernetwork, Direct, HaHypernetwork, UniversalHypernetwork, WeightSource
from uhn.sources.chain import Chain

SPECS: dict[str, ModelSpec] = {
    "mlp": mlp((12, 9, 9, 5)),
    "cnn": cnn((1, 1, 2, 1), (4, 4, 8, 8), channels=2, classes=3),
    "kan": kan(),
    "large": mlp((96, 90, 3)),
}
"""The last one has more weights than plain autograd is used for."""

LEVEL = generated_uhn(structure_frequencies=4, index_frequencies=16, hidden=16, index_layers=3)


@cache
def ranges() -> Ranges:
    return Ranges.declared([LEVEL, *SPECS.values()])


Oracle = Callable[[ModelSpec, Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Case:
    """A source as the suite sees it.

    ``build(spec, seed)`` makes it; ``oracle(spec, state)`` gives its weights in float64; ``one_spec`` says whether it
    serves the spec that it was built for only; ``models`` are the specs that it can serve.
    """

    build: Callable[[ModelSpec, int], WeightSource]
    oracle: Oracle
    one_spec: bool = False
    tolerance: float = 2e-5
    models: tuple[str, ...] = tuple(SPECS)

    @property
    def both_paths(self) -> tuple[str, ...]:
        """A spec below and one above the size from which activations are recomputed, where it serves such."""
        return tuple(model for model in ("mlp", "large") if model in self.models) or self.models


def uhn(seed: int, **settings: object) -> UniversalHypernetwork:
    small: dict[str, object] = {"hidden": 16, "frequencies": 32, "structure_frequencies": 4}
    return UniversalHypernetwork(ranges(), seed=seed, **(small | settings))  # type: ignore[arg-type]


def by_root(spec: ModelSpec, state: Mapping[str, Tensor]) -> Tensor:
    return oracle.root(spec, ranges(), state)


def uhn_case(**settings: object) -> Case:
    return Case(lambda spec, seed: uhn(seed, **settings), by_root)


def chain_case(depth: int) -> Case:
    levels = (LEVEL,) * depth

    def build(spec: ModelSpec, seed: int) -> Chain:
        return Chain(uhn(seed, frequencies=16, structure=True), levels)

    return Case(build, lambda spec, state: oracle.chain(levels, spec, ranges(), state), tolerance=2e-4)


CASES: dict[str, Case] = {
    "direct": Case(lambda spec, seed: Direct(spec, seed=seed), lambda spec, state: state["flat"] * 1, one_spec=True),
    "uhn": uhn_case(),
    "uhn-eager": uhn_case(hidden=24, structure=True),  # no width for the compiled kernels
    "uhn-positional": uhn_case(encoding="positional"),
    "uhn-raw": uhn_case(encoding="raw"),
    "uhn-structure": uhn_case(structure=True),
    "uhn-without-blocks": uhn_case(blocks=0),
    "chain-0": chain_case(0),
    "chain-1": chain_case(1),
    "chain-2": chain_case(2),
    "ha": Case(
        lambda spec, seed: HaHypernetwork(spec, seed=seed, embedding=6, tile=4),
        lambda spec, state: oracle.tiled(spec, state, size=4),
        one_spec=True,
        models=("cnn",),
    ),
    "chunked": Case(
        lambda spec, seed: ChunkedHypernetwork(spec, seed=seed, chunk=100, embedding=5, hidden=12),
        oracle.chunked,
        one_spec=True,
    ),
}

HALVES = [(name, (torch.bfloat16, torch.float16)[number % 2]) for number, name in enumerate(CASES)]
HALVES += [("uhn", torch.bfloat16), ("chain-1", torch.float16)]
"""Every source in one of the two types of half precision, turn by turn, the UHN and a chain in both."""


def stir(source: WeightSource) -> None:
    """Move every parameter a little, so that what starts at zero or one takes part; keep a chain's weights small."""
    with torch.no_grad():
        for name, parameter in source.named_parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=stream(0, name))
            if name.startswith("root.readout"):
                parameter *= 0.1
