"""A citation graph as arrays, checked once, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from uhn.data.pins import DataError

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
