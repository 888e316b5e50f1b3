"""Frequencies of one axis in windows: along an axis of n entries, those in a window of width w span about n w / 2 pi
dimensions and a few more, fewer than there are entries.

With the frequencies sorted by their phase a step (modulo 2 pi, sign ignored) and cut into windows b, half an axis is
``cos(beta)[:, b] = U_b V_b``. The sum over frequencies of ``row * W * cos(beta)`` is then a product of the window's
``row * V_b`` with ``W[:, b]``, and one with all U side by side: for the 64 channels of a convolution a third of the
operations. Where windows pay is for :mod:`uhn.descriptors.grids` to count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uhn.descriptors.basis import leading_basis

TAIL = 7
"""Dimensions of a window beyond n w / 2 pi, at the tolerance of the bases (measured)."""

COUNTS = (2, 4, 8, 16)
"""Numbers of windows that are considered."""

Product = Callable[..., Tensor]
"""``mm(a, b, out=None) -> a @ b``, in the precision of the run."""

Add = Callable[[Tensor, Tensor, Tensor], None]
"""``add(total, a, b)``: ``total += a @ b``."""


@dataclass(frozen=True)
class Windowed:
    """Cosines or sines of half an axis, ``[n, m]``, by window; frequencies in the order of :func:`sort_frequencies`."""

    left: Tensor
    """All U side by side, ``[n, K]``."""
    right: tuple[Tensor, ...]
    """V of each window, ``[k, frequencies]``."""

    def parts(self) -> Iterator[tuple[slice, slice, Tensor]]:
        """(its rows of K, its frequencies, V) of every window."""
        row, column = 0, 0
        for v in self.right:
            yield slice(row, row + v.shape[0]), slice(column, column + v.shape[1]), v
            row, column = row + v.shape[0], column + v.shape[1]

    def product(self, rows: Tensor, weight: Tensor, mm: Product) -> Tensor:
        """Sum over frequencies of ``rows [r, m] * weight [h, m] * self [n, m]``, a view of shape ``[r, n, h]``."""
        r, h = rows.shape[0], weight.shape[0]
        inner = torch.empty(self.left.shape[1], r, h, dtype=weight.dtype, device=weight.device)
        for place, window, scaled in self._scaled(rows):
            mm(scaled, weight[:, window].t(), out=inner[place].view(-1, h))
        return mm(self.left, inner.view(-1, r * h)).view(-1, r, h).transpose(0, 1)

    def accumulate(self, total: Tensor, rows: Tensor, grad: Tensor, mm: Product, add: Add) -> None:
        """Add to ``total [h, m]`` the weight's gradient in :meth:`product` for ``grad [r, n, h]``."""
        r, n, h = grad.shape
        inner = mm(self.left.t(), grad.transpose(0, 1).reshape(n, r * h)).view(-1, r, h)
        for place, window, scaled in self._scaled(rows):
            add(total[:, window], inner[place].view(-1, h).t(), scaled)

    def _scaled(self, rows: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
        """(rows of K, frequencies, V scaled by every row ``[k r, frequencies]``) of every window."""
        for place, window, v in self.parts():
            yield place, window, (v[:, None] * rows[:, window]).view(-1, v.shape[1])


def sort_frequencies(step: Tensor) -> Tensor:
    """Order of the frequencies by their phase a step of the axis ``[m]``, modulo 2 pi and without sign, int64."""
    return fold(step).argsort(stable=True)


def fold(step: Tensor) -> Tensor:
    """Phases modulo 2 pi without sign, between 0 and pi: cosine and sine along an axis differ in sign only."""
    return (step - (2 * math.pi) * torch.round(step / (2 * math.pi))).abs()


def expected_rank(step: Tensor, size: int, count: int) -> float:
    """Mean rank of ``count`` windows on an axis of ``size`` entries, estimated; at most half of them."""
    place = fold(step)
    return min((size + 1) // 2, float(place.max() - place.min()) * size / (2 * math.pi) / count + TAIL)


def windowed(values: Tensor, count: int, dtype: torch.dtype) -> Windowed:
    """Write ``values [n, m]`` (float64, frequencies sorted) by ``count`` windows of equally many frequencies."""
    pairs = [leading_basis(part) for part in values.tensor_split(count, dim=1)]
    return join(pairs, dtype)


def join(pairs: Sequence[tuple[Tensor, Tensor]], dtype: torch.dtype) -> Windowed:
    """Put the windows' (U, V) together in ``dtype``."""
    left = torch.cat([u for u, _ in pairs], dim=1).to(dtype)
    return Windowed(left, tuple(v.to(dtype).contiguous() for _, v in pairs))
