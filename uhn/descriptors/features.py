"""A spec's index descriptors, encoded: a value with ``project`` (factored, the hot path) and ``dense`` (for tests)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from uhn.descriptors.batched import project_whole
from uhn.descriptors.blocks import index_blocks, index_table
from uhn.descriptors.encodings import Encoding, GaussianFourier
from uhn.descriptors.frozen import CACHE
from uhn.descriptors.grids import Plan, Planner
from uhn.descriptors.hashgrid import HashGrid, HashProjection, hash_pieces
from uhn.descriptors.kernels import FourierProjection, pieces, plan_index
from uhn.descriptors.maps import mapped_rows
from uhn.descriptors.ranges import EPSILON, Ranges
from uhn.descriptors.sharing import Kept
from uhn.descriptors.tables import TableProjection, table_pieces
from uhn.kernels.compiled import Kernels
from uhn.models.spec import ModelSpec
from uhn.transforms import forming, wrapped

WORKING_ELEMENTS = 2**21
"""Values in one working array of the projection on a CPU; a GPU takes 64 times as many."""

PLANNED_WIDTH = 128
"""Width of the multiplying layer for which work is counted; any width is computed correctly."""

KEPT_WHOLE = 64
"""Specs that are kept on a device where their features are formed whole; elsewhere bytes are the bound."""


@runtime_checkable
class Projection(Protocol):
    """One evaluation of the first layer, piece by piece, in either direction."""

    def forward(self, piece: Any) -> Tensor:
        """Rows of one piece, ``[count, h]``."""
        ...

    def backward(self, piece: Any, grad: Tensor) -> None:
        """Accumulate gradients from ``[count, h]``."""
        ...

    def finish(self) -> tuple[Tensor, Tensor | None]:
        """Gradients of weight and bias."""
        ...


class IndexFeatures:
    """Encoded index descriptors of every weight of a spec, shape ``[N, width]``, never formed.

    Rows come in *plan order* (neighbours on a grid stay together); :meth:`to_flat` puts values back in flat order.

    Args:
        spec: the model.
        ranges: what normalises its descriptors.
        encoding: what encodes them.
        whole: all features at once and one product (see :mod:`uhn.descriptors.batched`); None: on a GPU.
        shared: what the encoding keeps, and under which key this is there.
    """

    def __init__(
        self,
        spec: ModelSpec,
        ranges: Ranges,
        encoding: Encoding,
        whole: bool | None = None,
        shared: tuple[Kept, Any] | None = None,
    ) -> None:
        self._shared: Kept = shared[0] if shared else Kept()
        self._key: Any = shared[1] if shared else None
        self.spec, self.ranges, self.encoding = spec, ranges, encoding
        with forming():
            buffer = next(iter(encoding.buffers()), torch.empty(0))
            self.device = buffer.device
            self._formed_from = buffer.detach()  # keeps the address, by which the cache knows it, from being used again
            low = torch.tensor(ranges.index_min, dtype=torch.float64, device=self.device)
            high = torch.tensor(ranges.index_max, dtype=torch.float64, device=self.device)
            self.centre = (low + high) / 2
            self.scale = ((high - low).square() / 12 + EPSILON).rsqrt()
        self.whole = self.device.type == "cuda" if whole is None else whole
        self.whole = self.whole and not isinstance(encoding, HashGrid)  # its features are not numbers to be formed
        self.kept: dict[tuple[torch.dtype, torch.device], Tensor] = {}
        self._blocks = index_blocks(spec)
        self._plan: tuple[Plan | None, Sequence[Any], Tensor | None] | None = None

    @classmethod
    def of(cls, spec: ModelSpec, ranges: Ranges, encoding: Encoding, whole: bool | None = None) -> IndexFeatures:
        """Return the features of ``spec``; factors are cached on the encoding, per (spec, ranges).

        An encoding made under ``torch.inference_mode`` keeps nothing: no one counts the changes of its buffer.
        """
        buffer = next(iter(encoding.buffers()), None)
        if buffer is not None and wrapped(buffer):
            raise ValueError(
                "a transform wants to differentiate or map the frozen Fourier matrix: give functional_call the "
                "generator's parameters, not its buffers"
            )
        if buffer is not None and buffer.is_inference():
            return cls(spec, ranges, encoding, whole)
        kept: Kept = encoding.__dict__.setdefault(CACHE, Kept(encoding.cache_mib))
        state = None if buffer is None else (buffer.data_ptr(), buffer._version, buffer.dtype)
        if buffer is not None:
            kept.formed_from.setdefault(state, buffer.detach())
        key = (spec.hash, ranges, whole, state)
        found = kept.get(key, lambda: cls(spec, ranges, encoding, whole, (kept, key)))
        while found.whole and kept.count(cls) > KEPT_WHOLE:
            kept.drop()
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled without what it has formed."""
        return IndexFeatures, (self.spec, self.ranges, self.encoding, self.whole)

    @cached_property
    def table(self) -> Tensor:
        """Index descriptors in flat order, int32 ``[N, 10]``."""
        with forming():
            return index_table(self.spec).to(self.device)

    @property
    def shape(self) -> tuple[int, int]:
        """(number of weights N, width of the features)."""
        return self.spec.num_params, self.encoding.width

    def dense(self) -> Float[Tensor, "N width"]:
        """Form all features in plan order: the straightforward way, for tests and tiny models."""
        whole = isinstance(self.encoding, HashGrid)
        features = self.encoding(self.table if whole else self.ranges.normalise_index(self.table))
        order = self.order
        return features if order is None else features[order]

    def project(self, weight: Float[Tensor, "h width"], bias: Tensor | None) -> Float[Tensor, "N h"]:
        """Return ``features @ weight.T + bias``, shape ``[N, h]`` in plan order, differentiable in both.

        Raises:
            ValueError: if the weight's columns are not the width of the features.
        """
        if weight.shape[1] != self.encoding.width:
            raise ValueError(f"project wants a weight of {self.encoding.width} columns, got shape {list(weight.shape)}")
        dtype = weight.dtype if low_precision(weight) else self.working_dtype(weight)
        wide, shift = weight.to(dtype), None if bias is None else bias.to(dtype)
        if self.whole:
            return project_whole(self, wide, shift, low_precision(weight)).to(weight.dtype)
        return mapped_rows(_Factored(self, low_precision(weight)), wide, shift).to(weight.dtype)

    def working_dtype(self, weight: Tensor) -> torch.dtype:
        """In what the first layer is computed: as the Fourier matrix is, else as ``weight`` is, float32 at least."""
        if isinstance(self.encoding, GaussianFourier):
            return self.encoding.matrix.dtype
        return torch.promote_types(weight.dtype, torch.float32)

    @property
    def work(self) -> Sequence[Any]:
        """Pieces of the projection, in plan order."""
        return self._planned()[1]

    def projection(
        self, weight: Tensor, bias: Tensor | None, low: torch.dtype | None = None, kernels: Kernels | None = None
    ) -> Projection:
        """Return the evaluation of the first layer for these weights (see :class:`Projection`)."""
        if isinstance(self.encoding, HashGrid):
            return HashProjection(weight, bias)
        if not isinstance(self.encoding, GaussianFourier):
            return TableProjection(self.encoding, self.scale, self.centre, weight, bias)
        plan = self._planned()[0]
        assert plan is not None
        return FourierProjection(plan, weight, bias, low, kernels)

    @property
    def order(self) -> Tensor | None:
        """Flat position of each row in plan order, int64 ``[N]``; None if plan order is flat order."""
        return self._planned()[2]

    def to_flat(self, values: Float[Tensor, "*K N"]) -> Float[Tensor, "*K N"]:
        """Put one value per row, in plan order along the last axis, into flat order."""
        order = self.order
        return values if order is None else torch.empty_like(values).index_copy(-1, order, values)

    def _planned(self) -> tuple[Plan | None, Sequence[Any], Tensor | None]:
        if self._plan is None:
            with forming():
                self._plan = self._made()
            self._shared.weigh(self._key, self._plan)
        return self._plan

    def _made(self) -> tuple[Plan | None, Sequence[Any], Tensor | None]:
        if self.whole:
            return None, (), None
        if isinstance(self.encoding, HashGrid):
            return None, hash_pieces(self.encoding, index_table(self.spec)), None
        if not isinstance(self.encoding, GaussianFourier):
            return None, table_pieces(self._blocks), None
        kept, state = self._shared, self._key and self._key[1:]
        planner = Planner(self.scale, self.centre, self.encoding.matrix, PLANNED_WIDTH, kept, state)
        plan = planner.plan(self._blocks)
        elements = WORKING_ELEMENTS * (1 if self.device.type == "cpu" else 64)
        work = pieces(plan, PLANNED_WIDTH, elements)
        return plan, work, plan_index(plan, work)


@dataclass(frozen=True)
class _Factored:
    """The factored product, whose adjoint forms the factors' products again instead of keeping them."""

    features: IndexFeatures
    low: torch.dtype | None

    def rows(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        projection = self.features.projection(weight, bias, self.low)
        parts = [projection.forward(piece) for piece in self.features.work]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def adjoint(self, grad: Tensor, biased: bool) -> tuple[Tensor, Tensor]:
        weight = grad.new_zeros(grad.shape[1], self.features.encoding.width)  # a linear map: it takes no part
        projection = self.features.projection(weight, grad.new_zeros(grad.shape[1]) if biased else None, self.low)
        grad = grad.contiguous()
        for piece in self.features.work:
            projection.backward(piece, grad[piece.start : piece.start + piece.count])
        total, shift = projection.finish()
        return total, grad.new_zeros(0) if shift is None else shift


def low_precision(like: Tensor) -> torch.dtype | None:
    """The half-precision dtype that autocast asks for on the device of ``like``, or None."""
    kind = like.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
