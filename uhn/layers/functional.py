"""Parameter-free functions that layers share. Norms have no affine part: nothing is generated for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from uhn.vocabulary import Activation, AnyActivation, InputPooling, OpenActivation

NORM_EPS = 1e-5

POOLED_AXES: Final = {
    InputPooling.AVG_POOL: 4,
    InputPooling.MAX_POOL: 4,
    InputPooling.AVG_SEQUENCE: 3,
    InputPooling.FIRST_TOKEN: 3,
}
"""Axes of what each input pooling takes: images or sequences; reshaping takes any."""


OTHERS: Final[Mapping[int, Callable[[Tensor], Tensor]]] = {
    Activation.SILU: F.silu,
    OpenActivation.GELU: F.gelu,
    OpenActivation.TANH: torch.tanh,
    OpenActivation.SIGMOID: torch.sigmoid,
    OpenActivation.SINE: torch.sin,
}
"""Activations without a parameter."""


def activate(x: Tensor, kind: AnyActivation, param: float) -> Tensor:
    """Apply the activation; ``param`` is the slope of a leaky ReLU or the alpha of an ELU. Any shape."""
    assert not isinstance(kind, str), "a layer turns names into codes when it is made"
    if kind == Activation.NONE:
        return x
    if kind == Activation.LEAKY_RELU:
        return F.leaky_relu(x, param)
    if kind == Activation.ELU:
        return F.elu(x, param)
    return OTHERS[kind](x)


def layer_norm(x: Tensor) -> Tensor:
    """Normalise over the last axis, without affine parameters."""
    return F.layer_norm(x, (x.shape[-1],), eps=NORM_EPS)


def dropout(x: Tensor, p: float, *, training: bool, rng: torch.Generator | None) -> Tensor:
    """Inverted dropout with a mask drawn from ``rng`` on its own device. Any shape.

    Raises:
        ValueError: in training with ``p > 0`` and no generator: a mask must be a function of seed and step.
    """
    if not training or p == 0:
        return x
    if rng is None:
        raise ValueError("dropout in training needs rng (a torch.Generator), got None")
    keep = torch.rand(x.shape, generator=rng, device=rng.device) >= p
    return x * keep.to(device=x.device, dtype=x.dtype) / (1 - p)


def pool_input(x: Tensor, kind: InputPooling) -> Tensor:
    """Input pooling or reshaping of a linear layer (P in Eq 10).

    ``[B, C, H, W] -> [B, C]`` for image pooling, ``[B, ...] -> [B, prod]`` for reshaping, ``[B, T, D] -> [B, D]``
    for sequences.
    """
    if kind == InputPooling.NONE:
        return x
    if kind == InputPooling.RESHAPE_TO_2D:
        return x.flatten(1)
    wanted = POOLED_AXES[kind]
    if x.dim() != wanted:
        raise ValueError(f"input pooling {kind.name} wants {wanted} axes, got shape {tuple(x.shape)}")
    if kind == InputPooling.AVG_POOL:
        return x.mean(dim=(2, 3))
    if kind == InputPooling.MAX_POOL:
        return x.amax(dim=(2, 3))
    return x.mean(dim=1) if kind == InputPooling.AVG_SEQUENCE else x[:, 0]
