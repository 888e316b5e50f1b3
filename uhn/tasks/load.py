"""The registry of datasets: from a name to a :class:`~uhn.tasks.base.Task`. Adding a dataset ends here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from uhn.data import formulas
from uhn.data.builtin import load_builtin_mnist
from uhn.data.citation import CITATIONS, load_citation
from uhn.data.graphs import Graph
from uhn.data.images import CIFAR10_PREPROCESSING, MNIST_PREPROCESSING, Images, load_cifar10, load_mnist
from uhn.data.receipts import DIGITS, GENERATED, Kind, Receipt, obtain
from uhn.data.standin import IMAGE_ROWS, generate_graph, generate_images
from uhn.data.text import TEXTS, load_text, load_text_stand_in
from uhn.data.tokens import Tokens
from uhn.tasks.base import Card, Limits, Provenance, Split, Task
from uhn.tasks.full import FullBatchTask, PointRows
from uhn.tasks.graph import graph_batches, graph_fingerprint, graph_rows
from uhn.tasks.rows import ImageRows, Rows, RowTask, TextRows
from uhn.tasks.splits import arrange, enough_rows, fingerprint
from uhn.vocabulary import DatasetType, TaskType

IMAGE_EVAL_BATCH: Final = 1000

log = logging.getLogger("uhn.data")


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


def _provenance(request: Request, splits: Mapping[Split, Rows], kind: Kind, detail: str, cuts: list[str]) -> Provenance:
    """Describe what is used; limits that bite make real data a subset (of generated rows nobody misses any)."""
    if cuts and kind != "stand-in":
        kind = "subset"
        detail = "; ".join([*cuts, detail] if detail else cuts)
    rows = {split: len(splits[split]) if split in splits else 0 for split in ("train", "val", "test")}
    return Provenance(request.name, fingerprint(request.name, splits), kind, detail, rows)


def _image_arrays(request: Request, code: DatasetType) -> tuple[tuple[Images, Images], Kind, str]:
    mnist = code == DatasetType.MNIST
    found = _obtained(request.name, request.root, request.stand_in)
    if found.used == DIGITS:
        return load_builtin_mnist(), found.kind, found.detail
    if found.used == request.name:
        return (load_mnist if mnist else load_cifar10)(request.root), found.kind, found.detail
    train, test = IMAGE_ROWS[request.name]
    most = request.limits
    if most.test_rows is not None:
        test = min(test, most.test_rows)
        if most.train_rows is not None:
            train = min(train, enough_rows(most, code, validate=request.validate))
    channels, size = (1, 28) if mnist else (3, 32)
    return generate_images(request.name, channels, size, train, test), found.kind, found.detail


def _images(request: Request) -> Task:
    code = DatasetType[request.name.upper()]
    preprocessing = MNIST_PREPROCESSING if code == DatasetType.MNIST else CIFAR10_PREPROCESSING
    arrays, kind, detail = _image_arrays(request, code)
    train, test = (ImageRows.of(part, preprocessing) for part in arrays)
    splits, cuts = arrange(train, test, request.name, code, validate=request.validate, limits=request.limits)
    card = Card(request.name, TaskType.IMAGE, code, 10, _provenance(request, splits, kind, detail, cuts))
    return RowTask(card, splits, request.batch_size, max(request.batch_size, IMAGE_EVAL_BATCH))


def _text_tokens(request: Request) -> tuple[tuple[Tokens, Tokens], Kind, str]:
    found = _obtained(request.name, request.root, request.stand_in)
    if found.used == GENERATED:
        return load_text_stand_in(request.name, request.root), found.kind, found.detail
    return load_text(found.used, request.root), found.kind, found.detail


def _text(request: Request) -> Task:
    code = DatasetType.IMDB if request.name == "imdb" else DatasetType.AG_NEWS
    tokens, kind, detail = _text_tokens(request)
    train, test = map(TextRows.of, tokens)
    splits, cuts = arrange(train, test, request.name, code, validate=request.validate, limits=request.limits)
    provenance = _provenance(request, splits, kind, detail, cuts)
    card = Card(request.name, TaskType.TEXT, code, TEXTS[request.name].classes, provenance)
    return RowTask(card, splits, request.batch_size, request.batch_size)


def load_graph(name: str, root: Path, *, stand_in: bool = False) -> tuple[Graph, Kind, str]:
    """Return citation graph ``name``, its kind and what a reader must know of it; see :func:`load_task`."""
    known = CITATIONS[name]
    found = _obtained(name, root, stand_in)
    if found.used == name:
        return load_citation(name, root), found.kind, found.detail
    sizes = (known.nodes, known.edges, known.features, known.classes, known.words)
    return generate_graph(name, *sizes), found.kind, found.detail


def _graph(request: Request) -> Task:
    known = CITATIONS[request.name]
    graph, kind, detail = load_graph(request.name, request.root, stand_in=request.stand_in)
    rows = graph_rows(graph, validate=request.validate)
    provenance = Provenance(request.name, graph_fingerprint(graph), kind, detail, rows)
    card = Card(request.name, TaskType.GRAPH, DatasetType[request.name.upper()], known.classes, provenance)
    return FullBatchTask(card, graph_batches(graph, validate=request.validate))


def _function(request: Request) -> Task:
    code = formulas.dataset_type(request.name)
    train, test = (PointRows.of(part) for part in formulas.draw(request.name, request.seed))
    splits, cuts = arrange(train, test, request.name, code, validate=request.validate, limits=request.limits)
    detail = f"drawn from run seed {request.seed}"
    card = Card(request.name, TaskType.FORMULA, code, None, _provenance(request, splits, "real", detail, cuts))
    return FullBatchTask(card, {split: rows.whole() for split, rows in splits.items()})


DATASETS: Final[Mapping[str, Callable[[Request], Task]]] = MappingProxyType(
    {
        **dict.fromkeys(("mnist", "cifar10"), _images),
        **dict.fromkeys(CITATIONS, _graph),
        **dict.fromkeys(TEXTS, _text),
        **dict.fromkeys(formulas.FUNCTIONS, _function),
    }
)
"""How each dataset becomes a task."""
