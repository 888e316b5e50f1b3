"""The models that are measured, and specs of any size for the scaling plot."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from uhn.models import ModelSpec, zoo
from uhn.models.feedforward import mlp
from uhn.models.sets import sample_set
from uhn.randomness import stream
from uhn.sources import UniversalHypernetwork

LARGEST = "cnn-mixed-largest"
"""The largest member of the paper's set of CNNs of mixed depth and width."""

MODELS = (
    "kan-g5",
    "gcn-pubmed",
    "gcn-cora",
    "mlp-mnist",
    "cnn8-mnist",
    "cnn20-cifar10",
    "cnn56-cifar10",
    "transformer2-agnews",
    LARGEST,
)

NARROW = ("mlp-mnist", "cnn8-mnist")
"""Models whose generator is 64 wide with 1024 frequencies in the paper; all others have 128 and 2048."""

SCALING = ((8, 8, 4), (16, 32, 16), (64, 96, 32), (256, 120, 10), (784, 125, 10), (784, 350, 64), (1024, 1024, 320))
"""Widths of the MLPs of the scaling plot: 108 weights to 1.4 million."""


@dataclass(frozen=True)
class Case:
    """A model with its generator and the fixed gradient that arrives at its weights."""

    name: str
    spec: ModelSpec
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def hidden(self) -> int:
        return int(self.settings["hidden"])

    @property
    def frequencies(self) -> int:
        return int(self.settings["frequencies"])

    @property
    def feature_bytes(self) -> int:
        """Size of the feature matrix that the straightforward form makes: N x 2m float32."""
        return self.spec.num_params * 2 * self.frequencies * 4

    def generator(self) -> UniversalHypernetwork:
        return UniversalHypernetwork.for_specs([self.spec], **self.settings)

    def upstream(self) -> Tensor:
        return torch.randn(self.spec.num_params, generator=stream(0, "benchmark upstream"))


@cache
def case(name: str) -> Case:
    """Return the case ``name``: one of :data:`MODELS`, any model of the zoo, or ``scaling-<number>``."""
    width = {"hidden": 64, "frequencies": 1024} if name in NARROW else {"hidden": 128, "frequencies": 2048}
    if name == LARGEST:
        return Case(name, max(sample_set("cnn-depth-width").specs, key=lambda spec: spec.num_params), width)
    if name.startswith("scaling-"):
        return Case(name, mlp(SCALING[int(name.removeprefix("scaling-"))]), width)
    return Case(name, zoo("kan-g5-kv" if name == "kan-g5" else name), width)
