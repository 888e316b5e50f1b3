"""Cora, CiteSeer and PubMed: verified raw files, read by PyTorch Geometric, kept sparse."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from uhn.data.entries import ENTRIES
from uhn.data.graphs import Graph
from uhn.data.pins import DataError, read_verified


@dataclass(frozen=True)
class Citation:
    """What is known of a citation graph: its name in PyTorch Geometric, its sizes and words per node."""

    geometric_name: str
    nodes: int
    edges: int
    features: int
    classes: int
    words: float


CITATIONS: Final = {
    "cora": Citation("Cora", 2708, 5278, 1433, 7, 18.2),
    "citeseer": Citation("CiteSeer", 3327, 4552, 3703, 6, 31.6),
    "pubmed": Citation("PubMed", 19717, 44324, 500, 3, 50.1),
}
"""Nodes, undirected edges, features, classes and mean distinct words of a node."""


def load_citation(name: str, root: Path) -> Graph:
    """Return citation graph ``name`` from its verified files below ``root``, with the public split.

    The files' bytes are checked against their pins, and those bytes, in memory, are what PyTorch Geometric reads: they
    are pickles, and nothing but the pinned content is ever unpickled.

    Raises:
        FileNotFoundError: if a file is missing.
        DataError: if a file does not have its pin, or holds a graph of other dimensions.
    """
    known = CITATIONS[name]
    graph = _read(name, {Path(file.path).name: read_verified(file, root) for file in ENTRIES[name].files})
    sizes = (graph.nodes, graph.edges.shape[1] // 2, graph.features, graph.classes)
    if sizes != (known.nodes, known.edges, known.features, known.classes):
        raise DataError(f"graph {name!r}: wanted nodes, edges, features, classes {known}, got {sizes}")
    return graph


def _read(name: str, files: dict[str, bytes]) -> Graph:
    """Read the raw files, by name, by PyTorch Geometric (imported only here: it takes seconds)."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import fsspec  # type: ignore[import-untyped]
        from torch_geometric.io import read_planetoid_data
        from torch_geometric.transforms import NormalizeFeatures

        memory, folder = fsspec.filesystem("memory"), f"/uhn-{os.getpid()}-{id(files)}"
        try:
            memory.pipe({f"{folder}/{file}": content for file, content in files.items()})
            data = read_planetoid_data(f"memory:/{folder}", CITATIONS[name].geometric_name)
        finally:
            memory.rm(folder, recursive=True)
        weights = NormalizeFeatures()(data.clone()).x.numpy()
    values = data.x.numpy()
    rows, columns = np.nonzero(values)
    return Graph(
        name=name,
        pointers=np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(values)))]),
        columns=columns.astype(np.int64),
        values=values[rows, columns],
        weights=weights[rows, columns],
        features=values.shape[1],
        edges=data.edge_index.numpy().astype(np.int64),
        y=data.y.numpy().astype(np.int64),
        classes=int(data.y.max()) + 1,
        masks={split: data[f"{split}_mask"].numpy() for split in ("train", "val", "test")},
    )
