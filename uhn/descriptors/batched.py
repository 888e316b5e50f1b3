"""The first layer on a GPU: features formed once, in big chunks, and one dense product.

Small products in many steps, which pay on a CPU, leave a GPU waiting for its host: there the features of all weights
are formed from phases that are exact in float64, kept for as long as they fit, and multiplied at once. Rows come in
flat order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import ref

import torch
from torch import Tensor

from uhn.descriptors.encodings import GaussianFourier
from uhn.descriptors.maps import LinearMap, mapped_rows
from uhn.transforms import forming

if TYPE_CHECKING:
    from uhn.descriptors.features import IndexFeatures

KEPT_BYTES = 16 * 2**30
"""Features that are kept from step to step at most, and a sixth of a GPU's memory; those of a larger
model are formed in each pass."""

CHUNK_ELEMENTS = 2**26
"""Values of a chunk of features (its float64 phases take several times its memory)."""

_HOLDERS: list[ref[IndexFeatures]] = []
"""Whose features are kept, the last used last."""


def project_whole(features: IndexFeatures, weight: Tensor, bias: Tensor | None, low: torch.dtype | None) -> Tensor:
    """Return ``features @ weight.T + bias``, shape ``[N, h]``, in the dtype of ``weight``; differentiable in both.

    Args:
        features: encoded index descriptors.
        weight: ``[h, width]``.
        bias: ``[h]`` or None.
        low: half-precision dtype of the product, or None. Features that are not Fourier's stay in full precision:
            neighbours would collide.
    """
    dtype = _rounded(features, low) or weight.dtype
    with torch.autocast(weight.device.type, enabled=False):
        kept = keep(features, dtype, weight.device)
        if kept is None:
            out = mapped_rows(_Chunks(features, dtype), weight.to(dtype), None)
        else:
            out = torch.mm(kept, weight.to(dtype).t())
        return out.to(weight.dtype) if bias is None else out.to(weight.dtype) + bias


def first_layer(features: IndexFeatures, low: torch.dtype | None, device: torch.device) -> LinearMap:
    """The same product without its bias and its adjoint, in ``low`` or float32."""
    dtype = _rounded(features, low) or torch.float32
    kept = keep(features, dtype, device)
    return _Chunks(features, dtype) if kept is None else _Kept(kept)


def _rounded(features: IndexFeatures, low: torch.dtype | None) -> torch.dtype | None:
    return low if isinstance(features.encoding, GaussianFourier) else None


def keep(features: IndexFeatures, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """Features ``[N, width]`` in ``dtype``, kept for the next call; None if they take more than :data:`KEPT_BYTES`."""
    rows, width = features.shape
    size, limit = rows * width * dtype.itemsize, KEPT_BYTES
    if device.type == "cuda":
        limit = min(limit, torch.cuda.get_device_properties(device).total_memory // 6)
    if size > limit or any(buffer.is_inference() for buffer in features.encoding.buffers()):
        return None
    others = [other for holder in _HOLDERS if (other := holder()) is not None and other is not features]
    if (dtype, device) not in features.kept:
        used = [sum(t.numel() * t.element_size() for t in other.kept.values()) for other in (*others, features)]
        for number, other in enumerate((*others, features)):
            if size + sum(used[number:]) > limit:
                other.kept.clear()
        with forming():
            made = torch.empty(rows, width, dtype=dtype, device=device)
            for first, last in chunks(rows, width):
                made[first:last] = form(features, first, last)
        features.kept[dtype, device] = made
    _HOLDERS[:] = [ref(other) for other in (*others, features)]
    return features.kept[dtype, device]


def form(features: IndexFeatures, first: int, last: int) -> Tensor:
    """Features of rows ``first .. last`` in flat order, from phases in float64."""
    encoded: Tensor = features.encoding((features.table[first:last] - features.centre) * features.scale)
    return encoded


def chunks(rows: int, width: int) -> list[tuple[int, int]]:
    """Parts of ``rows`` of about :data:`CHUNK_ELEMENTS` features each."""
    step = max(1, CHUNK_ELEMENTS // width)
    return [(first, min(first + step, rows)) for first in range(0, rows, step)]


@dataclass(frozen=True)
class _Kept:
    """The product with features that are kept."""

    kept: Tensor

    def rows(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        return torch.mm(self.kept, weight.to(self.kept.dtype).t())

    def adjoint(self, grad: Tensor, biased: bool) -> tuple[Tensor, Tensor]:
        return torch.mm(grad.to(self.kept.dtype).t(), self.kept), grad.new_zeros(0)


@dataclass(frozen=True)
class _Chunks:
    """The product with features that are formed chunk by chunk, in the backward pass again."""

    features: IndexFeatures
    dtype: torch.dtype

    def rows(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        out = torch.empty(self.features.shape[0], weight.shape[0], dtype=self.dtype, device=weight.device)
        for first, last in chunks(*self.features.shape):
            torch.mm(form(self.features, first, last).to(out), weight.to(out).t(), out=out[first:last])
        return out

    def adjoint(self, grad: Tensor, biased: bool) -> tuple[Tensor, Tensor]:
        total = torch.zeros(grad.shape[1], self.features.shape[1], device=grad.device, dtype=torch.float32)
        total = total.to(torch.promote_types(self.dtype, torch.float32))
        for first, last in chunks(*self.features.shape):
            rows = form(self.features, first, last).to(grad)
            total += grad[first:last].t() @ rows
        return total.to(self.dtype), grad.new_zeros(0)
