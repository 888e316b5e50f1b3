"""CIFAR-10."""

from __future__ import annotations

import io
import pickle
from typing import Any, Final

import numpy as np

from uhn.tasks.dataset import Raw
from uhn.tasks.fetch.checksums import MB, DataError, File, Origin
from uhn.tasks.images import ImageDataset, Images
from uhn.vocabulary import DatasetType


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


def read_batch(content: bytes, where: str) -> Images:
    """Unpickle one batch, whose checksum is known to be right, arrays only."""
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
        x, y = np.asarray(batch["data"]), np.asarray(batch["labels"], np.int64)
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError) as error:
        raise DataError(f"{where}: not a CIFAR-10 batch: {error}") from None
    if x.dtype != np.uint8 or x.ndim != 2 or x.shape[1] != 3072:
        raise DataError(f"{where}: wanted uint8 rows of 3,072 values, got {x.dtype} {x.shape}")
    return Images(x.reshape(-1, 3, 32, 32), y)


def parse(files: Raw) -> tuple[Images, Images]:
    """Training and test rows of the five batches and the sixth."""
    *train, test = (read_batch(content, path) for path, content in files)
    return Images(np.concatenate([b.x for b in train]), np.concatenate([b.y for b in train])), test


FILES: Final = (
    ("data_batch_1", 31035704, "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd"),
    ("data_batch_2", 31035320, "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8"),
    ("data_batch_3", 31035999, "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9"),
    ("data_batch_4", 31035696, "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b"),
    ("data_batch_5", 31035623, "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154"),
    ("test_batch", 31035526, "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831"),
)
FOLDER: Final = "cifar-10-batches-py"

DATASETS: Final = (
    ImageDataset(
        name="cifar10",
        label="CIFAR-10",
        title="CIFAR-10 colour images, 50,000 + 10,000 of 32x32",
        code=DatasetType.CIFAR10,
        train_rows=50_000,
        test_rows=10_000,
        majority=((10_000, 1_000), (2_000, 217), (1_000, 121), (100, 15)),
        validation_percent=10,
        channels=3,
        size=32,
        mean=(125.3 / 255, 123.0 / 255, 113.9 / 255),
        std=(63.0 / 255, 62.1 / 255, 66.7 / 255),
        augment=True,
        parse=parse,
        files=tuple(File(f"{FOLDER}/{name}", digest, size) for name, size, digest in FILES),
        origins=(
            *(Origin(f"{FOLDER}/{n}.xz", ((f"{FOLDER}/{n}", ""),), "xz", 40 * MB) for n, _, _ in FILES),
            *(Origin(f"{FOLDER}/{n}", ((f"{FOLDER}/{n}", ""),), "plain", 40 * MB) for n, _, _ in FILES),
            Origin(
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                tuple((f"{FOLDER}/{name}", f"{FOLDER}/{name}") for name, _, _ in FILES),
                "tar",
                200 * MB,
            ),
        ),
        licence="none stated; the authors ask for a citation of the report",
        citation="A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    ),
)
