"""Several trainings of one setting as one batched program: the loop sees a source of K sets of weights.

What a small model's step costs a GPU is the number of its kernels; K runs that differ in their seed alone share them.
Each keeps its own parameters, moments, data and streams, and none sees another: the loss is a vector, and a step
follows the gradient of its sum. So every run goes where it would go alone, up to the rounding of batched products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uhn.descriptors.batched import keep
from uhn.descriptors.encodings import GaussianFourier
from uhn.descriptors.features import low_precision
from uhn.layers.inputs import Inputs
from uhn.models.forward import run
from uhn.models.spec import ModelSpec
from uhn.sources.base import WeightSource
from uhn.sources.trunk import EAGER_WEIGHTS, mlp
from uhn.sources.universal import UniversalHypernetwork
from uhn.tasks.base import Batch
from uhn.training.distributions import Draw, Learnable
from uhn.transforms import forming


class Stack(WeightSource):
    """K sources of one kind: weights ``[K, P]``; those of small models come out of one batched product.

    Args:
        sources: each with its own parameters, which training changes.
    """

    kind = "stack"

    def __init__(self, sources: Sequence[WeightSource]) -> None:
        super().__init__()
        self.sources = tuple(sources)
        self._held = nn.ModuleList(sources)
        self._features: dict[Any, Tensor] = {}

    def forward(self, spec: ModelSpec) -> Tensor:
        """Return the weights of every source, ``[K, P]``."""
        own = [source for source in self.sources if isinstance(source, UniversalHypernetwork)]
        if spec.num_params <= EAGER_WEIGHTS and len(own) == len(self.sources):
            return self._together(own, spec)
        return torch.stack([source(spec) for source in self.sources])

    def _together(self, sources: Sequence[UniversalHypernetwork], spec: ModelSpec) -> Tensor:
        first = sources[0]
        first.check(spec)
        rounded = low_precision(first.index.weight) if isinstance(first.encoding, GaussianFourier) else None
        features = self._formed(sources, spec, rounded or first.features(spec).working_dtype(first.index.weight))
        weights, *tail = (
            torch.stack(each)
            for each in zip(*([s.index.weight, s.index.bias, *s.tail()] for s in sources), strict=True)
        )
        structure = [vector for s in sources if (vector := s.structure_feature(spec)) is not None]
        shared = torch.stack(structure) if structure else None

        def one(features: Tensor, weight: Tensor, bias: Tensor, structure: Tensor | None, *tail: Tensor) -> Tensor:
            with torch.autocast(features.device.type, enabled=False):
                rows = F.linear(features, weight.to(features.dtype)).to(weight.dtype) + bias
            return mlp(rows, structure, tail).to(weight.dtype)

        axes = (0, 0, 0, None if shared is None else 0, *(0 for _ in tail[1:]))
        flat: Tensor = torch.func.vmap(one, in_dims=axes)(features, weights, tail[0], shared, *tail[1:])
        return flat

    def _formed(self, sources: Sequence[UniversalHypernetwork], spec: ModelSpec, dtype: torch.dtype) -> Tensor:
        """Features of every source in flat order, ``[K, P, width]``, kept for as long as nothing changes them."""
        device = sources[0].index.weight.device
        frozen = tuple(b._version for source in sources for b in source.encoding.buffers())
        key = (spec.hash, dtype, device, frozen)
        if key not in self._features:
            with forming():
                each = [keep(source.features(spec), dtype, device) for source in sources]
                self._features = {key: torch.stack([one for one in each if one is not None])}
        return self._features[key]

    def describe(self) -> dict[str, Any]:
        """The sources' descriptions."""
        return {"kind": self.kind, "sources": [source.describe() for source in self.sources]}


@dataclass(frozen=True)
class Together:
    """The tasks of K runs as one: each with batches of its own seed.

    Args:
        tasks: one per run.
        seeds: of the runs.
        spec: the model of all of them.
    """

    tasks: tuple[Learnable, ...]
    seeds: tuple[int, ...]
    spec: ModelSpec

    @property
    def name(self) -> str:
        """The first one's."""
        return self.tasks[0].name

    def train_batch(self, seed: int, step: int) -> Batch:
        """Batch ``step`` of every run on a new first axis."""
        batches = [task.train_batch(own, step) for task, own in zip(self.tasks, self.seeds, strict=True)]
        x = torch.stack([batch.inputs.x for batch in batches])
        return Batch(Inputs(x), torch.stack([batch.target for batch in batches]))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Every run's loss, ``[K]``."""
        return torch.stack([task.loss(*pair) for task, *pair in zip(self.tasks, output, target, strict=True)])

    def at(self, step: int) -> Draw:
        """Always the same, with the step's own batches."""
        return Draw(self, self.spec, step)

    def spec_at(self, step: int) -> ModelSpec:
        """Always the same."""
        return self.spec


def forward(source: WeightSource, spec: ModelSpec, batch: Batch, rng: torch.Generator) -> Tensor:
    """Outputs of K models, each on a batch of its own; they draw nothing."""

    def one(flat: Tensor, x: Tensor) -> Tensor:
        return run(spec, flat, x, training=True)

    x: Any = batch.inputs.x
    outputs: Tensor = torch.func.vmap(one)(source(spec), x)
    return outputs


def stackable(spec: ModelSpec) -> bool:
    """Whether K such models can be trained together: they read nothing but ``x``, and draw no masks."""
    return spec.family in ("mlp", "cnn", "kan") and not any(getattr(layer, "dropout", 0) for layer in spec.layers)
