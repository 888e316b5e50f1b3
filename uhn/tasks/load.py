"""The registry of datasets: from a name to a :class:`~uhn.tasks.base.Task`. Adding a dataset ends here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from uhn.data import formulas
from uhn.data.builtin import DETAIL, load_builtin_mnist
from uhn.data.citation import CITATIONS, load_citation
from uhn.data.fetch import ensure
from uhn.data.graphs import Graph
from uhn.data.images import CIFAR10_PREPROCESSING, MNIST_PREPROCESSING, Images, load_cifar10, load_mnist
from uhn.data.pins import UnavailableError
from uhn.data.standin import GRAPH_DETAIL, IMAGE_DETAIL, IMAGE_ROWS, TEXT_DETAIL, generate_graph, generate_images
from uhn.data.text import AG_NEWS_30K, TEXTS, load_text, load_text_stand_in
from uhn.data.tokens import Tokens
from uhn.tasks.base import Card, Kind, Limits, Provenance, Split, Task
from uhn.tasks.full import FullBatchTask, PointRows
from uhn.tasks.graph import graph_batches, graph_fingerprint, graph_rows
from uhn.tasks.rows import ImageRows, Rows, RowTask, TextRows
from uhn.tasks.splits import arrange, enough_rows, fingerprint
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


def _obtained(request: Request, name: str | None = None) -> bool:
    """Bring the dataset here; False if no place has it and something else may stand in."""
    try:
        ensure(name or request.name, request.root)
    except UnavailableError:
        if not request.stand_in:
            raise
        return False
    return True


def _provenance(request: Request, splits: Mapping[Split, Rows], kind: Kind, detail: str, cuts: list[str]) -> Provenance:
    """Describe what is used; limits that bite make real data a subset (of generated rows nobody misses any)."""
    if cuts and kind != "stand-in":
        kind = "subset"
        detail = "; ".join([*cuts, detail] if detail else cuts)
    rows = {split: len(splits[split]) if split in splits else 0 for split in ("train", "val", "test")}
    return Provenance(request.name, fingerprint(request.name, splits), kind, detail, rows)


def _image_arrays(request: Request, code: DatasetType) -> tuple[tuple[Images, Images], Kind, str]:
    mnist = code == DatasetType.MNIST
    if _obtained(request):
        return (load_mnist if mnist else load_cifar10)(request.root), "real", ""
    if mnist and (digits := load_builtin_mnist()) is not None:
        return digits, "subset", DETAIL
    train, test = IMAGE_ROWS[request.name]
    most = request.limits
    if most.test_rows is not None:
        test = min(test, most.test_rows)
        if most.train_rows is not None:
            train = min(train, enough_rows(most, code, validate=request.validate))
    channels, size = (1, 28) if mnist else (3, 32)
    return generate_images(request.name, channels, size, train, test), "stand-in", IMAGE_DETAIL


def _images(request: Request) -> Task:
    code = DatasetType[request.name.upper()]
    preprocessing = MNIST_PREPROCESSING if code == DatasetType.MNIST else CIFAR10_PREPROCESSING
    arrays, kind, detail = _image_arrays(request, code)
    train, test = (ImageRows.of(part, preprocessing) for part in arrays)
    splits, cuts = arrange(train, test, request.name, code, validate=request.validate, limits=request.limits)
    card = Card(request.name, TaskType.IMAGE, code, 10, _provenance(request, splits, kind, detail, cuts))
    return RowTask(card, splits, request.batch_size, max(request.batch_size, IMAGE_EVAL_BATCH))


def _text_tokens(request: Request) -> tuple[tuple[Tokens, Tokens], Kind, str]:
    if _obtained(request):
        subset = request.name == "ag_news_30k"
        return load_text(request.name, request.root), "subset" if subset else "real", AG_NEWS_30K if subset else ""
    if request.name == "ag_news" and _obtained(request, "ag_news_30k"):
        return load_text("ag_news_30k", request.root), "subset", AG_NEWS_30K
    return load_text_stand_in(request.name, request.root), "stand-in", TEXT_DETAIL


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
    if _obtained(Request(name, Path(root), 0, False, stand_in, Limits(), 1)):
        return load_citation(name, root), "real", ""
    sizes = (known.nodes, known.edges, known.features, known.classes, known.words)
    return generate_graph(name, *sizes), "stand-in", GRAPH_DETAIL


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
