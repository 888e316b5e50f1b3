"""Tasks that take all of their rows at every step: the special functions and the citation graphs."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from uhn.layers.inputs import Inputs
from uhn.tasks.base import Batch, Card, Split, Task


@dataclass(frozen=True)
class PointRows:
    """Points of a function: inputs ``x`` ``[N, 2]`` and values ``y`` ``[N, outputs]``, float32."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def select(self, rows: Tensor) -> PointRows:
        """Return the given rows."""
        return PointRows(self.x[rows], self.y[rows])

    def to(self, device: torch.device | str) -> PointRows:
        """Return the same rows on ``device``."""
        return PointRows(self.x.to(device), self.y.to(device))

    def batch(self, rows: Tensor, rng: torch.Generator | None) -> Batch:
        """Return the given rows as a batch."""
        return Batch(Inputs(self.x[rows]), self.y[rows])

    def whole(self) -> Batch:
        """Return all rows as one batch."""
        return Batch(Inputs(self.x), self.y)

    def update(self, digest: hashlib._Hash) -> None:
        """Feed inputs and values to a hash."""
        for tensor in (self.x, self.y):
            digest.update(tensor.cpu().numpy().tobytes())


class FullBatchTask(Task):
    """A task whose splits are one batch each.

    Args:
        card: what it is.
        splits: the batch of each split. Graph splits share one :class:`~uhn.layers.inputs.Inputs` and differ in which
            targets are ignored.
    """

    def __init__(self, card: Card, splits: Mapping[Split, Batch]) -> None:
        super().__init__(card, None)
        self._splits = dict(splits)

    @property
    def steps_per_epoch(self) -> int:
        """One: every step sees every row."""
        return 1

    @property
    def target_std(self) -> float | None:
        """Root of the test values' variance, averaged over the outputs; None for classification."""
        if self.classes is not None:
            return None
        return float(self._splits["test"].target.double().var(dim=0, unbiased=False).mean().sqrt())

    def to(self, device: torch.device | str) -> Self:
        """Return the same task with its data on ``device``; inputs shared by splits stay shared."""
        moved = copy.copy(self)
        inputs = {id(batch.inputs): batch.inputs.to(device) for batch in self._splits.values()}
        moved._splits = {
            split: Batch(inputs[id(batch.inputs)], batch.target.to(device)) for split, batch in self._splits.items()
        }
        return moved

    def train_batch(self, seed: int, step: int) -> Batch:
        """Return the training rows; the same at every step of every run."""
        if step < 0:
            raise ValueError(f"step must be >= 0, got {step}")
        return self._splits["train"]

    def eval_batches(self, split: Split) -> Iterator[Batch]:
        """Yield the one batch of ``split``."""
        if split not in self._splits:
            raise ValueError(f"task {self.name!r} has no split {split!r}; it has {', '.join(self._splits)}")
        yield self._splits[split]
