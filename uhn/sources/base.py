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


class OneSpecSource(WeightSource):
    """A source that is made for one spec and holds what only that spec needs: direct training and the baselines.

    A subclass takes ``(spec, *, seed, **settings)``, hands ``spec`` and its settings on, and implements
    :meth:`weights`; then it can be trained, saved and loaded like any other.

    Args:
        spec: the model whose weights it gives.
        settings: keyword arguments that rebuild it, as JSON values.
    """

    def __init__(self, spec: ModelSpec, **settings: Any) -> None:
        super().__init__()
        self.spec = spec
        self.settings: dict[str, Any] = settings

    @abstractmethod
    def weights(self) -> Float[Tensor, " P"]:
        """Return the flat weights of :attr:`spec`, differentiable."""

    def forward(self, spec: ModelSpec) -> Float[Tensor, " P"]:
        """Return the weights of the one spec. Raises ``ValueError`` for any other."""
        self.check(spec)
        return self.weights()

    def check(self, spec: ModelSpec) -> None:
        """Raise ``ValueError`` for any other spec than the one it was made for."""
        if spec is not self.spec and spec.hash != self.spec.hash:
            raise ValueError(f"this {self.kind} source holds the weights of {self.spec!r}, got {spec!r}")

    def describe(self) -> dict[str, Any]:
        """The spec it holds and its settings."""
        return {"kind": self.kind, "spec": self.spec.to_json(), "settings": self.settings}
