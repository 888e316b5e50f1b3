"""A linear map and its adjoint, each the other's derivative: any order of gradients, forward mode, ``vmap`` follow."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from uhn.transforms import never_traced


@runtime_checkable
class LinearMap(Protocol):
    """``rows = features @ weight.T + bias`` for features that are never formed."""

    def rows(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """``[h, width]`` and ``[h]`` to ``[N, h]``."""
        ...

    def adjoint(self, grad: Tensor, biased: bool) -> tuple[Tensor, Tensor]:
        """``[N, h]`` to ``[h, width]`` and, if ``biased``, ``[h]``."""
        ...


def mapped_rows(given: LinearMap, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``given.rows(weight, bias)``, differentiable in both, any number of times."""
    rows: Tensor = _Rows.apply(given, weight, bias)  # type: ignore[no-untyped-call]
    return rows


class _Rows(torch.autograd.Function):
    @staticmethod
    @never_traced
    def forward(given: LinearMap, weight: Tensor, bias: Tensor | None) -> Tensor:
        return given.rows(weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.given, weight, bias = inputs
        ctx.shape, ctx.has_bias = weight.shape, bias is not None

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, Tensor | None]:
        weight, bias = _Adjoint.apply(ctx.given, grad, ctx.has_bias)  # type: ignore[no-untyped-call]
        return None, weight, bias if ctx.has_bias else None

    @staticmethod
    def jvp(ctx: Any, _: None, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        if weight is None:
            assert bias is not None
            weight = bias.new_zeros(ctx.shape)
        return mapped_rows(ctx.given, weight, bias)

    @staticmethod
    def vmap(
        info: Any, dims: tuple[int | None, ...], given: LinearMap, weight: Tensor, bias: Tensor | None
    ) -> tuple[Tensor, int]:
        """The weights below each other are one of more rows."""
        wide = _front(weight, dims[1], info.batch_size).flatten(0, 1)
        shift = None if bias is None else _front(bias, dims[2], info.batch_size).flatten()
        rows = mapped_rows(given, wide, shift)
        return rows.view(rows.shape[0], info.batch_size, -1), 1


class _Adjoint(torch.autograd.Function):
    @staticmethod
    @never_traced
    def forward(given: LinearMap, grad: Tensor, biased: bool) -> tuple[Tensor, Tensor]:
        return given.adjoint(grad, biased)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.given, _, ctx.biased = inputs

    @staticmethod
    def backward(ctx: Any, weight: Tensor, bias: Tensor) -> tuple[None, Tensor, None]:
        return None, mapped_rows(ctx.given, weight, bias if ctx.biased else None), None

    @staticmethod
    def jvp(ctx: Any, _: None, grad: Tensor, __: None) -> tuple[Tensor, Tensor]:
        weight, bias = _Adjoint.apply(ctx.given, grad, ctx.biased)  # type: ignore[no-untyped-call]
        return weight, bias

    @staticmethod
    def vmap(
        info: Any, dims: tuple[int | None, ...], given: LinearMap, grad: Tensor, biased: bool
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        wide = _front(grad, dims[1], info.batch_size).transpose(0, 1).flatten(1)
        weight, bias = _Adjoint.apply(given, wide, biased)  # type: ignore[no-untyped-call]
        size = (info.batch_size, -1 if biased else 0)
        return (weight.view(info.batch_size, -1, weight.shape[1]), bias.view(size)), (0, 0)


def _front(x: Tensor, dim: int | None, size: int) -> Tensor:
    """``x`` with the mapped axis first, whether or not it has one."""
    return x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)
