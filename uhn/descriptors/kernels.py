"""The factored product of Fourier features with a weight, forward and backward, one piece of a grid at a time.

With W = [Wc, Ws] rotated by the constant phase of a layer, and the four products

    P1 = Wc cos(alpha) cos(beta)        P2 = Ws sin(alpha) cos(beta)
    P3 = Ws cos(alpha) sin(beta)        P4 = Wc sin(alpha) sin(beta)

summed over frequencies, the four mirror images of (row, column) are P1 + P2 + P3 - P4, P1 + P2 - P3 + P4,
P1 - P2 + P3 + P4 and P1 - P2 - P3 - P4: a quarter of the grid in each product, half the work of the dense one.
Where frequencies are sorted into windows (:mod:`uhn.descriptors.windows`), weight and phases are in their order.
Nothing of the size (weights x frequencies) ever exists. Rows come in *plan order*; :func:`plan_index` says which
weight each is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from uhn.descriptors.fused import FusedWindows
from uhn.descriptors.grids import Basis, Factor, Grid, Plan, Windows
from uhn.kernels.compiled import Kernels
from uhn.products import add_product, product


@dataclass(frozen=True)
class Piece:
    """Rows ``first .. last`` of the upper half of a grid for one layer, or rows of the small blocks (grid None)."""

    grid: int | None
    layer: int
    first: int
    last: int
    start: int
    count: int


def pieces(plan: Plan, hidden: int, elements: int) -> list[Piece]:
    """Cut a plan so that no working array exceeds about ``elements`` values."""
    found: list[Piece] = []
    start, m = 0, plan.row_features.shape[1] // 2

    def add(grid: int | None, layer: int, first: int, last: int, count: int) -> None:
        nonlocal start
        found.append(Piece(grid, layer, first, last, start, count))
        start += count

    step = max(1, elements // hidden)  # their features are there already: only the product is made
    total = plan.row_features.shape[0]
    for first in range(0, total, step):
        last = min(first + step, total)
        add(None, 0, first, last, last - first)
    for number, grid in enumerate(plan.grids):
        half_rows, half_columns = grid.half
        each = (half_columns if grid.mode == "features" else 2 * hidden) * m
        if isinstance(grid.columns, Windows):
            each = max(max(v.numel() for v in part.right) for part in (grid.columns.cos, grid.columns.sin))
        step = max(1, min(elements // each, elements // (4 * half_columns * hidden)))
        for layer in range(len(grid.offsets)):
            for first in range(0, half_rows, step):
                last = min(first + step, half_rows)
                rows = 2 * (last - first) - (1 if first == 0 and grid.row_size % 2 else 0)
                add(number, layer, first, last, rows * grid.column_size)
    return found


def plan_index(plan: Plan, work: list[Piece]) -> Tensor:
    """Flat position of every row in plan order, int64 ``[N]``."""
    parts = []
    for piece in work:
        if piece.grid is None:
            parts.append(plan.row_index[piece.first : piece.last])
            continue
        grid = plan.grids[piece.grid]
        halves = []
        for size, first, last in (
            (grid.row_size, piece.first, piece.last),
            (grid.column_size, 0, (grid.column_size + 1) // 2),
        ):
            half = (size + 1) // 2
            up = torch.arange(first, last)
            skip = 1 if first == 0 and size % 2 else 0
            halves.append((size - half + up, half - 1 - up[skip:]))
        for row in halves[0]:
            for column in halves[1]:
                flat = row[:, None] * grid.row_stride + column * grid.column_stride
                parts.append(flat.reshape(-1).to(plan.row_index.device) + grid.offsets[piece.layer])
    return torch.cat(parts)


class FourierProjection:
    """One evaluation of ``features @ weight.T + bias`` over a plan, piece by piece, in either direction.

    Args:
        plan: the grids and their factors.
        weight: ``[h, 2m]``, cosine columns first.
        bias: ``[h]`` or None.
        low: half-precision dtype of the products, or None; factors and phases stay in float32.
        kernels: the compiled kernels, for grids with windows, or None.
    """

    def __init__(
        self,
        plan: Plan,
        weight: Tensor,
        bias: Tensor | None,
        low: torch.dtype | None = None,
        kernels: Kernels | None = None,
    ) -> None:
        self.plan, self.weight, self.bias, self.low = plan, weight, bias, low
        self.m = weight.shape[1] // 2
        self._at: tuple[int, int] | None = None
        self._rotated: tuple[Tensor, Tensor] = (weight[:, : self.m], weight[:, self.m :])
        self._grads: tuple[Tensor, Tensor] | None = None
        self.grad_weight: Tensor | None = None
        self.grad_bias: Tensor | None = None
        self._fused = None if kernels is None else FusedWindows(kernels, weight, bias)

    # -- forward ---------------------------------------------------------------------------------------------

    def forward(self, piece: Piece) -> Tensor:
        """Return the rows of ``piece``, shape ``[count, h]``."""
        if piece.grid is None:
            rows = self._mm(self.plan.row_features[piece.first : piece.last], self.weight.t())
            return rows if self.bias is None else rows + self.bias
        if self._fused is not None and isinstance(self.plan.grids[piece.grid].columns, Windows):
            return self._fused.forward(self.plan.grids[piece.grid], piece.layer, piece.first, piece.last, piece.count)
        grid = self._enter(piece)
        p = self._products(grid, piece)
        if self.bias is not None:
            p[0] += self.bias
        out = torch.empty(piece.count, self.weight.shape[0], dtype=self.weight.dtype, device=self.weight.device)
        total, apart = p[0] + p[1], p[0].sub_(p[1])
        odd, crossed = p[2] - p[3], p[2].add_(p[3])
        terms = ((total, odd, 1), (total, odd, -1), (apart, crossed, 1), (apart, crossed, -1))
        for (target, upper, right), (even, other, sign) in zip(self._segments(grid, piece, out), terms, strict=True):
            torch.add(even[upper, right], other[upper, right], alpha=sign, out=target)
        return out

    def _products(self, grid: Grid, piece: Piece) -> list[Tensor]:
        """P1 .. P4, each ``[rows, columns, h]`` over the quarter grid of ``piece``."""
        wc, ws = self._rotated
        n, h = piece.last - piece.first, self.weight.shape[0]
        ca, sa = grid.rows.cos[piece.first : piece.last], grid.rows.sin[piece.first : piece.last]
        half = grid.columns
        if isinstance(half, Windows):
            quads = ((half.cos, ca, wc), (half.cos, sa, ws), (half.sin, ca, ws), (half.sin, sa, wc))
            return [part.product(row, w, self._mm) for part, row, w in quads]
        if isinstance(half, Factor) and grid.mode == "features":
            quarter = torch.empty(n, half.cos.shape[0], self.m, dtype=ca.dtype, device=ca.device)
            found = []
            for row, column, w in ((ca, half.cos, wc), (sa, half.cos, ws), (ca, half.sin, ws), (sa, half.sin, wc)):
                torch.mul(row[:, None], column, out=quarter)
                found.append(self._mm(quarter.view(-1, self.m), w.t()).view(n, -1, h))
            return found
        scaled = torch.empty(2, n, h, self.m, dtype=ca.dtype, device=ca.device)
        found = []
        for axis, first, second in zip(_axis(half), (wc, ws), (ws, wc), strict=True):
            torch.mul(first, ca[:, None], out=scaled[0])
            torch.mul(second, sa[:, None], out=scaled[1])
            if isinstance(axis, tuple):
                u, v = axis
                inner = self._mm(scaled.view(-1, self.m), v.t()).view(2 * n, h, -1)
                product = self._bmm(u.expand(2 * n, *u.shape), inner.transpose(1, 2))
            else:
                product = self._mm(scaled.view(-1, self.m), axis.t()).view(2 * n, h, -1).transpose(1, 2).contiguous()
            found += [product[:n], product[n:]]
        return found

    # -- backward --------------------------------------------------------------------------------------------

    def backward(self, piece: Piece, grad: Tensor) -> None:
        """Accumulate the gradients of weight and bias from ``grad [count, h]``; factors are formed again."""
        if self.grad_weight is None:
            self.grad_weight = torch.zeros_like(self.weight)
            self.grad_bias = None if self.bias is None else torch.zeros_like(self.bias)
        if self.grad_bias is not None:
            self.grad_bias += grad.sum(0)
        if piece.grid is None:
            features = self.plan.row_features[piece.first : piece.last]
            self._add(self.grad_weight, grad.t(), features)
            return
        if self._fused is not None and isinstance(self.plan.grids[piece.grid].columns, Windows):
            self._fused.backward(self.plan.grids[piece.grid], piece.layer, piece.first, piece.last, grad)
            return
        grid = self._enter(piece)
        if self._grads is None:
            self._grads = (torch.zeros_like(self._rotated[0]), torch.zeros_like(self._rotated[1]))
        parts = list(self._segments(grid, piece, grad))
        sums, differences = [], []
        for (plus, _, _), (minus, _, columns) in ((parts[0], parts[1]), (parts[2], parts[3])):
            both, apart = plus.clone(), plus.clone()
            both[:, columns] += minus
            apart[:, columns] -= minus
            sums.append(both)
            differences.append(apart)
        rows = parts[2][1]
        p1, p2, p3 = sums[0].clone(), sums[0], differences[0].clone()
        p4 = differences[0].neg_()
        p1[rows] += sums[1]
        p2[rows] -= sums[1]
        p3[rows] += differences[1]
        p4[rows] += differences[1]
        self._accumulate(grid, piece, (p1, p2, p3, p4))

    def _accumulate(self, grid: Grid, piece: Piece, p: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        assert self._grads is not None
        dc, ds = self._grads
        n, h = piece.last - piece.first, self.weight.shape[0]
        ca, sa = grid.rows.cos[piece.first : piece.last], grid.rows.sin[piece.first : piece.last]
        half = grid.columns
        if isinstance(half, Windows):
            parts, rows = (half.cos, half.cos, half.sin, half.sin), (ca, sa, ca, sa)
            for g, part, row, d in zip(p, parts, rows, (dc, ds, ds, dc), strict=True):
                part.accumulate(d, row, g, self._mm, self._add)
            return
        if isinstance(half, Factor) and grid.mode == "features":
            quarter = torch.empty(n, half.cos.shape[0], self.m, dtype=ca.dtype, device=ca.device)
            for g, row, column, d in zip(
                p, (ca, sa, ca, sa), (half.cos, half.cos, half.sin, half.sin), (dc, ds, ds, dc), strict=True
            ):
                torch.mul(row[:, None], column, out=quarter)
                self._add(d, g.reshape(-1, h).t(), quarter.view(-1, self.m))
            return
        for axis, pair, first, second in zip(_axis(half), (p[:2], p[2:]), (dc, ds), (ds, dc), strict=True):
            g = torch.cat(pair).transpose(1, 2)
            if isinstance(axis, tuple):
                u, v = axis
                scaled = self._mm(self._bmm(g, u.expand(2 * n, *u.shape)).view(2 * n * h, -1), v)
            else:
                scaled = self._mm(g.reshape(2 * n * h, -1), axis)
            scaled = scaled.view(2, n, h, self.m)
            for place in range(n):
                first.addcmul_(scaled[0, place], ca[place])
                second.addcmul_(scaled[1, place], sa[place])

    def finish(self) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of weight and bias once every piece has been through :meth:`backward`."""
        self._leave()
        assert self.grad_weight is not None
        if self._fused is not None and (more := self._fused.finish()) is not None:
            self.grad_weight += more
        return self.grad_weight, self.grad_bias

    # -- helpers ---------------------------------------------------------------------------------------------

    def _enter(self, piece: Piece) -> Grid:
        """Rotate the weight by the constant phase of the piece's layer, unless it is already."""
        assert piece.grid is not None
        grid = self.plan.grids[piece.grid]
        if self._at != (piece.grid, piece.layer):
            self._leave()
            self._at = (piece.grid, piece.layer)
            cos, sin = grid.phi[piece.layer].cos(), grid.phi[piece.layer].sin()
            wc, ws = self.weight[:, : self.m], self.weight[:, self.m :]
            if isinstance(grid.columns, Windows):
                wc, ws = (half.index_select(1, grid.columns.order) for half in (wc, ws))
            self._rotated = (torch.addcmul(wc * cos, ws, sin), torch.addcmul(ws * cos, wc, sin, value=-1))
        return grid

    def _leave(self) -> None:
        """Rotate the gradients gathered for one layer back and add them to the weight's."""
        if self._grads is not None and self._at is not None and self.grad_weight is not None:
            grid = self.plan.grids[self._at[0]]
            cos, sin = grid.phi[self._at[1]].cos(), grid.phi[self._at[1]].sin()
            dc, ds = self._grads
            of_cos, of_sin = torch.addcmul(dc * cos, ds, sin, value=-1), torch.addcmul(dc * sin, ds, cos)
            if isinstance(grid.columns, Windows):
                back = grid.columns.order.argsort()
                of_cos, of_sin = of_cos.index_select(1, back), of_sin.index_select(1, back)
            self.grad_weight[:, : self.m] += of_cos
            self.grad_weight[:, self.m :] += of_sin
        self._grads = None

    @staticmethod
    def _segments(grid: Grid, piece: Piece, rows: Tensor) -> Iterator[tuple[Tensor, slice, slice]]:
        """Views of ``rows`` for the four mirror images, with the part of the quarter grid that each covers."""
        n, c = piece.last - piece.first, grid.half[1]
        skip_row = 1 if piece.first == 0 and grid.row_size % 2 else 0
        skip_column = grid.column_size % 2
        start = 0
        for row in (0, skip_row):
            for column in (0, skip_column):
                count = (n - row) * (c - column)
                view = rows[start : start + count].view(n - row, c - column, rows.shape[1])
                yield view, slice(row, None), slice(column, None)
                start += count

    def _mm(self, a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
        if self.low is None:
            return product(a, b, plain=self._fused is None, out=out)
        low = a.to(self.low) @ b.to(self.low)
        return low.to(self.weight.dtype) if out is None else out.copy_(low)

    def _add(self, total: Tensor, a: Tensor, b: Tensor) -> None:
        """Add ``a @ b`` to ``total``."""
        if self.low is None:
            add_product(total, a, b, plain=self._fused is None)
        else:
            total += self._mm(a, b)

    def _bmm(self, a: Tensor, b: Tensor) -> Tensor:
        if self.low is None:
            return torch.bmm(a, b)
        return torch.bmm(a.to(self.low), b.to(self.low)).to(self.weight.dtype)


def _axis(half: Factor | Basis) -> tuple[Tensor | tuple[Tensor, Tensor], ...]:
    """Cosines and sines of half an axis, each as itself or as (U, V)."""
    return half.cos, half.sin
