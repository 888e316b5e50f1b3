"""Encodings of normalised descriptors: Gaussian Fourier (Eq 3), positional and raw (Table 23).

Each is a frozen module: its buffers travel in a state dict and count as frozen parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.arguments import above_zero, integer
from uhn.descriptors.sharing import KEPT_MIB

CACHE = "_features"
"""Attribute of an encoding under which :meth:`~uhn.descriptors.features.IndexFeatures.of` keeps what it has formed."""


EXACT = (torch.float32, torch.float64)
"""What frozen buffers may be: rounded to half precision they would give other weights altogether."""


class Frozen(nn.Module):
    """A module without parameters, whose buffers decide every weight and are not the user's to cast.

    ``half()``, ``bfloat16()`` and ``to(dtype)`` keep their values; ``double()`` and ``float()`` are exact, and act. A
    state whose buffers are rounded is refused. What is formed from the buffers and kept stays behind when the module is
    copied, pickled or moved: it is formed again where it is wanted.
    """

    cache_mib: int = KEPT_MIB

    def _apply(self, fn: Any, recurse: bool = True) -> Frozen:
        exact = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in self._buffers.items():
            before = exact[name]
            if buffer is not None and before is not None and buffer.dtype not in EXACT:
                self._buffers[name] = before.to(buffer.device, torch.float32)
        self.__dict__.pop(CACHE, None)
        return self

    def _load_from_state_dict(self, state: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        rounded = [name for name in self._buffers if getattr(state.get(prefix + name), "dtype", EXACT[0]) not in EXACT]
        for name in rounded:
            got = state[prefix + name].dtype
            rest[-1].append(f"{prefix}{name} is frozen and wants float32 or float64, got a copy rounded to {got}")
        if not rounded:
            super()._load_from_state_dict(state, prefix, *rest)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != CACHE}


def exact_dtype() -> torch.dtype:
    """Torch's default dtype, or float32 if that is narrower."""
    return torch.promote_types(torch.get_default_dtype(), torch.float32)


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


Encoding = GaussianFourier | Positional | Raw
ENCODINGS: Mapping[str, Callable[[int, int, float, torch.Generator | None], Encoding]] = {
    "gff": GaussianFourier,
    "positional": lambda fields, frequencies, scale, generator: Positional(fields, scale=scale),
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
