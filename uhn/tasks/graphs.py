"""Datasets that are one graph: its arrays, checked once, whoever made them, and one generated in its shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from uhn.tasks.dataset import Dataset, Raw
from uhn.tasks.fetch.checksums import DataError
from uhn.vocabulary import TaskType

VALIDATION_NODES: Final = 500
TEST_NODES: Final = 1000

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Graph:
    """Nodes, edges and the public split.

    Args:
        name: dataset.
        pointers: ``[nodes + 1]`` and ``columns`` ``[nnz]``: which features each node has (compressed rows).
        columns: see ``pointers``.
        values: ``[nnz]`` float32, feature values as published.
        weights: ``[nnz]`` float32, the same divided by their sum over the node.
        features: number of features F.
        edges: ``[2, E]``, every undirected edge in both directions, no self-loops.
        y: ``[nodes]`` classes.
        classes: number of classes.
        masks: ``[nodes]`` bool for ``train``, ``val`` and ``test``.

    Raises:
        DataError: for values that are not finite, indices out of range, self-loops, overlapping or empty splits.
    """

    name: str
    pointers: Ints
    columns: Ints
    values: NDArray[np.float32]
    weights: NDArray[np.float32]
    features: int
    edges: Ints
    y: Ints
    classes: int
    masks: dict[str, NDArray[np.bool_]]

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.y)

    def __post_init__(self) -> None:
        def wrong(what: str) -> DataError:
            return DataError(f"graph {self.name!r}: {what}")

        if not np.isfinite(self.values).all() or not np.isfinite(self.weights).all():
            bad = int((~np.isfinite(self.values)).sum() + (~np.isfinite(self.weights)).sum())
            raise wrong(f"wanted finite features, got {bad} that are not")
        if len(self.pointers) != self.nodes + 1 or self.pointers[-1] != len(self.columns):
            raise wrong(f"wanted a feature row for each of {self.nodes:,} nodes, got {len(self.pointers) - 1:,}")
        for what, array, limit in (
            ("edges", self.edges, self.nodes),
            ("feature columns", self.columns, self.features),
            ("classes", self.y, self.classes),
        ):
            if array.size and not 0 <= int(array.min()) <= int(array.max()) < limit:
                raise wrong(f"wanted {what} in [0, {limit:,}), got {int(array.min())} to {int(array.max())}")
        if self.edges.ndim != 2 or len(self.edges) != 2 or bool((self.edges[0] == self.edges[1]).any()):
            raise wrong("wanted edges of shape [2, E] without self-loops")
        counts = sum(mask.astype(np.int64) for mask in self.masks.values())
        if set(self.masks) != {"train", "val", "test"} or np.max(counts) > 1:
            raise wrong(f"wanted disjoint masks train, val and test, got {sorted(self.masks)}")
        if empty := [split for split, mask in self.masks.items() if not mask.any()]:
            raise wrong(f"no node in {', '.join(empty)}")

    @classmethod
    def build(cls, name: str, bags: list[Ints], edges: Ints, y: Ints, classes: int, train: int, features: int) -> Graph:
        """Make a graph of binary bags of words; the first ``train`` nodes train, 500 validate, the last 1,000 test."""
        pointers = np.concatenate([[0], np.cumsum([len(bag) for bag in bags])])
        columns = np.concatenate(bags)
        lengths = np.diff(pointers)
        node = np.arange(len(y))
        masks = {
            "train": node < train,
            "val": (node >= train) & (node < train + VALIDATION_NODES),
            "test": node >= len(y) - TEST_NODES,
        }
        ones = np.ones(len(columns), np.float32)
        weights = (1 / np.repeat(lengths, lengths)).astype(np.float32)
        return cls(name, pointers, columns, ones, weights, features, edges, y, classes, masks)


@dataclass(frozen=True, kw_only=True)
class GraphDataset(Dataset):
    """A citation graph with its public split.

    Args:
        nodes: number of nodes.
        edges: number of undirected edges.
        features: size of the vocabulary.
        words: mean number of distinct words of a node.
        parse: from the dataset and its files to the graph.
    """

    task_type: ClassVar[TaskType] = TaskType.GRAPH
    full_batch: ClassVar[bool] = True
    stand_in: ClassVar[str] = "a generated block model with class-dependent bags of words, not a citation graph"

    classes: int
    nodes: int
    edges: int
    features: int
    words: float
    test_rows: int = TEST_NODES
    parse: Callable[[GraphDataset, Raw], Graph]

    def held(self, rows: int) -> int:
        """None: the public split has nodes of its own to validate on."""
        return 0

    def read(self, root: Path, seed: int) -> Graph:
        """The graph from its verified files below ``root``.

        Raises:
            FileNotFoundError: if a file is missing.
            DataError: if a file does not have its checksum, or holds a graph of other dimensions.
        """
        graph = self.parse(self, self.raw(root))
        wanted = (self.nodes, self.edges, self.features, self.classes)
        if (sizes := (graph.nodes, graph.edges.shape[1] // 2, graph.features, graph.classes)) != wanted:
            raise DataError(f"graph {self.name!r}: wanted nodes, edges, features, classes {wanted}, got {sizes}")
        return graph

    def generate(self, root: Path, train: int, test: int) -> Graph:
        """A degree-corrected block model with class-dependent sparse bags of words, in the graph's dimensions.

        The first ``20 * classes`` nodes train, the next 500 validate, the last 1,000 test.
        """
        rng = self.numbers()
        nodes, features, classes = self.nodes, self.features, self.classes
        held = 20 * classes
        y = np.concatenate([rng.permutation(held) % classes, rng.integers(0, classes, nodes - held)])
        degree = rng.pareto(2.5, nodes) + 0.3
        members = [np.flatnonzero(y == c) for c in range(classes)]
        found: set[tuple[int, int]] = set()
        while len(found) < self.edges:
            count = 2 * (self.edges - len(found)) + 10
            source = rng.choice(nodes, count, p=degree / degree.sum())
            target = rng.choice(nodes, count, p=degree / degree.sum())
            same = rng.random(count) < 0.72
            for c, own in enumerate(members):
                rows = np.flatnonzero(same & (y[source] == c))
                target[rows] = rng.choice(own, len(rows), p=degree[own] / degree[own].sum())
            low, high = np.minimum(source, target), np.maximum(source, target)
            for pair in zip(low[low != high].tolist(), high[low != high].tolist(), strict=True):
                if len(found) < self.edges:
                    found.add(pair)
        half = np.array(sorted(found), np.int64).T
        both = np.concatenate([half, half[::-1]], axis=1)
        both = both[:, np.lexsort(both)]
        return Graph.build(self.name, _bags(rng, y, features, classes, self.words), both, y, classes, held, features)


def _bags(
    rng: np.random.Generator, y: NDArray[np.int64], features: int, classes: int, words: float
) -> list[NDArray[np.int64]]:
    """Distinct words of every node: a common long-tailed distribution, with some words likelier in each class."""
    common = 1 / (np.arange(features) + 20.0)
    tables = [common * np.where(rng.random(features) < 0.15, 4.0, 1.0) for _ in range(classes)]
    bags: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(y)
    for c, table in enumerate(tables):
        own = np.flatnonzero(y == c)
        lengths = rng.poisson(words, len(own)) + 1
        drawn = rng.choice(features, int(lengths.sum()), p=table / table.sum())
        for node, bag in zip(own.tolist(), np.split(drawn, np.cumsum(lengths)[:-1]), strict=True):
            bags[node] = np.unique(bag)
    return bags
