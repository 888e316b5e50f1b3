"""The first layer for encodings that are sums over fields (positional, raw): small tables, one per axis.

The product of features and weight is then ``constant + table_a[i] + table_b[j] + ...``: no per-weight features at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uhn.descriptors.blocks import IndexBlock
from uhn.descriptors.encodings import Positional, Raw


@dataclass(frozen=True)
class TablePiece:
    """One index block; ``start`` and ``count`` give its rows (plan order is flat order here)."""

    block: IndexBlock
    start: int
    count: int


def table_pieces(blocks: Sequence[IndexBlock]) -> list[TablePiece]:
    """One piece per block, in flat order."""
    return [TablePiece(block, block.offset, block.numel) for block in blocks]


class TableProjection:
    """``features @ weight.T + bias`` by one small table per axis; the interface of ``FourierProjection``.

    Args:
        encoding: a positional or raw encoding.
        scale: ``[10]`` float64 and
        centre: ``[10]`` float64, the normalisation ``(index - centre) * scale``.
        weight: ``[h, width]``.
        bias: ``[h]`` or None.
    """

    def __init__(
        self, encoding: Positional | Raw, scale: Tensor, centre: Tensor, weight: Tensor, bias: Tensor | None
    ) -> None:
        self.encoding = encoding
        self.scale, self.centre = scale.to(weight.device), centre.to(weight.device)  # a raw encoding has no device
        self.weight, self.bias = weight, bias
        self.fields = scale.shape[0]
        self.grad_weight = torch.zeros_like(weight)
        self.grad_bias = None if bias is None else torch.zeros_like(bias)

    def _features(self, field: int, values: Tensor) -> tuple[Tensor, Tensor]:
        """Features of one field ``[n, k]`` and the columns of the weight they meet."""
        rows = torch.zeros(values.shape[0], self.fields, dtype=torch.float64, device=self.scale.device)
        rows[:, field] = (values.to(rows) - self.centre[field]) * self.scale[field]
        columns = torch.arange(self.encoding.width, device=self.scale.device)
        if isinstance(self.encoding, Raw):
            columns = columns[field : field + 1]
        else:
            bands = self.encoding.bands.shape[0]
            columns = columns[(columns // bands) % self.fields == field]
        features = rows if isinstance(self.encoding, Raw) else self.encoding(rows)
        return features.to(self.weight.dtype)[:, columns], columns

    def _parts(self, block: IndexBlock) -> list[tuple[int | None, Tensor, Tensor]]:
        """(axis or None for a constant, features, columns) of every field of a block."""
        axes = {position: (number, size) for number, (position, size) in enumerate(block.axes)}
        found: list[tuple[int | None, Tensor, Tensor]] = []
        for field in range(self.fields):
            if field in axes:
                number, size = axes[field]
                found.append((number, *self._features(field, torch.arange(size))))
            else:
                found.append((None, *self._features(field, torch.tensor([block.constants[field]]))))
        return found

    def forward(self, piece: TablePiece) -> Tensor:
        """Return the rows of ``piece``, shape ``[count, h]``; in full precision, since neighbours would collide."""
        with torch.autocast(self.weight.device.type, enabled=False):
            return self._rows(piece)

    def _rows(self, piece: TablePiece) -> Tensor:
        sizes = [size for _, size in piece.block.axes]
        constant = torch.zeros_like(self.weight[:, 0]) if self.bias is None else self.bias
        tables = []
        for axis, features, columns in self._parts(piece.block):
            product = features @ self.weight[:, columns].t()
            if axis is None:
                constant = constant + product[0]
            else:
                tables.append(product.view(*[-1 if a == axis else 1 for a in range(len(sizes))], product.shape[1]))
        out = (tables[0] + constant).expand(*sizes, -1)
        for table in tables[1:]:
            out = out + table
        return out.reshape(piece.count, -1)

    def backward(self, piece: TablePiece, grad: Tensor) -> None:
        """Accumulate the gradients of weight and bias from ``grad [count, h]``."""
        sizes = [size for _, size in piece.block.axes]
        grid = grad.view(*sizes, -1)
        total = grad.sum(0)
        if self.grad_bias is not None:
            self.grad_bias += total
        for axis, features, columns in self._parts(piece.block):
            if axis is None:
                self.grad_weight[:, columns] += total[:, None] * features[0]
            else:
                others = [a for a in range(len(sizes)) if a != axis]
                along = grid.sum(others) if others else grid
                self.grad_weight[:, columns] += along.t() @ features

    def finish(self) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of weight and bias."""
        return self.grad_weight, self.grad_bias
