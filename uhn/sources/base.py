"""Where weights come from: ``source(spec) -> flat weights [P]``, the contract that every table column shares."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from uhn.models.spec import ModelSpec


class WeightSource(nn.Module):
    """A module whose forward gives a spec's flat weights; its parameters are what training changes.

    ``parameters()``, ``state_dict()`` and ``load_state_dict()`` are those of any module. A source that serves one
    spec only raises ``ValueError`` for another.
    """

    kind: str

    @abstractmethod
    def forward(self, spec: ModelSpec) -> Float[Tensor, " P"]:
        """Return the flat weights of ``spec``, shape ``[spec.num_params]``, differentiable."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the settings needed to rebuild the source before its state is loaded, as JSON values."""

    def parameter_counts(self) -> dict[str, int]:
        """Trainable and frozen scalars; the paper prints their sum as ``#Params`` of a UHN."""
        trainable = sum(p.numel() for p in self.parameters() if p.requires_grad)
        return {"trainable": trainable, "frozen": sum(b.numel() for b in self.buffers())}

    def level(self, depth: int) -> tuple[ModelSpec, Tensor]:
        """Return spec and flat weights of the generated hypernetwork at ``depth`` (Eq 6); only a chain has any."""
        raise ValueError(f"a {self.kind} source has no generated hypernetworks, asked for level {depth}")

    def check(self, spec: ModelSpec) -> None:
        """Raise ``ValueError`` unless this source can serve ``spec``; the default serves every spec."""
