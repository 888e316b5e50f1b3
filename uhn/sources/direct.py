"""Direct training as a weight source: the flat weights themselves are the parameters."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.models.spec import ModelSpec
from uhn.randomness import stream
from uhn.sources.base import OneSpecSource


class Direct(OneSpecSource):
    """One flat parameter vector for one spec, drawn from the init targets' own distributions (B.6).

    Args:
        spec: the model that is trained.
        seed: run seed; the draw uses the stream ``"direct"``.

    Example:
        >>> spec = uhn.mlp((4, 8, 3))
        >>> source = Direct(spec, seed=1)
        >>> torch.equal(source(spec), source.flat)
        True
    """

    kind = "direct"
    generates = False

    def __init__(self, spec: ModelSpec, *, seed: int = 0) -> None:
        super().__init__(spec)
        generator = stream(seed, "direct")
        self.flat = nn.Parameter(torch.cat([slot.param.init.draw(slot.numel, generator) for slot in spec.layout]))

    def weights(self) -> Float[Tensor, " P"]:
        """Return the trained vector."""
        return self.flat
