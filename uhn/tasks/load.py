"""From the name of a dataset to a :class:`~uhn.tasks.base.Task`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from uhn.tasks import DATASETS
from uhn.tasks.base import Card, Limits, Provenance, Split, Task
from uhn.tasks.dataset import Dataset, Kind
from uhn.tasks.full import FullBatchTask, PointRows
from uhn.tasks.functions import Function
from uhn.tasks.graph_rows import graph_batches, graph_fingerprint, graph_rows
from uhn.tasks.graphs import Graph
from uhn.tasks.image_rows import ImageRows
from uhn.tasks.images import ImageDataset
from uhn.tasks.receipts import Receipt, obtain
from uhn.tasks.rows import Rows, RowTask
from uhn.tasks.splits import arrange, enough_rows, fingerprint
from uhn.tasks.text_rows import TextRows
from uhn.tasks.texts import TextDataset

log = logging.getLogger("uhn.data")


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
        stand_in: where the dataset is unavailable, take a shipped subset or generated rows instead of raising.
        limits: most training and test rows; graphs are always whole.
        batch_size: rows of a training batch; graphs and functions are always full batch.

    Raises:
        ValueError: for an unknown dataset or impossible settings.
        UnavailableError: if the dataset is unavailable and ``stand_in`` is False.
        DataError: if a file is damaged.
    """
    if not isinstance(dataset, str) or dataset not in DATASETS:
        raise ValueError(f"unknown dataset {dataset!r}; known: {', '.join(DATASETS)}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be an integer >= 1, got {batch_size!r}")
    known, limits = DATASETS[dataset], limits or Limits()
    data, kind, detail = _data(known, Path(root), seed, stand_in, _enough(known, limits, validate=validate))
    if isinstance(data, Graph):
        rows = graph_rows(data, validate=validate)
        card = _card(known, Provenance(dataset, graph_fingerprint(data), kind, detail, rows))
        return FullBatchTask(card, graph_batches(data, validate=validate))
    train, test = (_rows(part, known) for part in data)
    splits, cuts = arrange(train, test, known, validate=validate, limits=limits)
    card = _card(known, _provenance(known, splits, kind, detail, cuts))
    if known.full_batch:
        return FullBatchTask(card, {split: rows.whole() for split, rows in splits.items()})
    return RowTask(card, splits, batch_size, max(batch_size, known.eval_rows))


def load_graph(name: str, root: Path, *, stand_in: bool = False) -> tuple[Graph, Kind, str]:
    """Return citation graph ``name``, its kind and what a reader must know of it; see :func:`load_task`."""
    return _data(DATASETS[name], root, 0, stand_in, (0, 0))


@cache
def _say(line: str) -> None:
    """Say once in a process that data are not what they are called."""
    log.warning("%s", line)


def _obtained(name: str, root: Path, stand_in: bool) -> Receipt:
    """Bring the dataset here, or what may take its place."""
    found = obtain(name, root, stand_in=stand_in)
    if found.line:
        _say(found.line)
    return found


def _data(known: Dataset, root: Path, seed: int, stand_in: bool, enough: tuple[int, int]) -> tuple[Any, Kind, str]:
    """What a dataset or what takes its place holds, its kind and what a reader must know of it."""
    if not known.files:
        return known.read(root, seed), "real", f"drawn from run seed {seed}"
    found = _obtained(known.name, root, stand_in)
    if found.used in DATASETS:
        data = DATASETS[found.used].read(root, seed)
    elif known.shipped is not None and found.used == known.shipped.name:
        data = known.shipped.read()
    else:
        data = known.generate(root, *enough)
    return data, found.kind, found.detail


def _enough(known: Dataset, limits: Limits, *, validate: bool) -> tuple[int, int]:
    """Training and test rows of which limits leave no more than they would of all."""
    train, test = known.train_rows, known.test_rows
    if limits.test_rows is not None:
        test = min(test, limits.test_rows)
        if limits.train_rows is not None:
            train = min(train, enough_rows(limits, known, validate=validate))
    return train, test


def _rows(part: Any, known: Dataset) -> Any:
    """Rows as tensors; those of another kind of dataset must be :class:`~uhn.tasks.rows.Rows` already."""
    match known:
        case ImageDataset():
            return ImageRows.of(part, known)
        case TextDataset():
            return TextRows.of(part)
        case Function():
            return PointRows(torch.from_numpy(part.x), torch.from_numpy(part.y))
    return part


def _card(known: Dataset, provenance: Provenance) -> Card:
    return Card(known.name, known.task_type, known.code, known.classes, provenance)


def _provenance(known: Dataset, splits: Mapping[Split, Rows], kind: Kind, detail: str, cuts: list[str]) -> Provenance:
    """Describe what is used; limits that bite make real data a subset (of generated rows nobody misses any)."""
    if cuts and kind != "stand-in":
        kind = "subset"
        detail = "; ".join([*cuts, detail] if detail else cuts)
    rows = {split: len(splits[split]) if split in splits else 0 for split in ("train", "val", "test")}
    return Provenance(known.name, fingerprint(known.name, splits), kind, detail, rows)
