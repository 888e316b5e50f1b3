"""Checks that several layers share: of settings at construction, and of tensors where a bad one would go unnoticed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from uhn.layers.base import Layer, category
from uhn.transforms import mapped, traced
from uhn.vocabulary import Activation


def activation_setting(layer: Layer) -> None:
    """Check ``activation`` and ``activation_param`` together.

    Raises:
        ValueError: for an unknown activation, a parameter that is not finite, or one that the activation ignores
            (it would change the descriptor, and so the generated weights, but not the layer).
    """
    category(layer, "activation", Activation)
    kind, value = layer.activation, layer.activation_param  # type: ignore[attr-defined]
    name = f"{type(layer).__name__}.activation_param"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    if value != 0 and kind in (Activation.NONE, Activation.SILU):
        raise ValueError(f"{name} must be 0 for activation {kind.name}, which has no parameter; got {value!r}")


_TRUSTED: ContextVar[bool] = ContextVar("values were checked before", default=False)


@contextmanager
def trusted(values: bool = True) -> Iterator[None]:
    """Within it, the values of tensors are taken as checked: to look at them, a host would wait for its device."""
    token = _TRUSTED.set(values)
    try:
        yield
    finally:
        _TRUSTED.reset(token)


def unchecked(values: Tensor) -> bool:
    """Whether a tensor's values must not be looked at: a graph is :func:`traced`, ``vmap`` hides some of them, or they
    are :func:`trusted`."""
    return traced() or _TRUSTED.get() or mapped(values)


def indices_below(values: Tensor, limit: int, what: str) -> None:
    """Raise ``ValueError`` unless the integers in ``values`` (any shape) lie in ``[0, limit)``.

    One pass over the values; skipped where :func:`unchecked`.
    """
    if values.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"{what} must be int64, got {values.dtype}")
    if values.numel() == 0 or unchecked(values):
        return
    low, high = (int(value) for value in torch.aminmax(values))
    if low < 0 or high >= limit:
        raise ValueError(f"{what} must lie in [0, {limit}), got values from {low} to {high}")


def numbers(layer: Layer, x: Tensor) -> None:
    """Raise ``ValueError`` unless ``x`` holds floating-point numbers."""
    if not x.is_floating_point():
        raise ValueError(f"{type(layer).__name__} wants inputs of floating-point numbers, got {x.dtype}")


def last_axis(layer: Layer, x: Tensor, size: int) -> None:
    """Raise ``ValueError`` unless ``x`` holds floating-point numbers, ``size`` on its last axis."""
    numbers(layer, x)
    if x.dim() < 2 or x.shape[-1] != size:
        raise ValueError(f"{type(layer).__name__} wants {size} inputs on the last axis, got shape {tuple(x.shape)}")
