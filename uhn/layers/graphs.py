"""What graph layers share: sparse products, edges, normalised adjacency. No layer, no PyTorch Geometric."""

from __future__ import annotations

import warnings
from collections.abc import Callable, MutableMapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from uhn.layers.base import Context
from uhn.layers.checks import indices_below, unchecked
from uhn.layers.functional import activate, dropout, layer_norm
from uhn.transforms import composing, forming, mapped, traced
from uhn.vocabulary import AnyActivation

CACHED_ROWS = 2048
"""Rows of a dense matrix that stay in a core's second-level cache at usual widths (64 float32 each: half a MiB)."""

WORTH_CUTTING = 8
"""Entries per sum below which it is not cut: the sums of the parts would cost more than the cache saves (measured)."""


@dataclass(frozen=True)
class Compressed:
    """Where the entries of a sparse matrix stand, row by row; on a CPU in bands of columns whose sums are added up."""

    rows: int
    columns: int
    bands: int
    pointers: Tensor
    """``[bands * rows + 1]``: where the entries of a row in a band begin."""
    minor: Tensor
    """Column of every entry, in this order."""
    order: Tensor | None
    """Which entry each is; None for as they are given."""

    @classmethod
    def of(cls, major: Tensor, minor: Tensor, shape: tuple[int, int]) -> Compressed:
        """Build it from the row and column of every entry, each ``[nnz]`` in any order."""
        (rows, columns), bands = shape, 1
        if major.device.type == "cpu":
            wanted = -(-columns // CACHED_ROWS)
            bands = wanted if major.numel() >= WORTH_CUTTING * rows * wanted else 1
        if bands > 1:
            major = minor // CACHED_ROWS * rows + major
        order = None if bool((major[1:] >= major[:-1]).all()) else torch.argsort(major, stable=True)
        pointers = torch.zeros(bands * rows + 1, dtype=torch.int64, device=major.device)
        pointers[1:] = torch.cumsum(torch.bincount(major, minlength=bands * rows), 0)
        return cls(rows, columns, bands, pointers, minor if order is None else minor[order], order)

    def times(self, values: Tensor, dense: Tensor) -> Tensor:
        """The matrix with entries ``values [nnz]`` times ``dense [columns, C]``."""
        entries = values if self.order is None else values.index_select(0, self.order)
        if dense.device.type == "cpu":  # a sum of weighted rows: a quarter of the sparse product's time (measured)
            sums = F.embedding_bag(
                self.minor, dense, self.pointers, mode="sum", per_sample_weights=entries, include_last_offset=True
            )
            return sums if self.bands == 1 else sums.view(self.bands, self.rows, -1).sum(0)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")
            shape = self.rows, self.columns
            matrix = torch.sparse_csr_tensor(self.pointers, self.minor, entries, shape, check_invariants=False)
            return torch.sparse.mm(matrix, dense)


@dataclass(frozen=True)
class Pattern:
    """Where the entries of a sparse matrix stand, and how it and its transposed are multiplied."""

    shape: tuple[int, int]
    rows: Tensor
    columns: Tensor
    by_row: Compressed
    by_column: Compressed

    @property
    def transposed(self) -> Pattern:
        """That of the transposed matrix, its entries in the same order."""
        return Pattern(self.shape[::-1], self.columns, self.rows, self.by_column, self.by_row)

    @classmethod
    def of(cls, rows: Tensor, columns: Tensor, shape: tuple[int, int]) -> Pattern:
        """Build it from the row and column of every entry, each ``[nnz]`` in any order."""
        by_row, by_column = Compressed.of(rows, columns, shape), Compressed.of(columns, rows, shape[::-1])
        return cls(shape, rows, columns, by_row, by_column)


class _SparseProduct(torch.autograd.Function):
    """``matrix(values) @ dense``, with the transposed product in the backward pass instead of a dense matrix."""

    @staticmethod
    def forward(values: Tensor, dense: Tensor, pattern: Pattern) -> Tensor:
        return pattern.by_row.times(values, dense)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Pattern], output: Tensor) -> None:
        *tensors, ctx.pattern = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (values, dense), pattern = ctx.saved_tensors, ctx.pattern
        grad = grad.contiguous()
        to_values = (grad[pattern.rows] * dense[pattern.columns]).sum(-1) if ctx.needs_input_grad[0] else None
        to_dense = _SparseProduct.apply(values, grad, pattern.transposed) if ctx.needs_input_grad[1] else None  # type: ignore[no-untyped-call]
        return to_values, to_dense, None

    @staticmethod
    def jvp(ctx: Any, to_values: Tensor | None, to_dense: Tensor | None, _: None) -> Tensor:
        values, dense = ctx.saved_tensors
        parts = [(to_values, dense)] if to_values is not None else []
        parts += [(values, to_dense)] if to_dense is not None else []
        terms = [_SparseProduct.apply(*part, ctx.pattern) for part in parts]  # type: ignore[no-untyped-call]
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]

    @staticmethod
    def vmap(
        info: Any, dims: tuple[int | None, int | None, None], values: Tensor, dense: Tensor, pattern: Pattern
    ) -> tuple[Tensor, int]:
        """Columns beside each other for one matrix; one after the other for several."""
        if dims[0] is None and dims[1] is not None:
            wide = dense.movedim(dims[1], 1).flatten(1).contiguous()
            out: Tensor = _SparseProduct.apply(values, wide, pattern)  # type: ignore[no-untyped-call]
            return out.view(out.shape[0], info.batch_size, -1), 1
        given = [[x] * info.batch_size if d is None else x.unbind(d) for x, d in ((values, dims[0]), (dense, dims[1]))]
        return torch.stack([_SparseProduct.apply(*pair, pattern) for pair in zip(*given, strict=True)]), 0  # type: ignore[no-untyped-call]


