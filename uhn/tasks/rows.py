"""Tasks that take their rows in mini-batches, from tensors that lie on the device."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from typing import Protocol, Self

import torch
from torch import Tensor

from uhn.randomness import stream
from uhn.tasks.base import Batch, Card, Split, Task


class Rows(Protocol):
    """The rows of one split."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def select(self, rows: Tensor) -> Self:
        """Return the given rows (int64, ``[M]``) in the given order."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """Return the same rows on ``device``."""
        ...

    def batch(self, rows: Tensor, rng: torch.Generator | None) -> Batch:
        """Return rows ``[B]`` (int64, on the CPU) as a batch; ``rng`` is given for training batches."""
        ...

    def update(self, digest: hashlib._Hash) -> None:
        """Feed the content to a hash."""
        ...


def upload(values: Tensor, device: torch.device) -> Tensor:
    """Copy a small tensor to ``device`` without waiting for what the device has still to do."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


class RowTask(Task):
    """A task in mini-batches: shuffled anew every epoch, the last batch smaller.

    Args:
        card: what it is.
        splits: rows of each split.
        batch_size: rows of a training batch.
        eval_batch_size: rows of an evaluation batch.
    """

    def __init__(self, card: Card, splits: Mapping[Split, Rows], batch_size: int, eval_batch_size: int) -> None:
        super().__init__(card, batch_size)
        self._size = batch_size
        self._eval_size = max(eval_batch_size, 1)
        self._splits: dict[Split, Rows] = dict(splits)
        self._device = torch.device("cpu")
        self._order: tuple[int, int, Tensor] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches that hold every training row once."""
        return -(-len(self._splits["train"]) // self._size)

    def to(self, device: torch.device | str) -> Self:
        """Return the same task on ``device``: training rows now, the other splits when they are first asked for."""
        moved = copy.copy(self)
        moved._device = torch.device(device)
        moved._splits = dict(self._splits) | {"train": self._splits["train"].to(device)}
        moved._order = None
        return moved

    def _permutation(self, seed: int, epoch: int) -> Tensor:
        """Order of the training rows in one epoch, ``[rows]`` on the CPU; the last one asked for is kept."""
        if self._order is None or self._order[:2] != (seed, epoch):
            generator = stream(seed, f"shuffle/{self.name}", epoch)
            self._order = (seed, epoch, torch.randperm(len(self._splits["train"]), generator=generator))
        return self._order[2]

    def train_batch(self, seed: int, step: int) -> Batch:
        """Return training batch ``step`` of run ``seed``; streams ``shuffle/<name>`` and ``augment/<name>``."""
        if step < 0:
            raise ValueError(f"step must be >= 0, got {step}")
        epoch, place = divmod(step, self.steps_per_epoch)
        rows = self._permutation(seed, epoch)[place * self._size : (place + 1) * self._size]
        return self._splits["train"].batch(rows, stream(seed, f"augment/{self.name}", step))

    def eval_batches(self, split: Split) -> Iterator[Batch]:
        """Yield the rows of ``split`` in their own order."""
        if split not in self._splits:
            raise ValueError(f"task {self.name!r} has no split {split!r}; it has {', '.join(self._splits)}")
        rows = self._splits[split] = self._splits[split].to(self._device)
        for start in range(0, len(rows), self._eval_size):
            yield rows.batch(torch.arange(start, min(start + self._eval_size, len(rows))), None)
