"""Direct training as a weight source: the flat weights themselves are the parameters."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.models.spec import ModelSpec
from uhn.randomness import stream
from uhn.sources.base import WeightSource


class Direct(WeightSource):
    """One flat parameter vector for one spec, drawn from the init targets' own distributions (B.6).

    Args:
        spec: the model that is trained.
        seed: run seed; the draw uses the stream ``"direct"``.
    """

    kind = "direct"

    def __init__(self, spec: ModelSpec, *, seed: int = 0) -> None:
        super().__init__()
        self.spec = spec
        generator = stream(seed, "direct")
        self.flat = nn.Parameter(torch.cat([slot.param.init.draw(slot.numel, generator) for slot in spec.layout]))

    def forward(self, spec: ModelSpec) -> Float[Tensor, " P"]:
        """Return the trained vector."""
        self.check(spec)
        return self.flat

    def check(self, spec: ModelSpec) -> None:
        """Raise ``ValueError`` for any other spec than the one it was made for."""
        if spec is not self.spec and spec.hash != self.spec.hash:
            raise ValueError(f"this direct source holds the weights of {self.spec!r}, got {spec!r}")

    def describe(self) -> dict[str, Any]:
        """The spec it holds."""
        return {"kind": self.kind, "spec": self.spec.to_json()}
