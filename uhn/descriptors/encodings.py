"""Encodings of descriptors: Gaussian Fourier (Eq 3), positional and raw (Table 23), and a learned hash grid.

Each is a frozen module: its buffers travel in a state dict and count as frozen parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.arguments import above_zero, integer
from uhn.descriptors.frozen import Frozen, exact_dtype
from uhn.descriptors.hashgrid import HashedLinear, HashGrid


class GaussianFourier(Frozen):
    """``gamma(x) = [cos(x W), sin(x W)]`` with W ~ N(0, scale^2), drawn once and frozen (Eq 3). No 2 pi.

    Args:
        fields: number of descriptor fields, d.
        frequencies: number of frequencies, m; the features have width 2m.
        scale: standard deviation of W.
        generator: where W is drawn from (required unless a matrix is loaded afterwards).
    """

    def __init__(
        self, fields: int, frequencies: int, scale: float = 100.0, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        integer("GaussianFourier", "frequencies", frequencies, 1)
        above_zero("GaussianFourier", "scale", scale)
        self.matrix: Tensor
        drawn = torch.randn(fields, frequencies, generator=generator, dtype=exact_dtype())
        self.register_buffer("matrix", drawn * scale)

    @property
    def width(self) -> int:
        """Width of the features, 2m."""
        return 2 * self.matrix.shape[1]

    def forward(self, x: Float[Tensor, "N d"]) -> Float[Tensor, "N width"]:
        """Encode normalised rows: phases in float64, reduced modulo 2 pi, cosine and sine in W's dtype."""
        phase = reduce_phase(x.double() @ self.matrix.double()).to(self.matrix.dtype)
        return torch.cat([phase.cos(), phase.sin()], dim=-1)


class Positional(Frozen):
    """``[sin(x_a f_j), cos(x_a f_j)]`` with ``f_j = scale^(j/n)``, j = 0..n-1, sines of all fields first (Table 23)."""

    def __init__(self, fields: int, frequencies: int = 32, scale: float = 100.0) -> None:
        super().__init__()
        integer("Positional", "frequencies", frequencies, 1)
        above_zero("Positional", "scale", scale)
        self.fields = fields
        self.bands: Tensor
        steps = torch.arange(frequencies, dtype=exact_dtype())
        self.register_buffer("bands", scale ** (steps / frequencies))

    @property
    def width(self) -> int:
        """Width of the features, 2 · n · d."""
        return 2 * self.fields * self.bands.shape[0]

    def forward(self, x: Float[Tensor, "N d"]) -> Float[Tensor, "N width"]:
        """Encode normalised rows, field-major within sines and cosines."""
        phase = (x.double()[:, :, None] * self.bands.double()).flatten(1).to(self.bands.dtype)
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class Raw(Frozen):
    """The normalised fields themselves (Table 23)."""

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.fields = fields

    @property
    def width(self) -> int:
        """Width of the features: one per field."""
        return self.fields

    def forward(self, x: Float[Tensor, "N d"]) -> Float[Tensor, "N width"]:
        """Return the rows in torch's default dtype, float32 at least."""
        return x.to(exact_dtype())


Encoding = GaussianFourier | Positional | Raw | HashGrid
ENCODINGS: Mapping[str, Callable[[int, int, float, torch.Generator | None], Encoding]] = {
    "gff": GaussianFourier,
    "positional": lambda fields, frequencies, scale, generator: Positional(fields, scale=scale),
    "hash": lambda fields, frequencies, scale, generator: HashGrid(fields, frequencies),
    "raw": lambda fields, frequencies, scale, generator: Raw(fields),
}
"""By name in params.yaml: from fields, frequencies, scale and random stream to the encoding."""


def known_encoding(name: str) -> str:
    """Return ``name``. Raises ``ValueError`` naming the choices if no encoding is called so."""
    if not isinstance(name, str) or name not in ENCODINGS:
        raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}, got {name!r}")
    return name


def make_encoding(
    name: str, fields: int, frequencies: int, scale: float, generator: torch.Generator | None
) -> Encoding:
    """Build an encoding by its name. Raises ``ValueError`` naming the choices."""
    return ENCODINGS[known_encoding(name)](fields, frequencies, scale, generator)


def reduce_phase(phase: Tensor) -> Tensor:
    """Reduce float64 phases modulo 2 pi to [-pi, pi], so that float32 keeps their precision."""
    return phase - (2 * math.pi) * torch.round(phase / (2 * math.pi))


def first_linear(encoding: Encoding, hidden: int) -> nn.Linear | HashedLinear:
    """The first layer that reads an encoding: from its ``width`` to ``hidden``."""
    if isinstance(encoding, HashGrid):
        return HashedLinear(encoding.entries, hidden)
    return nn.Linear(encoding.width, hidden)
