"""Where weights come from: ``source(spec) -> flat weights [P]``, the contract that every table column shares."""

from __future__ import annotations

import hashlib
import inspect
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from uhn.models.spec import ModelSpec, one_spec

S = TypeVar("S", bound="WeightSource")


class WeightSource(nn.Module):
    """A module whose forward gives a spec's flat weights; its parameters are what training changes.

    ``parameters()``, ``state_dict()`` and ``load_state_dict()`` are those of any module. A source that serves one
    spec only raises ``ValueError`` for another.
    """

    kind: str

    if TYPE_CHECKING:

        def __call__(self, spec: ModelSpec) -> Tensor:
            """As :meth:`forward`, whose types ``nn.Module`` does not hand on."""

    families: ClassVar[tuple[str, ...] | None] = None
    """Model families that it can serve; None for all of them."""

    generates: ClassVar[bool] = True
    """Whether its weights come out of a generator, which an initialisation phase can match to the targets (Eq 4)."""

    @classmethod
    def from_settings(cls, specs: Sequence[ModelSpec], *, seed: int, **settings: Any) -> WeightSource:
        """Return an untrained source for ``specs``; ``settings`` are keyword arguments of its class.

        Raises:
            ValueError: if it cannot serve these specs.
        """
        raise NotImplementedError(f"{cls.__name__} says nothing of how it is built from settings")

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> WeightSource:
        """Return an untrained source as :meth:`describe` says."""
        raise NotImplementedError(f"{cls.__name__} says nothing of how it is built from a description")

    @classmethod
    def described_size(cls, description: Mapping[str, Any]) -> int:
        """Trainable numbers of a described source, found on the device ``meta``: none of its values are there."""
        with torch.device("meta"):
            return sum(tensor.numel() for tensor in cls.from_description(description).parameters())

    @classmethod
    def default_settings(cls) -> dict[str, Any]:
        """The settings of its class that have a default, by name, but for the seed."""
        parameters = inspect.signature(cls).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "seed"}

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

    def path(self, precision: str) -> str:
        """Which way its arithmetic goes on this machine, ``"eager"`` or ``"fused"``: the last bits differ."""
        return "eager"

    def level(self, depth: int) -> tuple[ModelSpec, Tensor]:
        """Return spec and flat weights of the generated hypernetwork at ``depth`` (Eq 6); only a chain has any."""
        raise ValueError(f"a {self.kind} source has no generated hypernetworks, asked for level {depth}")

    def initialise(
        self,
        specs: Sequence[ModelSpec],
        *,
        steps: int = 200,
        until: float | None = None,
        lr: float = 1e-3,
        warmup: int = 0,
        clip: float | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> float:
        """The initialisation phase (Eq 4): train until the weights of ``specs`` have the statistics they declare.

        Args:
            specs: the models, one per step in shuffled passes.
            steps: optimiser steps; of a chain shared by its levels, from the root down (Eq 5).
            until: a loss to stop at.
            lr: base rate of AdamW; it falls to zero on a cosine.
            warmup: steps of a linear warm-up.
            clip: largest norm of the gradient.
            seed: of the order of the models.
            progress: whether to show it.

        Returns:
            the loss at the end: a mean over ten steps, or over a pass.

        Raises:
            TypeError, ValueError: for an impossible setting, or specs that this source does not serve.

        Example:
            >>> spec = uhn.mlp((4, 8, 3))
            >>> generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=16)
            >>> before = float(uhn.matching_loss(generator(spec), spec).detach())
            >>> generator.initialise([spec], steps=100, progress=False) < before
            True
        """
        from uhn.training.initialise import initialise  # of a package above this one: not before it is called

        return initialise(self, specs, steps, until, lr, warmup, clip, seed, progress)

    @classmethod
    def from_pretrained(cls: type[S], place: str | Path, **hub: Any) -> S:
        """Return the source of a folder, or of a repository of the Hugging Face Hub (the extra ``hub``).

        Args:
            place: a folder that :meth:`save_pretrained` or a run has written, or a repository's id, ``"who/what"``.
            hub: for a repository: ``revision``, ``token``, ``cache_dir``, ``force_download``, ``local_files_only``.

        Raises:
            FileNotFoundError: if there is no such folder, or no ``model.safetensors`` in it.
            ModuleNotFoundError: for a repository, without ``huggingface_hub``.
            ValueError: if the file is damaged, or holds a source of another class.
        """
        from uhn.sources.hub import load_pretrained  # which imports this file

        source = load_pretrained(place, **hub)
        if not isinstance(source, cls):
            raise ValueError(f"{place} holds a {type(source).__name__} ({source.kind!r}), wanted {cls.__name__}")
        return source

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``model.safetensors`` and a card into a folder; :meth:`from_pretrained` takes it."""
        from uhn.sources.hub import save_pretrained

        save_pretrained(self, folder)

    def push_to_hub(self, repository: str, **hub: Any) -> str:
        """Write the same into a repository of the Hub, ``"who/what"``, made if there is none.

        Args:
            repository: its id.
            hub: ``private``, ``token``, ``branch``, ``commit_message``, ``create_pr``.

        Returns:
            the address of the commit.
        """
        from uhn.sources.hub import push_to_hub

        return push_to_hub(self, repository, **hub)

    def check(self, spec: ModelSpec) -> None:
        """Raise ``ValueError`` unless this source can serve ``spec``; the default serves every spec."""

    def fixed(self) -> Mapping[str, float]:
        """What decides the weights and is no tensor of the state, by name; infinite where it takes no part."""
        return {}

    def get_extra_state(self) -> Tensor:
        """The values of :meth:`fixed`, float64: they travel in the state dict (torch calls this)."""
        return torch.tensor(list(self.fixed().values()), dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Refuse the state of a source in which something else is fixed (torch calls this, before it loads anything).

        Raises:
            RuntimeError: as torch does for a shape that does not fit.
        """
        got, here = torch.as_tensor(state).cpu(), self.get_extra_state()
        if got.shape != here.shape:
            return  # of another kind of source: torch names the tensors that are missing
        same = torch.isclose(got, here.to(got.dtype), rtol=1e-6, atol=0.0) | got.isinf() | here.isinf()
        if different := [
            f"{name} is {value:.15g} here and {float(other):.15g} in the state"
            for (name, value), other, equal in zip(self.fixed().items(), got, same, strict=True)
            if not equal
        ]:
            more = [f"and {len(different) - 3} more"] if len(different) > 3 else []
            what = "; ".join(different[:3] + more)
            raise RuntimeError(f"this state makes other weights in this {self.kind} source: {what}")

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Load as torch does, states from before :meth:`fixed` included; refuse before a tensor is written."""
        key = prefix + "_extra_state"
        if key in state_dict:
            self.set_extra_state(state_dict[key])
        super()._load_from_state_dict(state_dict, prefix, *rest)
        missing: list[str] = rest[2]
        if key in missing:
            missing.remove(key)


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
        self.spec = one_spec(spec, type(self).__name__)
        self.settings: dict[str, Any] = settings

    @classmethod
    def from_settings(cls, specs: Sequence[ModelSpec], *, seed: int, **settings: Any) -> OneSpecSource:
        """Return an untrained source for the one spec. Raises ``ValueError`` for several."""
        if len(specs) != 1:
            raise ValueError(f"a {cls.kind} source serves one model, got {len(specs)}")
        return cls(specs[0], seed=seed, **settings)

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> OneSpecSource:
        """Return an untrained source as :meth:`describe` says."""
        return cls(ModelSpec.from_json(description["spec"]), **description["settings"])

    @abstractmethod
    def weights(self) -> Float[Tensor, " P"]:
        """Return the flat weights of :attr:`spec`, differentiable."""

    def forward(self, spec: ModelSpec) -> Float[Tensor, " P"]:
        """Return the weights of the one spec. Raises ``ValueError`` for any other."""
        self.check(spec)
        return self.weights()

    def check(self, spec: ModelSpec) -> None:
        """Raise ``ValueError`` for any other spec than the one it was made for."""
        if spec is not self.spec and one_spec(spec, f"a {self.kind} source").hash != self.spec.hash:
            raise ValueError(f"this {self.kind} source holds the weights of {self.spec!r}, got {spec!r}")

    def fixed(self) -> dict[str, float]:
        """The layout of the spec and the settings, as a digest."""
        layout = [(slot.name, slot.shape) for slot in self.spec.layout]
        return {"the digest of layout and settings": digest([layout, self.settings])}

    def describe(self) -> dict[str, Any]:
        """The spec it holds and its settings."""
        return {"kind": self.kind, "spec": self.spec.to_json(), "settings": self.settings}


def digest(value: Any) -> float:
    """A number for a JSON value, exact in float64."""
    return float(int(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12], 16))
