"""MNIST and CIFAR-10: from verified files to ``uint8`` arrays, and what happens to a batch on its way to a model."""

from __future__ import annotations

import io
import pickle
import struct
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from uhn.data.entries import ENTRIES
from uhn.data.pins import DataError, File, read_verified

PAD: Final = 4
"""Width of the reflected border that CIFAR-10's training crops are taken from."""


@dataclass(frozen=True)
class Images:
    """Rows of one split: ``x`` ``[N, C, H, W]`` uint8 and ``y`` ``[N]`` int64."""

    x: NDArray[np.uint8]
    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.x.ndim != 4 or self.y.shape != self.x.shape[:1]:
            raise DataError(f"images want [N, C, H, W] and [N] labels, got {self.x.shape} and {self.y.shape}")
        if len(self.y) and not 0 <= int(self.y.min()) <= int(self.y.max()) < 10:
            raise DataError(f"image labels must be in [0, 10), got {int(self.y.min())} to {int(self.y.max())}")


@dataclass(frozen=True)
class Preprocessing:
    """``(x / 255 - mean) / std`` per channel, and whether training batches are augmented."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: bool

    def normalise(self, x: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return float32 inputs on the device of ``x``."""
        mean, std = (channel_values(v, x.device) for v in (self.mean, self.std))
        return (x.to(torch.float32) / 255 - mean) / std


@lru_cache
def channel_values(values: tuple[float, ...], device: torch.device) -> Tensor:
    """One value per channel ``[1, C, 1, 1]`` on ``device``; kept there, so that a batch does not wait for a copy."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device).view(1, -1, 1, 1)


def upload(values: Tensor, device: torch.device) -> Tensor:
    """Copy a small tensor to ``device`` without waiting for what the device has still to do."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


MNIST_PREPROCESSING: Final = Preprocessing((0.1307,), (0.3081,), augment=False)
CIFAR10_PREPROCESSING: Final = Preprocessing(
    (125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255), augment=True
)


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


def read_idx(content: bytes, where: str) -> NDArray[np.uint8]:
    """Parse an IDX file of unsigned bytes. Raises :class:`DataError` unless header and length agree."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise DataError(f"{where}: wanted an IDX file of unsigned bytes, got the first bytes {content[:4].hex()}")
    rank = content[3]
    if len(content) < 4 + 4 * rank:
        raise DataError(f"{where}: wanted an IDX header of {4 + 4 * rank} bytes, got {len(content)} bytes in all")
    shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    if values.size != np.prod(shape, dtype=np.int64):
        raise DataError(f"{where}: wanted {shape} values, got {values.size:,}")
    return values.reshape(shape)


def load_mnist(root: Path) -> tuple[Images, Images]:
    """Return MNIST's training and test rows from the verified files below ``root``.

    Raises:
        FileNotFoundError: if a file is missing.
        DataError: if a file does not have its pin.
    """
    x, y, test_x, test_y = (read_idx(read_verified(file, root), file.path) for file in ENTRIES["mnist"].files)
    return Images(x[:, None], y.astype(np.int64)), Images(test_x[:, None], test_y.astype(np.int64))


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that can build numpy arrays and plain containers, nothing else."""

    ALLOWED: Final = frozenset(
        (module, name)
        for module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
        for name in ("_reconstruct", "ndarray", "dtype")
    )

    def find_class(self, module: str, name: str) -> Any:
        """Resolve a global of the pickle, if it is one that an array needs."""
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a dataset")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_batch(file: File, root: Path) -> Images:
    """Read one CIFAR-10 batch: its bytes are checked against the pin first, then unpickled, arrays only."""
    content = read_verified(file, root)
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
        x, y = np.asarray(batch["data"]), np.asarray(batch["labels"], np.int64)
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError) as error:
        raise DataError(f"{root / file.path}: not a CIFAR-10 batch: {error}") from None
    if x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != 3072:
        raise DataError(f"{root / file.path}: wanted uint8 rows of 3,072 values, got {x.dtype} {x.shape}")
    return Images(x.reshape(-1, 3, 32, 32), y)


def load_cifar10(root: Path) -> tuple[Images, Images]:
    """Return CIFAR-10's training and test rows from the verified batches below ``root`` (as :func:`load_mnist`)."""
    *train, test = (read_batch(file, root) for file in ENTRIES["cifar10"].files)
    return Images(np.concatenate([b.x for b in train]), np.concatenate([b.y for b in train])), test
