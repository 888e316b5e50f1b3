"""A learned encoding that is not the paper's: a hash grid of several resolutions (Müller et al., 2022) over indices.

An index descriptor is ten integers. Level l divides them into cells of side 2^l, and a hash of the cell names one of T
entries of a table of that level, F numbers each; the features are the entries of all levels beside each other. Between
integers there is nothing, so that nothing is interpolated, and cells that share an entry share it for good.

What is chosen per weight is frozen: ``L`` ones among ``L T`` columns. What is learned is the first layer, ``[h, L T]``
as the product of tables and a linear map, so that the encoding is one like the others to everything behind it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from uhn.arguments import integer
from uhn.descriptors.frozen import Frozen, exact_dtype

LEVELS = 8
"""Resolutions, L: cells of side 1 to 128."""

ENTRY = 2
"""Numbers per entry of a table, F."""

PER_FREQUENCY = 4
"""Entries of a level's table, T, per frequency asked for: at h = 32 about as many parameters as Fourier features."""

FACTORS = (1, 2654435761, 805459861, 3674653429, 2097192037, 1434869437, 2165219737, 3242174893, 2971215073, 1500450271)
"""An odd number per descriptor field; the first three are Müller's."""

ROWS = 2**14
"""Rows of one piece."""


class HashGrid(Frozen):
    """Columns that a hash of each level's cell picks; reads integer index rows, not normalised ones.

    Memory: 4 bytes per weight and level are kept (32 per weight), as long as the cache holds them; the tables hold
    ``L T F`` numbers whatever the models.

    Args:
        fields: number of descriptor fields, at most 10.
        frequencies: decides the size of the tables, ``T = 4 · frequencies``.
    """

    def __init__(self, fields: int, frequencies: int) -> None:
        super().__init__()
        integer("HashGrid", "frequencies", frequencies, 1)
        self.fields, self.entries = fields, PER_FREQUENCY * frequencies

    @property
    def width(self) -> int:
        """Columns, L · T."""
        return LEVELS * self.entries

    def columns(self, rows: Int[Tensor, "N d"]) -> Int[Tensor, "N levels"]:
        """The column of each level, int32."""
        factors = torch.tensor(FACTORS[: self.fields], device=rows.device)
        found = []
        for level in range(LEVELS):
            parts = ((rows.long() >> level) * factors).unbind(1)
            cell = parts[0]
            for part in parts[1:]:
                cell = cell ^ part
            found.append(cell % self.entries + level * self.entries)
        return torch.stack(found, 1).int()

    def forward(self, rows: Int[Tensor, "N d"]) -> Float[Tensor, "N width"]:
        """Ones in the columns of each row, zeros elsewhere: for tests and tiny models."""
        ones = torch.zeros(len(rows), self.width, dtype=exact_dtype(), device=rows.device)
        return ones.scatter_(1, self.columns(rows).long(), 1.0)


class HashedLinear(nn.Module):
    """A linear layer ``[h, L T]`` of few parameters: of each level a table ``[T, F]`` times a map ``[h, F]``.

    Args:
        entries: of each level's table, T.
        hidden: width, h.
    """

    def __init__(self, entries: int, hidden: int) -> None:
        super().__init__()
        self.tables = nn.Parameter(torch.randn(LEVELS, entries, ENTRY))
        bound = 1 / math.sqrt(LEVELS * ENTRY)
        self.maps = nn.Parameter(torch.empty(LEVELS, hidden, ENTRY).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))

    @property
    def weight(self) -> Float[Tensor, "h width"]:
        """The product, differentiable in both."""
        return torch.einsum("ltf,lhf->hlt", self.tables, self.maps).flatten(1)


def table_numbers(frequencies: int) -> int:
    """Learned numbers in the tables of all levels."""
    return LEVELS * PER_FREQUENCY * frequencies * ENTRY


@dataclass(frozen=True)
class HashPiece:
    """Some rows: ``start`` and ``count`` say which (plan order is flat order), ``columns`` is ``[count, L]``."""

    start: int
    columns: Tensor

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.columns)


def hash_pieces(encoding: HashGrid, table: Int[Tensor, "N d"]) -> list[HashPiece]:
    """The columns of every row, in pieces."""
    return [HashPiece(n * ROWS, encoding.columns(rows)) for n, rows in enumerate(torch.split(table, ROWS))]


class HashProjection:
    """``features @ weight.T + bias`` as sums of columns; the interface of ``FourierProjection``.

    Args:
        weight: ``[h, width]``.
        bias: ``[h]`` or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.rows, self.bias = weight.t().contiguous(), bias
        self.grad = torch.zeros_like(self.rows)
        self.grad_bias = None if bias is None else torch.zeros_like(bias)

    def forward(self, piece: HashPiece) -> Tensor:
        """Return the rows of ``piece``, shape ``[count, h]``."""
        out = F.embedding_bag(piece.columns.to(self.rows.device), self.rows, mode="sum")
        return out if self.bias is None else out + self.bias

    def backward(self, piece: HashPiece, grad: Tensor) -> None:
        """Accumulate the gradients of weight and bias from ``grad [count, h]``."""
        for chosen in piece.columns.to(self.rows.device).long().unbind(1):
            self.grad.scatter_add_(0, chosen[:, None].expand_as(grad), grad)
        if self.grad_bias is not None:
            self.grad_bias += grad.sum(0)

    def finish(self) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of weight and bias."""
        return self.grad.t(), self.grad_bias
