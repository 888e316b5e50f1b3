"""Index blocks as grids of phases: the work plan of the factored first layer (design: numerics contract).

The phase of weight (i, j) is a sum over axes, so with rows i and columns j measured from the centres of their
axes, ``theta(+-i, +-j) = phi + (+-alpha_i) + (+-beta_j)``. A :class:`Grid` holds ``phi`` (one per layer), ``alpha``
for the upper half of the rows and ``beta`` for the upper half of the columns; :mod:`uhn.descriptors.kernels`
multiplies them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from uhn.descriptors.basis import leading_basis
from uhn.descriptors.blocks import IndexBlock
from uhn.descriptors.encodings import reduce_phase
from uhn.descriptors.sharing import Kept
from uhn.descriptors.windows import COUNTS, Windowed, expected_rank, sort_frequencies, windowed

T = TypeVar("T")

Mode = Literal["features", "weights", "basis", "windows"]

ELEMENTWISE = 40.0
"""Cost of one element of an elementwise pass, in floating-point operations of a matrix product (measured, CPU)."""

SMALL_BLOCK = 2048
"""Blocks up to this many weights may be multiplied row by row: their factor along the flattened axis is kept."""

FACTOR_ELEMENTS = 2**23
"""Values in a factor along rows or half of the columns beyond which another cut is preferred, if there is one."""

SMALL_PRODUCTS = 1.3
"""How much more an operation costs in the products of windows, which are smaller (measured, CPU)."""

PER_PIECE = 2e8
"""Cost of cutting one more block into a grid of its own, in the same unit: kernel launches and small products."""

Axes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Factor:
    """cos and sin of the phases of one half axis, float32 ``[n, m]``."""

    cos: Tensor
    sin: Tensor


@dataclass(frozen=True)
class Basis:
    """cos and sin of one half axis, each as ``U [n, r] @ V [r, m]`` in its leading basis."""

    cos: tuple[Tensor, Tensor]
    sin: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Windows:
    """Half of the columns by windows of frequencies; phi and the row factors of its grid are in ``order``."""

    order: Tensor
    cos: Windowed
    sin: Windowed


@dataclass(frozen=True)
class Grid:
    """Blocks of equal shape that differ only in their constant phase; ``mode`` says what the columns are."""

    offsets: tuple[int, ...]
    phi: Tensor
    rows: Factor
    columns: Factor | Basis | Windows
    row_size: int
    column_size: int
    row_stride: int
    column_stride: int
    mode: Mode

    @property
    def half(self) -> tuple[int, int]:
        """Rows and columns of the upper half of either axis."""
        return (self.row_size + 1) // 2, (self.column_size + 1) // 2


@dataclass(frozen=True)
class Plan:
    """All grids of a spec, and the small blocks as one list of rows with their own factors."""

    grids: tuple[Grid, ...]
    row_features: Tensor
    """``[rows, 2m]``: cosine and sine of each weight of the small blocks."""
    row_index: Tensor
    """Flat position of each of those rows, int64."""
    numel: int


@dataclass(frozen=True)
class _Split:
    """How a block is cut into rows and columns; ``leading`` says whether the rows are the leading axes."""

    rows: Axes
    columns: Axes
    leading: bool
    mode: Mode
    cost: float
    windows: int = 0


class Planner:
    """Builds the plan of a spec for one pair (ranges, encoding matrix).

    Args:
        scale: ``[10]`` float64, d(normalised)/d(index) of every field.
        centre: ``[10]`` float64, the index value that normalises to 0.
        matrix: ``[10, m]`` the encoding's matrix.
        hidden: width of the layer that will multiply (decides what is cheapest, never the result's meaning).
        kept: where the parts that depend on an axis alone are looked for and left.
        state: what they depend on besides, part of their keys.
    """

    def __init__(
        self, scale: Tensor, centre: Tensor, matrix: Tensor, hidden: int, kept: Kept | None = None, state: Any = None
    ) -> None:
        self._kept, self._state = kept or Kept(), state
        self.scale = scale
        self.centre = centre
        self.matrix = matrix.double()
        self.dtype = matrix.dtype
        self.hidden = hidden

    def plan(self, blocks: Sequence[IndexBlock]) -> Plan:
        """Group the blocks of a spec, cut each group where it costs least and form its factors."""
        groups: dict[object, list[IndexBlock]] = {}
        for block in blocks:
            groups.setdefault((block.axes, block.constants[1:]), []).append(block)
        grids, small = [], []
        for group in groups.values():
            split = self._choose(group[0])
            if split is None:
                small += group
            else:
                grids.append(self._grid(group, split))
        features, index = self._rows(sorted(small, key=lambda b: b.offset))
        return Plan(tuple(grids), features, index, sum(block.numel for block in blocks))

    def _choose(self, block: IndexBlock) -> _Split | None:
        m, h, n = self.matrix.shape[1], self.hidden, block.numel
        best: _Split | None = None
        cuts = [(block.axes[:cut], block.axes[cut:]) for cut in range(1, len(block.axes))]
        # a model with huge axes has large factors whatever the cut, and still must not be multiplied row by row
        smallest = min((_larger(*pair) for cut in cuts for pair in (cut, cut[::-1])), default=0)
        limit = max(FACTOR_ELEMENTS, smallest * m)
        for head, tail in cuts:
            for leading in (True, False):
                rows, columns = (head, tail) if leading else (tail, head)
                r, half = _size(rows), (_size(columns) + 1) // 2
                if _larger(rows, columns) * m > limit:
                    continue
                options: list[tuple[float, Mode]] = [
                    (4.0 * n * m * h + ELEMENTWISE * 2 * n * m, "features"),
                    (4.0 * n * m * h + ELEMENTWISE * 4 * r * m * h, "weights"),
                ]
                basis = self._basis(columns)
                if basis is not None:
                    rank = (basis.cos[0].shape[1] + basis.sin[0].shape[1]) / 2
                    options.append((8.0 * r * h * rank * (m + half) + ELEMENTWISE * 4 * r * m * h, "basis"))
                count, rank = self._windows(columns)
                if count:
                    work = 8.0 * r * h * rank * (m + half * count) * SMALL_PRODUCTS
                    options.append((work + ELEMENTWISE * 4 * r * rank * m, "windows"))
                cost, mode = min(options)
                if best is None or cost < best.cost:
                    best = _Split(rows, columns, leading, mode, cost, count)
        if best is not None and n <= SMALL_BLOCK and 8.0 * n * m * h < best.cost + PER_PIECE:
            return None
        return best

    def _windows(self, columns: Axes) -> tuple[int, float]:
        """The best number of windows for the frequencies of ``columns`` and their mean rank; 0 if there are none."""
        if len(columns) > 1 or self.dtype == torch.float64:
            return 0, 0.0
        (field, size), m = columns[0], self.matrix.shape[1]
        step, half = self.scale[field] * self.matrix[field], (size + 1) // 2
        ranks = [(count, expected_rank(step, size, count)) for count in COUNTS if count <= m]
        return min(ranks, key=lambda pair: pair[1] * (m + half * pair[0]), default=(0, 0.0))

    def _basis(self, columns: Axes) -> Basis | None:
        if len(columns) > 1 or columns[0][1] < 350 or self.dtype == torch.float64:
            return None  # bases are exact to float32 only
        return self._part(self._leading, columns)

    def _leading(self, columns: Axes) -> Basis:
        phase = self._half(columns)
        (a, b), (c, d) = leading_basis(phase.cos()), leading_basis(phase.sin())
        return Basis((a.to(self.dtype), b.to(self.dtype)), (c.to(self.dtype), d.to(self.dtype)))

    def _part(self, make: Callable[..., T], *of: Any) -> T:
        """``make(*of)``, or what another plan has left of it."""
        return self._kept.get((make.__name__, of, self._state), lambda: make(*of))

    def _half(self, axes: Axes) -> Tensor:
        """Phases of the upper half of the flattened axes, measured from their centre, float64 ``[n, m]``."""
        size = _size(axes)
        values = grid_values([(torch.arange(s, dtype=torch.float64) - (s - 1) / 2) for _, s in axes])
        values = values[size - (size + 1) // 2 :].to(self.matrix.device)
        weights = torch.stack([self.scale[f] * self.matrix[f] for f, _ in axes])
        return values @ weights

    def _factor(self, axes: Axes) -> Factor:
        phase = reduce_phase(self._half(axes)).to(self.dtype)
        return Factor(phase.cos(), phase.sin())

    def _grid(self, blocks: Sequence[IndexBlock], split: _Split) -> Grid:
        middle = torch.zeros(10, dtype=torch.float64, device=self.matrix.device)
        for position, size in blocks[0].axes:
            middle[position] = (size - 1) / 2
        constants = torch.tensor([b.constants for b in blocks], dtype=torch.float64, device=self.matrix.device) + middle
        phi = ((constants - self.centre) * self.scale) @ self.matrix
        phi = reduce_phase(phi).to(self.dtype)
        columns: Factor | Basis | Windows | None = self._basis(split.columns) if split.mode == "basis" else None
        if split.mode == "windows":
            columns = self._part(self._windowed, split.columns, split.windows)
            phi, rows = phi[:, columns.order], self._part(self._sorted, split.rows, split.columns)
        else:
            rows = self._part(self._factor, split.rows)
        if columns is None:
            columns = self._part(self._factor, split.columns)
        r, c = _size(split.rows), _size(split.columns)
        strides = (c, 1) if split.leading else (1, r)
        offsets = tuple(block.offset for block in blocks)
        return Grid(offsets, phi, rows, columns, r, c, *strides, split.mode)

    def _order(self, columns: Axes) -> Tensor:
        field = columns[0][0]
        return sort_frequencies(self.scale[field] * self.matrix[field])

    def _sorted(self, rows: Axes, columns: Axes) -> Factor:
        """Factors of the rows with the frequencies in the order of the columns' windows."""
        factor, order = self._factor(rows), self._order(columns)
        return Factor(factor.cos[:, order], factor.sin[:, order])

    def _windowed(self, columns: Axes, count: int) -> Windows:
        order = self._order(columns)
        phase = self._half(columns)[:, order]
        return Windows(order, windowed(phase.cos(), count, self.dtype), windowed(phase.sin(), count, self.dtype))

    def _rows(self, blocks: Sequence[IndexBlock]) -> tuple[Tensor, Tensor]:
        m, device = self.matrix.shape[1], self.matrix.device
        if not blocks:
            return torch.empty(0, 2 * m, dtype=self.dtype, device=device), torch.empty(
                0, dtype=torch.int64, device=device
            )
        table, index = [], []
        for block in blocks:
            rows = torch.tensor(block.constants, dtype=torch.float64).repeat(block.numel, 1)
            values = grid_values([torch.arange(s, dtype=torch.float64) for _, s in block.axes])
            for column, (position, _) in enumerate(block.axes):
                rows[:, position] = values[:, column]
            table.append(rows)
            index.append(torch.arange(block.offset, block.offset + block.numel))
        normal = (torch.cat(table).to(device) - self.centre) * self.scale
        phase = reduce_phase(normal @ self.matrix).to(self.dtype)
        return torch.cat([phase.cos(), phase.sin()], dim=1), torch.cat(index).to(device)


def _size(axes: Axes) -> int:
    return math.prod(size for _, size in axes)


def _larger(rows: Axes, columns: Axes) -> int:
    """The longer of the rows and half of the columns."""
    return max(_size(rows), (_size(columns) + 1) // 2)


def grid_values(axes: Sequence[Tensor]) -> Tensor:
    """All combinations of the axes' values, first axis slowest: ``[prod, number of axes]``."""
    return torch.stack([g.reshape(-1) for g in torch.meshgrid(*axes, indexing="ij")], dim=1)
