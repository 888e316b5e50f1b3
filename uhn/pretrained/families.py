"""The families of models that the shipped generators were trained on: which members they saw, and which never."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

import torch

from uhn.models.feedforward import cnn
from uhn.models.spec import ModelSpec
from uhn.randomness import stream

Widths = tuple[int, ...]


@dataclass(frozen=True)
class Family:
    """CNNs of one depth and of every combination of some widths, a few of them kept from training.

    Args:
        dataset: what they are trained on.
        stages: layers of each stage; the stem is the first and as wide as the second.
        widths: of the second stage, of the third, ...
        unseen: how many members are kept from training.
        seed: of the draw that says which.
        generator, phases: settings of the generator, of its initialisation and of its training.
    """

    dataset: str
    stages: tuple[int, ...]
    widths: tuple[Widths, ...]
    unseen: int
    seed: int
    generator: Mapping[str, int]
    initialise: Mapping[str, float]
    train: Mapping[str, float]

    def spec(self, widths: Widths) -> ModelSpec:
        """The member of these widths."""
        return cnn(self.stages, (widths[0], *widths))

    def corners(self) -> tuple[ModelSpec, ModelSpec]:
        """The narrowest and the widest member: both are trained on, and they span the descriptors' ranges."""
        narrowest, widest = self._ends()
        return self.spec(narrowest), self.spec(widest)

    def _ends(self) -> tuple[Widths, Widths]:
        return tuple(map(min, self.widths)), tuple(map(max, self.widths))

    def split(self) -> tuple[list[Widths], list[Widths]]:
        """The members that training sees and those that it never does, drawn from all but the two corners."""
        inner = [widths for widths in product(*self.widths) if widths not in self._ends()]
        order = torch.randperm(len(inner), generator=stream(self.seed, "pretrained/unseen")).tolist()
        unseen = {inner[number] for number in order[: self.unseen]}
        everything = list(product(*self.widths))
        return [w for w in everything if w not in unseen], [w for w in everything if w in unseen]


FAMILIES: Final[Mapping[str, Family]] = {
    "cnn-width-small": Family(
        dataset="cifar10",
        stages=(1, 1, 2, 2),
        widths=((8, 12, 16), (12, 16, 20, 24), (16, 20, 24, 28, 32)),
        unseen=10,
        seed=2026,
        generator={"hidden": 64, "frequencies": 256},
        initialise={"steps": 200, "lr": 0.001},
        train={"steps": 20000, "lr": 0.001, "warmup": 100, "batch_size": 64, "clip": 1.0},
    )
}
"""By the name that :func:`uhn.from_pretrained` knows."""
