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
from uhn.vocabulary import ACTIVATION_NAMES, OPEN, Activation, AnyActivation, OpenActivation


def activation_setting(layer: Layer) -> None:
    """Check ``activation`` and ``activation_param`` together; a name, such as ``"relu"``, becomes both.

    Raises:
        ValueError: for an unknown activation, a parameter that is not finite, or one that the activation ignores
            (it would change the descriptor, and so the generated weights, but not the layer).
    """
    kind, value = layer.activation, layer.activation_param  # type: ignore[attr-defined]
    who = type(layer).__name__
    name = f"{who}.activation_param"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    if isinstance(kind, str):
        if kind not in ACTIVATION_NAMES:
            raise ValueError(f"{who}.activation must be one of {', '.join(ACTIVATION_NAMES)}, got {kind!r:.100}")
        if kind == "relu" and value != 0:
            raise ValueError(f"{name} must be 0 for activation 'relu', which is leaky_relu of slope 0; got {value!r}")
        number, own = ACTIVATION_NAMES[kind]
        value = value or own
        object.__setattr__(layer, "activation", number)
        object.__setattr__(layer, "activation_param", value)
    else:
        opened = isinstance(kind, int) and not isinstance(kind, bool) and kind >= OPEN
        category(layer, "activation", OpenActivation if opened else Activation)
    kind = layer.activation  # type: ignore[attr-defined]
    if value != 0 and kind not in (Activation.LEAKY_RELU, Activation.ELU):
        raise ValueError(f"{name} must be 0 for activation {kind.name}, which has no parameter; got {value!r}")


def usual_param(activation: AnyActivation, given: float | None, usual: float) -> float:
    """The parameter that a family gives its layers: what was asked for, else the usual one where it has any."""
    if given is not None:
        return given
    return usual if activation in (Activation.LEAKY_RELU, Activation.ELU) else 0.0


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
