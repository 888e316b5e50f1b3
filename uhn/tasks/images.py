"""Datasets of images: rows as ``uint8`` arrays, and generated textures for machines that cannot get the real ones.

A result on them says that the machinery works and nothing else. They have the real dimensions and can be learned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from uhn.tasks.dataset import Dataset, Raw
from uhn.tasks.fetch.checksums import DataError
from uhn.vocabulary import TaskType

CLASSES: Final = 10

_CHUNK: Final = 1000


@dataclass(frozen=True)
class Images:
    """Rows of one split: ``x`` ``[N, C, H, W]`` uint8 and ``y`` ``[N]`` int64."""

    x: NDArray[np.uint8]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.x.ndim != 4 or self.y.shape != self.x.shape[:1]:
            raise DataError(f"images want [N, C, H, W] and [N] labels, got {self.x.shape} and {self.y.shape}")
        if len(self.y) and not 0 <= int(self.y.min()) <= int(self.y.max()) < CLASSES:
            raise DataError(f"image labels must be in [0, 10), got {int(self.y.min())} to {int(self.y.max())}")


@dataclass(frozen=True, kw_only=True)
class ImageDataset(Dataset):
    """A dataset of square images in 10 classes.

    Args:
        channels: C.
        size: H and W.
        mean: of each channel, in [0, 1].
        std: of each channel.
        augment: whether training batches are padded by reflection, flipped and cropped.
        parse: from the files to training and test rows.
    """

    task_type: ClassVar[TaskType] = TaskType.IMAGE
    eval_rows: ClassVar[int] = 1000
    stand_in: ClassVar[str] = "generated textures of 10 kinds under noise, not photographs or digits"

    classes: int = CLASSES
    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: bool
    parse: Callable[[Raw], tuple[Images, Images]]

    def read(self, root: Path, seed: int) -> tuple[Images, Images]:
        """Training and test rows from the verified files below ``root``."""
        return self.parse(self.raw(root))

    def generate(self, root: Path, train: int, test: int) -> tuple[Images, Images]:
        """``train`` and ``test`` images ``[N, channels, size, size]`` in 10 classes; fewer are the first of more.

        A class is a stripe pattern: one of five tilts (mirrored at random, so that flips keep the class) and one of
        two widths, both jittered, in random colours and phase, with a random disc and strong noise on top.
        """
        return self._images("/train", train), self._images("/test", test)

    def _images(self, split: str, rows: int) -> Images:
        y = np.arange(rows, dtype=np.int64) % 10
        x = np.empty((rows, self.channels, self.size, self.size), np.uint8)
        for start in range(0, rows, _CHUNK):
            rng = self.numbers(split, start)
            part = _textures(rng, np.arange(_CHUNK) % 10, self.channels, self.size)
            x[start : start + _CHUNK] = part[: rows - start]
        return Images(x, y)


def _textures(rng: np.random.Generator, y: NDArray[np.int64], channels: int, size: int) -> NDArray[np.uint8]:
    count = len(y)
    grid = np.linspace(-1, 1, size, dtype=np.float32)

    def uniform(low: float, high: float, *shape: int) -> NDArray[np.float32]:
        return rng.uniform(low, high, (count, *shape)).astype(np.float32)

    tilt = np.deg2rad(22.5 * (y % 5) + uniform(-7, 7)) * rng.choice([-1, 1], count)
    waves = np.where(y < 5, 9, 16) * uniform(0.85, 1.15)
    across = (waves * np.cos(tilt)).astype(np.float32)[:, None] * grid
    along = (waves * np.sin(tilt)).astype(np.float32)[:, None] * grid + uniform(0, 6.28, 1)
    stripes = (
        np.sin(along)[:, :, None] * np.cos(across)[:, None] + np.cos(along)[:, :, None] * np.sin(across)[:, None]
    )[:, None]
    away = (grid - uniform(-0.7, 0.7, 1)) ** 2
    disc = (away[:, :, None] + ((grid - uniform(-0.7, 0.7, 1)) ** 2)[:, None] < uniform(0.02, 0.2, 1, 1))[:, None]
    image = uniform(70, 185, channels, 1, 1) + stripes * uniform(-60, 60, channels, 1, 1)
    image = np.where(disc, uniform(0, 255, channels, 1, 1), image)
    noise = rng.integers(0, 256, image.shape, dtype=np.uint8).astype(np.float32) - 127.5
    return np.clip(image + 0.35 * noise, 0, 255).astype(np.uint8)
