"""Recursion (Eq 6, 32): a root UHN generates a generated UHN, which generates the next, down to the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from uhn.arguments import integer
from uhn.models.forward import Inputs, run
from uhn.models.hypernet import generated_uhn
from uhn.models.spec import ModelSpec, several_specs
from uhn.sources.base import WeightSource, digest
from uhn.sources.structure import encoded_tokens
from uhn.sources.universal import UniversalHypernetwork
from uhn.transforms import composing, never_traced


class Chain(WeightSource):
    """H_0 → H_1 → ... → H_K → model: the root's weights are the only parameters.

    All levels share the root's ranges and Fourier matrices. Only the levels that are asked for are generated.

    Args:
        root: a root UHN with the task-structure encoder and Gaussian Fourier features.
        levels: specs of H_1 .. H_K; empty makes the chain equal to its root.

    Raises:
        ValueError: if the root lacks the encoder, or a level's frequencies differ from the root's.

    Example:
        >>> from uhn.models.hypernet import generated_uhn
        >>> spec, level = uhn.mlp((4, 8, 3)), generated_uhn(structure_frequencies=4, index_frequencies=16, hidden=8)
        >>> settings = {"hidden": 8, "frequencies": 16, "structure_frequencies": 4}
        >>> root = uhn.UniversalHypernetwork.for_specs([level, spec], **settings)
        >>> Chain(root, [level])(spec).shape
        torch.Size([67])
    """

    kind = "chain"

    @classmethod
    def from_settings(cls, specs: Sequence[ModelSpec], *, seed: int, depth: int = 1, **settings: Any) -> Chain:
        """Return an untrained chain of ``depth`` generated hypernetworks over a root with ``settings``.

        The ranges cover the first level and ``specs``; levels have the root's frequencies.
        """
        names = {"frequencies": "index_frequencies", "structure_frequencies": "structure_frequencies"}
        level = generated_uhn(**{names[key]: settings[key] for key in names if key in settings})
        root = UniversalHypernetwork.from_settings([level, *specs], seed=seed, **settings)
        return cls(root, [level] * depth)

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Chain:
        """Return an untrained chain as :meth:`describe` says."""
        root, levels = description["root"], map(ModelSpec.from_json, description["levels"])
        if (kind := root["kind"]) != UniversalHypernetwork.kind:
            raise ValueError(f"a chain wants a {UniversalHypernetwork.kind} source as its root, got {kind!r}")
        return cls(UniversalHypernetwork.from_description(root), list(levels))

    @classmethod
    def described_size(cls, description: Mapping[str, Any]) -> int:
        """Trainable numbers of the root."""
        return UniversalHypernetwork.described_size(description["root"])

    def __init__(self, root: UniversalHypernetwork, levels: Sequence[ModelSpec]) -> None:
        super().__init__()
        if not isinstance(root, UniversalHypernetwork):
            raise TypeError(f"Chain wants a UniversalHypernetwork as its root, got {type(root).__name__}")
        self.root = root
        self.levels = several_specs(levels, "Chain")
        if self.levels and (root.structure is None or root.settings["encoding"] != "gff"):
            raise ValueError("a chain needs a root with the structure encoder and Gaussian Fourier features")
        for level in self.levels:
            wanted = (root.settings["structure_frequencies"], root.settings["frequencies"])
            fields = dict(level.fields)
            got = (fields.get("num_structure_freqs"), fields.get("num_index_freqs"))
            if level.wiring != "two_branch" or got != wanted:
                raise ValueError(f"a level shares the root's (structure, index) frequencies {wanted}, got {got}")

    def path(self, precision: str) -> str:
        """The root's."""
        return self.root.path(precision)

    @never_traced
    def forward(self, spec: ModelSpec) -> Float[Tensor, " P"]:
        """Return the flat weights of the model at the end of the chain."""
        return self._through([*self.levels, spec])

    def level(self, depth: int) -> tuple[ModelSpec, Tensor]:
        """Return spec and flat weights of H_depth, 1 <= depth <= K (Eq 5)."""
        if not 1 <= integer("a chain", "the level", depth) <= len(self.levels):
            raise ValueError(f"this chain has levels 1..{len(self.levels)}, got {depth}")
        return self.levels[depth - 1], self._through(self.levels[:depth])

    def _through(self, specs: Sequence[ModelSpec]) -> Float[Tensor, " P"]:
        """Generate one spec after the other, each with the one before it; return the last one's weights."""
        flat = self.root(specs[0])
        for generator, spec in pairwise(specs):
            self.root.check(spec)
            flat = self._generate(generator, flat, spec)
        return flat

    def _generate(self, generator: ModelSpec, flat: Tensor, spec: ModelSpec) -> Tensor:
        """Run a generated UHN on the descriptors of ``spec``; its activations are recomputed in the backward pass,
        but on a GPU."""
        assert self.root.structure is not None
        features = self.root.features(spec)
        tokens = encoded_tokens(spec, self.root.ranges, self.root.structure.encoding).to(flat.dtype)
        inputs = Inputs(features, tokens=tokens)
        if features.whole or composing():
            return features.to_flat(run(generator, flat, inputs))
        values: Tensor = checkpoint(
            lambda weights: run(generator, weights, inputs), flat, use_reentrant=False, preserve_rng_state=False
        )
        return features.to_flat(values)

    def parameter_counts(self) -> dict[str, int]:
        """The root's: generated hypernetworks have no scalars of their own."""
        return self.root.parameter_counts()

    def fixed(self) -> dict[str, float]:
        """The levels, as a digest; what else is fixed is the root's."""
        return {"the digest of the levels": digest([level.hash for level in self.levels])}

    def describe(self) -> dict[str, Any]:
        """The root's description and the levels' specs."""
        return {"kind": self.kind, "root": self.root.describe(), "levels": [level.to_json() for level in self.levels]}
