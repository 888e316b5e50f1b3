"""A citation graph as the batches of a full-batch task."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import torch
from torch import Tensor

from uhn.layers.graphs import gcn_norm
from uhn.layers.inputs import Inputs
from uhn.tasks.base import IGNORED, Batch, Split
from uhn.tasks.graphs import Graph


def graph_inputs(graph: Graph) -> Inputs:
    """Return row-normalised features (sparse CSR), edges without self-loops, and the GCN's normalised adjacency."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")
        x = torch.sparse_csr_tensor(
            torch.from_numpy(graph.pointers),
            torch.from_numpy(graph.columns),
            torch.from_numpy(graph.weights),
            (graph.nodes, graph.features),
            check_invariants=True,
        )
    edges = torch.from_numpy(graph.edges)
    return Inputs(x, edges=edges, edge_weight=gcn_norm(edges, graph.nodes))


def graph_batches(graph: Graph, *, validate: bool) -> dict[Split, Batch]:
    """Return one batch per split. All share their inputs; the target of a node outside the split is ``IGNORED``."""
    inputs, y = graph_inputs(graph), torch.from_numpy(graph.y)

    def target(split: Split) -> Tensor:
        return torch.where(torch.from_numpy(graph.masks[split]), y, IGNORED)

    splits: tuple[Split, ...] = ("train", "val", "test") if validate else ("train", "test")
    return {split: Batch(inputs, target(split)) for split in splits}


def graph_rows(graph: Graph, *, validate: bool) -> dict[str, int]:
    """Number of labelled nodes in each split."""
    return {s: int(mask.sum()) if validate or s != "val" else 0 for s, mask in graph.masks.items()}


def graph_fingerprint(graph: Graph) -> str:
    """Return the SHA-256 (hex) of features as published, edges, classes and split."""
    digest = hashlib.sha256(f"{graph.name}:{graph.nodes}:{graph.features}".encode())
    for array in (graph.pointers, graph.columns, graph.values, graph.edges, graph.y, *graph.masks.values()):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
