"""Generated images: same everywhere, learnable, not by a linear look; and which data a task says it rests on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from uhn.tasks import DATASETS, Limits, load_task, receipts
from uhn.tasks import load as load_module
from uhn.tasks.fetch.checksums import UnavailableError


def test_fewer_rows_are_the_first_of_more() -> None:
    cifar10 = DATASETS["cifar10"]
    (small, _), (large, test) = (cifar10.generate(Path(), rows, 10) for rows in (1500, 2100))
    assert np.array_equal(small.x, large.x[:1500]) and np.array_equal(small.y, large.y[:1500])
    assert small.x.shape == (1500, 3, 32, 32) and test.x.shape == (10, 3, 32, 32)
    assert np.bincount(small.y).tolist() == [150] * 10
    assert not np.array_equal(large.x[:10], test.x)


def test_texture_tells_the_class_and_a_linear_map_does_not() -> None:
    """The spectrum of the grey image, averaged over mirrored tilts, separates classes; raw pixels hardly do."""
    train, test = DATASETS["cifar10"].generate(Path(), 3000, 500)

    def spectrum(x: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.fft2(x.astype(np.float64) - x.mean((2, 3), keepdims=True))).sum(1)
        mirrored = power + np.roll(power[:, :, ::-1], 1, 2)
        return np.log1p(mirrored[:, :16]).reshape(len(x), -1)

    def accuracy(features, ridge: float) -> float:
        a, b = features(train.x), features(test.x)
        a, b = a - a.mean(0), b - a.mean(0)
        target = np.eye(10)[train.y] - 0.1
        weights = np.linalg.solve(a.T @ a + ridge * np.eye(a.shape[1]), a.T @ target)
        return float(((b @ weights).argmax(1) == test.y).mean())

    assert accuracy(spectrum, 100.0) > 0.5
    assert accuracy(lambda x: x[:, :, ::2, ::2].reshape(len(x), -1) / 255.0, 100.0) < 0.3


@pytest.fixture
def nothing_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], shipped=None))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cora", "ag_news", "imdb"])
def test_what_a_machine_with_nothing_says(
    name: str, tmp_path: Path, nothing_anywhere: None, caplog: pytest.LogCaptureFixture
) -> None:
    load_module._say.cache_clear()
    with pytest.raises(UnavailableError):
        load_task(name, root=tmp_path, seed=0)
    task = load_task(name, root=tmp_path, seed=0, stand_in=True, validate=True, limits=Limits(64, 32), batch_size=16)
    assert task.provenance.kind == "stand-in" and "generated" in task.provenance.detail
    load_task(name, root=tmp_path, seed=1, stand_in=True, limits=Limits(64, 32))
    (said,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith(f"STAND-IN DATA ({name}: ") and "Reason: " in said and "Cure: " in said
    batch = task.train_batch(0, 0)
    if name == "cora":
        assert task.provenance.rows == {"train": 140, "val": 500, "test": 1000}
    else:
        assert task.provenance.rows == {"train": 64, "val": 32, "test": 32}
        assert len(batch.target) == 16
    if name in ("mnist", "cifar10"):
        assert batch.inputs.x.shape[1:] == ((1, 28, 28) if name == "mnist" else (3, 32, 32))
    output = torch.zeros(len(batch.target), task.classes)
    assert task.loss(output, batch.target).item() == pytest.approx(np.log(task.classes))


def test_news_fall_back_to_the_subset_before_they_are_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def obtain(name: str, root: Path, *, stand_in: bool) -> receipts.Receipt:
        return whole(name, root, stand_in=stand_in, get=get)

    def get(name: str, root: Path) -> None:
        if name != "ag_news_30k":
            raise UnavailableError(name, "train.csv", [])

    whole = receipts.obtain
    monkeypatch.setattr(load_module, "obtain", obtain)
    monkeypatch.setattr(receipts, "present", lambda name, root: name == "ag_news_30k")
    part = replace(DATASETS["ag_news_30k"])
    object.__setattr__(part, "read", lambda root, seed: part.generate(root, 0, 0))
    monkeypatch.setitem(DATASETS, "ag_news_30k", part)  # type: ignore[arg-type]
    task = load_task("ag_news", root=tmp_path, seed=0, stand_in=True)
    assert (task.name, task.provenance.kind) == ("ag_news", "subset")
    assert task.provenance.detail == "30,027 of the 120,000 official training articles"
    with pytest.raises(UnavailableError):
        load_task("ag_news", root=tmp_path, seed=0)
