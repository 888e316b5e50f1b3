"""Texts as the rows of a task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from uhn.layers.inputs import Inputs
from uhn.tasks.base import Batch
from uhn.tasks.rows import upload
from uhn.tasks.tokens import PADDING, Tokens

WIDTHS = 64
"""On a GPU the width of a batch of texts is a multiple of this, or that of the longest text."""


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
