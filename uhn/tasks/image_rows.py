"""Images as the rows of a task, and what happens to a batch of them on its way to a model, on their device."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from uhn.layers.inputs import Inputs
from uhn.tasks.base import Batch
from uhn.tasks.images import ImageDataset, Images
from uhn.tasks.rows import upload

PAD: Final = 4
"""Width of the reflected border that CIFAR-10's training crops are taken from."""


def normalise(x: UInt8[Tensor, "B C H W"], mean: tuple[float, ...], std: tuple[float, ...]) -> Float[Tensor, "B C H W"]:
    """Return ``(x / 255 - mean) / std`` per channel, float32 on the device of ``x``."""
    low, scale = (channel_values(values, x.device) for values in (mean, std))
    return (x.to(torch.float32) / 255 - low) / scale


@lru_cache
def channel_values(values: tuple[float, ...], device: torch.device) -> Tensor:
    """One value per channel ``[1, C, 1, 1]`` on ``device``; kept there, so that a batch does not wait for a copy."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device).view(1, -1, 1, 1)


def augment(x: UInt8[Tensor, "B C H W"], generator: torch.Generator) -> UInt8[Tensor, "B C H W"]:
    """Reflect-pad by 4, flip left to right with probability one half, crop at random to the old size.

    All in one gather: no padded image is made. The draws come from ``generator`` on the CPU, so every device
    sees the same crops.
    """
    count, channels, height, width = x.shape
    flip = torch.rand(count, generator=generator) < 0.5
    corner = torch.randint(0, 2 * PAD + 1, (2, count), generator=generator)
    top, left = upload(corner, x.device)[..., None]
    rows = top + torch.arange(height, device=x.device)
    columns = left + torch.arange(width, device=x.device)
    columns = torch.where(upload(flip, x.device)[:, None], width + 2 * PAD - 1 - columns, columns)
    rows, columns = _reflect(rows - PAD, height), _reflect(columns - PAD, width)
    image = torch.arange(count, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    return x[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def _reflect(index: Tensor, size: int) -> Tensor:
    """Map positions beyond ``[0, size)`` back by reflection that does not repeat the edge."""
    return size - 1 - (size - 1 - index.abs()).abs()


@dataclass(frozen=True)
class ImageRows:
    """Images ``[N, C, H, W]`` uint8, labels ``[N]`` int64, and what is done to a batch of them on its device."""

    x: Tensor
    y: Tensor
    dataset: ImageDataset

    @classmethod
    def of(cls, images: Images, dataset: ImageDataset) -> ImageRows:
        """Wrap arrays; copied only if they may not be written to (as views of a file's bytes)."""
        x = images.x if images.x.flags.writeable else images.x.copy()
        return cls(torch.from_numpy(x), torch.from_numpy(images.y), dataset)

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
        if rng is not None and self.dataset.augment:
            x = augment(x, rng)
        return Batch(Inputs(normalise(x, self.dataset.mean, self.dataset.std)), self.y[rows])

    def update(self, digest: hashlib._Hash) -> None:
        """Feed shape, pixels and labels to a hash."""
        digest.update(str(tuple(self.x.shape)).encode())
        for tensor in (self.x, self.y):
            digest.update(tensor.contiguous().cpu().numpy().tobytes())
