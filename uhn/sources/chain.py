"""Recursion (Eq 6, 32): a root UHN generates a generated UHN, which generates the next, down to the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from uhn.descriptors.features import IndexFeatures
from uhn.models.forward import Inputs, run
from uhn.models.spec import ModelSpec
from uhn.sources.base import WeightSource
from uhn.sources.structure import encoded_tokens
from uhn.sources.universal import UniversalHypernetwork


class Chain(WeightSource):
    """H_0 → H_1 → ... → H_K → model: the root's weights are the only parameters.

    All levels share the root's ranges and Fourier matrices. Asked for the spec of a level, the chain generates that
    level's weights; asked for any other spec, it generates it with the last level.

    Args:
        root: a root UHN with the task-structure encoder and Gaussian Fourier features.
        levels: specs of H_1 .. H_K; empty makes the chain equal to its root.

    Raises:
        ValueError: if the root lacks the encoder, or a level's frequencies differ from the root's.
    """

    kind = "chain"

    def __init__(self, root: UniversalHypernetwork, levels: Sequence[ModelSpec]) -> None:
        super().__init__()
        self.root = root
        self.levels = tuple(levels)
        if self.levels and (root.structure is None or root.settings["encoding"] != "gff"):
            raise ValueError("a chain needs a root with the structure encoder and Gaussian Fourier features")
        for level in self.levels:
            wanted = (root.settings["structure_frequencies"], root.settings["frequencies"])
            fields = dict(level.fields)
            got = (fields.get("num_structure_freqs"), fields.get("num_index_freqs"))
            if level.wiring != "two_branch" or got != wanted:
                raise ValueError(f"a level shares the root's (structure, index) frequencies {wanted}, got {got}")

    def forward(self, spec: ModelSpec) -> Float[Tensor, " P"]:
        """Return the flat weights of a level or of the model at the end (only the levels that this needs)."""
        hashes = [level.hash for level in self.levels]
        depth = hashes.index(spec.hash) if spec.hash in hashes else len(self.levels)
        target = self.levels[0] if depth else spec
        flat = self.root(target)
        for number in range(1, depth + 1):
            below = self.levels[number] if number < depth else spec
            self.root.check(below)
            flat = self._generate(self.levels[number - 1], flat, below)
        return flat

    def level(self, depth: int) -> Float[Tensor, " P"]:
        """Return the flat weights of H_depth, 1 <= depth <= K, whichever specs the levels have (Eq 5)."""
        if not 1 <= depth <= len(self.levels):
            raise ValueError(f"this chain has levels 1..{len(self.levels)}, got {depth}")
        flat = self.root(self.levels[0])
        for number in range(1, depth):
            flat = self._generate(self.levels[number - 1], flat, self.levels[number])
        return flat

    def _generate(self, generator: ModelSpec, flat: Tensor, spec: ModelSpec) -> Tensor:
        """Run a generated UHN on the descriptors of ``spec``; its activations are recomputed in the backward pass."""
        assert self.root.structure is not None
        features = IndexFeatures.of(spec, self.root.ranges, self.root.encoding)
        tokens = encoded_tokens(spec, self.root.ranges, self.root.structure.encoding)
        values: Tensor = checkpoint(
            lambda weights: run(generator, weights, Inputs(features, tokens=tokens)), flat, use_reentrant=False
        )
        return features.to_flat(values)

    def describe(self) -> dict[str, Any]:
        """The root's description and the levels' specs."""
        return {"kind": self.kind, "root": self.root.describe(), "levels": [level.to_json() for level in self.levels]}
