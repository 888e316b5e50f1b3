"""Tiny tasks that need no file: rows drawn once, mini-batches as a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor

from uhn.models import Inputs, ModelSpec
from uhn.models.feedforward import mlp
from uhn.randomness import stream
from uhn.tasks import Task
from uhn.tasks.base import Batch, Card, Provenance, Split
from uhn.vocabulary import DatasetType, TaskType

SPEC = mlp((6, 5, 3))
DROPPING = mlp((6, 5, 5, 3), dropout=0.3)


class Toy(Task):
    """``rows`` points of six inputs; three classes, or three values if ``classes`` is None."""

    def __init__(self, name: str = "toy", rows: int = 20, batch_size: int = 8, classes: int | None = 3) -> None:
        provenance = Provenance(name, "0" * 64, "stand-in", "drawn", {"train": rows, "val": 0, "test": rows})
        super().__init__(Card(name, TaskType.IMAGE, DatasetType.MNIST, classes, provenance), batch_size)
        self.size = batch_size
        self.x = torch.randn(rows, 6, generator=stream(0, f"{name}/x"))
        values = self.x @ torch.randn(6, 3, generator=stream(0, f"{name}/w"))
        self.y = values.argmax(1) if classes is not None else values

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.x) // self.size)

    def to(self, device: torch.device | str) -> Self:
        return self

    def rows_at(self, seed: int, step: int) -> Tensor:
        epoch, place = divmod(step, self.steps_per_epoch)
        order = torch.randperm(len(self.x), generator=stream(seed, "toy/shuffle", epoch))
        return order[place * self.size : (place + 1) * self.size]

    def train_batch(self, seed: int, step: int) -> Batch:
        rows = self.rows_at(seed, step)
        return Batch(Inputs(self.x[rows]), self.y[rows])

    def eval_batches(self, split: Split) -> Iterator[Batch]:
        for first in range(0, len(self.x), 7):
            yield Batch(Inputs(self.x[first : first + 7]), self.y[first : first + 7])


def small_specs(count: int) -> tuple[ModelSpec, ...]:
    """Different architectures for the same task."""
    return tuple(mlp((6, 4 + number, 3)) for number in range(count))
