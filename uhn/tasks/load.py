"""The registry of datasets: from a name to a :class:`~uhn.tasks.base.Task`. Adding a dataset ends here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from uhn.data import formulas
from uhn.data.builtin import DETAIL, load_builtin_mnist
from uhn.data.fetch import ensure
from uhn.data.images import CIFAR10_PREPROCESSING, MNIST_PREPROCESSING, Images, load_cifar10, load_mnist
from uhn.data.pins import UnavailableError
from uhn.tasks.base import Card, Kind, Limits, Provenance, Split, Task
from uhn.tasks.full import FullBatchTask, PointRows
from uhn.tasks.rows import ImageRows, Rows, RowTask
from uhn.tasks.splits import arrange, fingerprint
from uhn.vocabulary import DatasetType, TaskType

IMAGE_EVAL_BATCH: Final = 1000


@dataclass(frozen=True)
class Request:
    """What :func:`load_task` was asked for."""

    name: str
    root: Path
    seed: int
    validate: bool
    stand_in: bool
    limits: Limits
    batch_size: int


def load_task(
    dataset: str,
    *,
    root: Path,
    seed: int,
    validate: bool = False,
    stand_in: bool = False,
    limits: Limits | None = None,
    batch_size: int = 256,
) -> Task:
    """Return the task on ``dataset``, its data read from ``root`` (fetched there if missing), on the CPU.

    Args:
        root: data folder.
        seed: run seed; only the special functions' points depend on it.
        validate: cut a validation split off the training rows and train on the rest; else train on all.
        stand_in: where the dataset cannot be had, take a shipped subset or generated rows instead of raising.
        limits: most training and test rows; graphs are always whole.
        batch_size: rows of a training batch; graphs and functions are always full batch.

    Raises:
        ValueError: for an unknown dataset or impossible settings.
        UnavailableError: if the dataset cannot be had and ``stand_in`` is False.
        DataError: if a file is damaged.
    """
    if dataset not in DATASETS:
        raise ValueError(f"unknown dataset {dataset!r}; known: {', '.join(DATASETS)}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be an integer >= 1, got {batch_size!r}")
    request = Request(dataset, Path(root), seed, validate, stand_in, limits or Limits(), batch_size)
    return DATASETS[dataset](request)


def _provenance(request: Request, splits: Mapping[Split, Rows], kind: Kind, detail: str, cuts: list[str]) -> Provenance:
    """Describe what is used; limits that bite make real data a subset."""
    if cuts:
        kind = "subset" if kind == "real" else kind
        detail = "; ".join([*cuts, detail] if detail else cuts)
    rows = {split: len(splits[split]) if split in splits else 0 for split in ("train", "val", "test")}
    return Provenance(request.name, fingerprint(request.name, splits), kind, detail, rows)


def _image_arrays(request: Request) -> tuple[tuple[Images, Images], Kind, str]:
    try:
        ensure(request.name, request.root)
    except UnavailableError:
        if not request.stand_in:
            raise
    else:
        return (load_mnist if request.name == "mnist" else load_cifar10)(request.root), "real", ""
    if request.name == "mnist" and (digits := load_builtin_mnist()) is not None:
        return digits, "subset", DETAIL
    raise NotImplementedError


def _images(request: Request) -> Task:
    code = DatasetType[request.name.upper()]
    preprocessing = MNIST_PREPROCESSING if code == DatasetType.MNIST else CIFAR10_PREPROCESSING
    arrays, kind, detail = _image_arrays(request)
    train, test = (ImageRows.of(part, preprocessing) for part in arrays)
    splits, cuts = arrange(train, test, request.name, code, validate=request.validate, limits=request.limits)
    card = Card(request.name, TaskType.IMAGE, code, 10, _provenance(request, splits, kind, detail, cuts))
    return RowTask(card, splits, request.batch_size, max(request.batch_size, IMAGE_EVAL_BATCH))


def _function(request: Request) -> Task:
    code = formulas.dataset_type(request.name)
    train, test = (PointRows.of(part) for part in formulas.draw(request.name, request.seed))
    splits, cuts = arrange(train, test, request.name, code, validate=request.validate, limits=request.limits)
    detail = f"drawn from run seed {request.seed}"
    card = Card(request.name, TaskType.FORMULA, code, None, _provenance(request, splits, "real", detail, cuts))
    return FullBatchTask(card, {split: rows.whole() for split, rows in splits.items()})


DATASETS: Final[Mapping[str, Callable[[Request], Task]]] = MappingProxyType(
    {"mnist": _images, "cifar10": _images, **dict.fromkeys(formulas.FUNCTIONS, _function)}
)
"""How each dataset becomes a task."""
