"""Tasks that take their rows in mini-batches, from tensors that lie on the device."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor

from uhn.data.images import Images, Preprocessing, augment, upload
from uhn.data.tokens import PADDING, Tokens
from uhn.models.forward import Inputs
from uhn.randomness import stream
from uhn.tasks.base import Batch, Card, Split, Task

WIDTHS = 64
"""On a GPU the width of a batch of texts is a multiple of this, or that of the longest text."""


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


@dataclass(frozen=True)
class ImageRows:
    """Images ``[N, C, H, W]`` uint8, labels ``[N]`` int64, and what is done to a batch of them on its device."""

    x: Tensor
    y: Tensor
    preprocessing: Preprocessing

    @classmethod
    def of(cls, images: Images, preprocessing: Preprocessing) -> ImageRows:
        """Wrap arrays; copied only if they may not be written to (as views of a file's bytes)."""
        x = images.x if images.x.flags.writeable else images.x.copy()
        return cls(torch.from_numpy(x), torch.from_numpy(images.y), preprocessing)

    def __len__(self) -> int:
        return len(self.y)

    def select(self, rows: Tensor) -> ImageRows:
        """Return the given rows."""
        return replace(self, x=self.x[rows], y=self.y[rows])

    def to(self, device: torch.device | str) -> ImageRows:
        """Return the same rows on ``device``."""
        return replace(self, x=self.x.to(device), y=self.y.to(device))

    def batch(self, rows: Tensor, rng: torch.Generator | None) -> Batch:
        """Return normalised float32 images; augmented if ``rng`` is given and the dataset is augmented."""
        rows = upload(rows, self.x.device)
        x = self.x[rows]
        if rng is not None and self.preprocessing.augment:
            x = augment(x, rng)
        return Batch(Inputs(self.preprocessing.normalise(x)), self.y[rows])

    def update(self, digest: hashlib._Hash) -> None:
        """Feed shape, pixels and labels to a hash."""
        digest.update(str(tuple(self.x.shape)).encode())
        for tensor in (self.x, self.y):
            digest.update(tensor.contiguous().cpu().numpy().tobytes())


@dataclass(frozen=True)
class TextRows:
    """Token ids of many texts in one vector ``[total]``, where each begins and how long it is ``[N]``, labels ``[N]``.

    Lengths stay on the CPU too (``sizes``), so that the width of a batch is known without asking the device.
    """

    ids: Tensor
    starts: Tensor
    lengths: Tensor
    y: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, tokens: Tokens) -> TextRows:
        """Wrap arrays."""
        lengths = torch.from_numpy(tokens.lengths)
        ids = torch.from_numpy(tokens.ids.astype("int32"))
        return cls(ids, lengths.cumsum(0) - lengths, lengths, torch.from_numpy(tokens.y), lengths)

    def __len__(self) -> int:
        return len(self.y)

    def select(self, rows: Tensor) -> TextRows:
        """Return the given rows; the ids of all texts are kept, as other rows may share them."""
        rest = (self.starts[rows], self.lengths[rows], self.y[rows], self.sizes[rows])
        return TextRows(self.ids, *rest)

    def to(self, device: torch.device | str) -> TextRows:
        """Return the same rows on ``device``."""
        return replace(self, **{name: getattr(self, name).to(device) for name in ("ids", "starts", "lengths", "y")})

    def batch(self, rows: Tensor, rng: torch.Generator | None) -> Batch:
        """Return token ids ``[B, T]``, padded to the longest of the batch (see :data:`WIDTHS`), and where they pad."""
        width = int(self.sizes[rows].max())
        if self.ids.device.type == "cuda":  # few widths, so that few kinds of steps have to be recorded
            width = min(-(-width // WIDTHS) * WIDTHS, int(self.sizes.max()))
        rows = upload(rows, self.ids.device)
        place = torch.arange(width, device=self.ids.device)
        padding = place >= self.lengths[rows, None]
        index = (self.starts[rows, None] + place).masked_fill(padding, 0)
        x = self.ids[index].masked_fill(padding, PADDING).long()
        return Batch(Inputs(x, padding=padding), self.y[rows])

    def update(self, digest: hashlib._Hash) -> None:
        """Feed the used tokens, lengths and labels to a hash."""
        owner = torch.repeat_interleave(self.starts - (self.lengths.cumsum(0) - self.lengths), self.lengths)
        used = self.ids[(owner + torch.arange(len(owner), device=owner.device))]
        for tensor in (used, self.lengths, self.y):
            digest.update(tensor.cpu().numpy().tobytes())


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
