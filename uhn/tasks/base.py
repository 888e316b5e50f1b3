"""The contract of a task, and what is the same for all of them: loss, errors, score."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor

from uhn.layers.inputs import Inputs
from uhn.tasks.dataset import Kind
from uhn.vocabulary import DatasetType, TaskType

Split = Literal["train", "val", "test"]

IGNORED: Final = -100
"""Class of a row that counts neither in the loss nor in the errors (graph nodes outside a split)."""


@dataclass(frozen=True)
class Batch:
    """Inputs of a model and what it should answer: classes ``[B]`` (int64) or values ``[B, outputs]`` (float32)."""

    inputs: Inputs
    target: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """Return the same batch on ``device``."""
        return replace(self, inputs=self.inputs.to(device), target=self.target.to(device))


@dataclass(frozen=True)
class Provenance:
    """What data a task rests on.

    Args:
        name: dataset.
        fingerprint: SHA-256 of the content used: every row of every split, in order.
        kind: ``"real"`` (all of it), ``"subset"`` (real rows, not all) or ``"stand-in"`` (generated).
        detail: what a reader must know of it, e.g. ``"4,000 of 60,000 training rows"``; may be empty.
        rows: rows in ``train``, ``val`` and ``test``.
    """

    name: str
    fingerprint: str
    kind: Kind
    detail: str
    rows: dict[str, int]


@dataclass(frozen=True)
class Limits:
    """Most training and test rows to use (None: all). A validation split is limited like the test split."""

    train_rows: int | None = None
    test_rows: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("train_rows", self.train_rows), ("test_rows", self.test_rows)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"Limits.{name} must be None or an integer >= 1, got {value!r}")


@dataclass(frozen=True)
class Card:
    """What a task is, without its data. ``classes`` is None for regression."""

    name: str
    task_type: TaskType
    dataset_type: DatasetType | int
    classes: int | None
    provenance: Provenance


class Task(ABC):
    """A dataset with its loss and metric. It never asks where weights come from.

    Args:
        card: what it is.
        batch_size: rows of a training batch; None for full batch.
    """

    def __init__(self, card: Card, batch_size: int | None) -> None:
        if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
            raise ValueError(f"batch_size must be None or an integer >= 1, got {batch_size!r}")
        self.card = card
        self.batch_size = batch_size

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.card.name

    @property
    def task_type(self) -> TaskType:
        """Task code (Table 9)."""
        return self.card.task_type

    @property
    def dataset_type(self) -> DatasetType | int:
        """Dataset code (Table 9; from 100 up open to everybody)."""
        return self.card.dataset_type

    @property
    def provenance(self) -> Provenance:
        """What data this rests on."""
        return self.card.provenance

    @property
    def classes(self) -> int | None:
        """Number of classes; None for regression."""
        return self.card.classes

    @property
    def metric(self) -> Literal["accuracy", "rmse"]:
        """What :meth:`score` returns."""
        return "rmse" if self.classes is None else "accuracy"

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return self.classes is not None

    @property
    def chance(self) -> float | None:
        """Accuracy of guessing, 1/classes; None for regression."""
        return None if self.classes is None else 1 / self.classes

    @property
    def target_std(self) -> float | None:
        """RMSE on the test rows of their own mean (population standard deviation); None for classification."""
        return None

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Training batches in one pass over the training rows; 1 for full batch."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """Return the same task with its data on ``device``."""

    @abstractmethod
    def train_batch(self, seed: int, step: int) -> Batch:
        """Return training batch ``step`` (from 0) of run ``seed``: a pure function of the two, in any order."""

    @abstractmethod
    def eval_batches(self, split: Split) -> Iterator[Batch]:
        """Yield every row of a split once, in a fixed order, never augmented; ``ValueError`` without that split."""

    def scored(self, split: Split) -> tuple[int, float | None]:
        """Return the number of rows of a split that :meth:`score` counts, and the share of the most frequent class
        among them (None for regression): the accuracy of always answering that class."""
        rows, classes = 0, torch.zeros(self.classes or 0, dtype=torch.int64)
        for batch in self.eval_batches(split):
            target = batch.target[batch.target != IGNORED] if self.classes else batch.target
            rows += len(target)
            if self.classes:
                classes += torch.bincount(target.cpu(), minlength=self.classes)
        return rows, int(classes.max()) / rows if self.classes else None

    def loss(self, output: Tensor, target: Tensor) -> Float[Tensor, ""]:
        """Return the mean cross-entropy or the mean squared error, in float32."""
        if self.classes is None:
            return F.mse_loss(output.float(), target.float())
        return F.cross_entropy(output.float(), target, ignore_index=IGNORED)

    def errors(self, output: Tensor, target: Tensor) -> Float64[Tensor, " 2"]:
        """Return what a batch adds to the score: (correct, rows), or (summed squared error, elements)."""
        if self.classes is None:
            squared = (output.double() - target.double()).square().sum()
            return torch.stack([squared, torch.full_like(squared, target.numel())])
        counted = target != IGNORED
        correct = (output.argmax(dim=-1) == target) & counted
        return torch.stack([correct.sum(), counted.sum()]).double()

    def score(self, total: float, count: float) -> float:
        """Turn summed :meth:`errors` into the metric: accuracy in [0, 1], or RMSE."""
        if count <= 0:
            raise ValueError(f"a score needs at least one row, got a count of {count}")
        return total / count if self.classes is not None else math.sqrt(total / count)

    def __repr__(self) -> str:
        rows = ", ".join(f"{count:,} {split}" for split, count in self.provenance.rows.items() if count)
        return f"{type(self).__name__}({self.name}, {self.provenance.kind}, {rows})"