def sparse_product(values: Float[Tensor, " nnz"], dense: Float[Tensor, "columns C"], pattern: Pattern) -> Tensor:
    """Multiply a sparse matrix ``[rows, columns]`` with a dense one; the result is ``[rows, C]``, float32 or wider."""
    dtype = torch.promote_types(torch.promote_types(values.dtype, dense.dtype), torch.float32)
    with torch.autocast(dense.device.type, enabled=False):
        product: Tensor = _SparseProduct.apply(  # type: ignore[no-untyped-call]
            values.to(dtype), dense.to(dtype).contiguous(), pattern
        )
    return product


_PATTERNS: MutableMapping[Tensor, tuple[int, Pattern]] = WeakTensorKeyDictionary()


def _sorted_once(key: Tensor, shape: tuple[int, int], entries: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Pattern:
    """The pattern of the (rows, columns) that ``entries`` reads from ``key``: a graph keeps its tensors.

    Sorted again once ``key`` has been written into, and always if it is an inference tensor, which does not say so.
    """
    if key.is_inference():
        return Pattern.of(*entries(key), shape)
    version, known = _PATTERNS.get(key, (None, None))
    if known is None or version != key._version or known.shape != shape:
        with forming():
            known = Pattern.of(*entries(key), shape)
        _PATTERNS[key] = (key._version, known)
    return known


def _coordinates(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.layout == torch.sparse_csr:
        pointers = x.crow_indices()
        counts = pointers[1:] - pointers[:-1]
        rows = torch.repeat_interleave(torch.arange(x.shape[0], device=x.device), counts)
        return rows, x.col_indices().long()
    indices = x._indices()
    return indices[0], indices[1]


def is_sparse(x: Tensor) -> bool:
    """Whether ``x`` is a sparse matrix. Raises ``ValueError`` for a layout other than dense, CSR and COO."""
    if x.layout not in (torch.strided, torch.sparse_csr, torch.sparse_coo):
        raise ValueError(f"node features must be dense, sparse CSR or sparse COO, got {x.layout}")
    return x.layout != torch.strided


def project_features(
    x: Tensor, weight: Tensor, *, dropout_rate: float, training: bool, rng: torch.Generator | None
) -> Float[Tensor, "nodes out"]:
    """Return ``dropout(x) @ weight.T`` for node features ``x`` ``[nodes, F]``, dense or sparse.

    Sparse features stay sparse: dropout draws among the stored entries only (a dropped zero stays zero).
    """
    if not is_sparse(x):
        return F.linear(dropout(x, dropout_rate, training=training, rng=rng), weight)
    with forming() if composing() else nullcontext():  # a transform cannot wrap a sparse tensor
        values = x.values() if x.layout == torch.sparse_csr else x._values()
    values = dropout(values, dropout_rate, training=training, rng=rng)
    return sparse_product(values, weight.t(), _sorted_once(x, (x.shape[0], x.shape[1]), _coordinates))


def graph_input(x: Tensor, activation: AnyActivation, param: float, norm: bool) -> Tensor:
    """Activation, then LayerNorm of node features ``[nodes, F]``.

    Raises:
        ValueError: for sparse features with either: both belong to hidden layers.
    """
    if is_sparse(x):
        if activation or norm:
            raise ValueError("sparse node features are taken only by a layer without activation and norm")
        return x
    hidden = activate(x, activation, param)
    return layer_norm(hidden) if norm else hidden


def graph_edges(ctx: Context, nodes: int, who: str) -> Int[Tensor, "2 E"]:
    """Return ``ctx.edges``. Raises ``ValueError`` if they are missing, not ``[2, E]`` or name an unknown node."""
    edges = ctx.edges
    if edges is None:
        raise ValueError(f"{who} needs Inputs.edges (shape [2, E]), got None")
    if edges.dim() != 2 or edges.shape[0] != 2:
        raise ValueError(f"{who} wants Inputs.edges of shape [2, E], got {tuple(edges.shape)}")
    indices_below(edges, nodes, "Inputs.edges")
    return edges


def with_self_loops(edges: Int[Tensor, "2 E"], nodes: int) -> Int[Tensor, "2 E_plus_nodes"]:
    """Append one self-loop a node after the given edges."""
    loops = torch.arange(nodes, dtype=edges.dtype, device=edges.device)
    return torch.cat([edges, loops.expand(2, -1)], dim=1)


def gcn_norm(
    edges: Int[Tensor, "2 E"], nodes: int, dtype: torch.dtype = torch.float32
) -> Float[Tensor, " E_plus_nodes"]:
    """Entries of ``D^-1/2 (A + I) D^-1/2`` (Eq 12): those of ``edges`` in order, then those of the self-loops.

    The degree of a node counts its incoming edges and its self-loop. Computed in float64.

    Raises:
        ValueError: if an edge names a node outside ``[0, nodes)`` or is a self-loop (they are added here).
    """
    indices_below(edges, nodes, "edges")
    if not unchecked(edges) and bool((edges[0] == edges[1]).any()):
        raise ValueError("gcn_norm wants edges without self-loops (it adds one a node), got at least one")
    source, destination = with_self_loops(edges, nodes)
    degree = torch.zeros(nodes, dtype=torch.float64, device=edges.device)
    scale = degree.index_add(0, destination, torch.ones_like(destination, dtype=torch.float64)).rsqrt()
    return (scale[source] * scale[destination]).to(dtype)


def propagate(
    edge_weight: Float[Tensor, " E_plus_nodes"], hidden: Float[Tensor, "nodes C"], edges: Int[Tensor, "2 E"]
) -> Float[Tensor, "nodes C"]:
    """Multiply node features with the normalised adjacency matrix; edge by edge in a graph that is being
    recorded, or where edges differ from one of ``vmap``'s models to the next.
    """
    nodes, wide = hidden.shape[0], torch.promote_types(hidden.dtype, torch.float32)
    if not (traced() or mapped(edges)):
        return sparse_product(edge_weight.to(wide), hidden, adjacency(edges, nodes))
    source, destination = with_self_loops(edges, nodes)
    messages = hidden.to(wide).index_select(0, source) * edge_weight.to(wide)[:, None]
    return torch.zeros_like(hidden, dtype=wide).index_add(0, destination, messages)


def adjacency(edges: Int[Tensor, "2 E"], nodes: int) -> Pattern:
    """The pattern of the adjacency matrix with self-loops: row = destination, column = source (cached)."""

    def entries(edges: Tensor) -> tuple[Tensor, Tensor]:
        source, destination = with_self_loops(edges.long(), nodes)
        return destination, source

    return _sorted_once(edges, (nodes, nodes), entries)
