"""The linear layer (Eq 10)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uhn.layers.base import (
    Axis,
    Context,
    InitTarget,
    Layer,
    Param,
    Projectable,
    Weights,
    category,
    flag,
    positive,
    rate,
    register,
)
from uhn.layers.checks import activation_setting, last_axis
from uhn.layers.flow import Flow
from uhn.layers.functional import POOLED_AXES, activate, dropout, layer_norm, pool_input
from uhn.vocabulary import Activation, AnyActivation, Initialization, InputPooling, LayerType


@register
@dataclass(frozen=True)
class Linear(Layer):
    """``Y = Drop( LN(phi(P(X))) W^T + b ) + P(X)`` (Eq 10).

    The shortcut is taken after pooling and before the activation, so it needs ``in_size == out_size``. A
    :class:`~uhn.layers.base.Projectable` input is accepted where nothing comes before the product.
    """

    kind = "linear"
    type_code = LayerType.LINEAR

    in_size: int
    out_size: int
    bias: bool = True
    norm: bool = False
    shortcut: bool = False
    activation: AnyActivation = Activation.NONE
    activation_param: float = 0.0
    dropout: float = 0.0
    pooling: InputPooling = InputPooling.NONE
    initialization: Initialization = Initialization.DEFAULT

    def __post_init__(self) -> None:
        positive(self, "in_size", "out_size")
        category(self, "pooling", InputPooling)
        flag(self, "bias", "norm", "shortcut")
        category(self, "initialization", Initialization)
        activation_setting(self)
        rate(self)
        if self.shortcut and self.in_size != self.out_size:
            raise ValueError(f"Linear: a shortcut needs in_size == out_size, got {self.in_size} and {self.out_size}")

    def params(self) -> tuple[Param, ...]:
        """W ``[out, in]`` and b ``[out]``, both with std ``1/sqrt(3 in)`` (B.6)."""
        init = InitTarget(0.0, 1 / sqrt(3 * self.in_size), "uniform")
        out = Axis("out_idx", self.out_size)
        weight = Param("weight", 0, (out, Axis("in_idx", self.in_size)), init)
        return self.targets(weight, Param("bias", 1, (out,), init)) if self.bias else self.targets(weight)

    def structure(self) -> dict[str, int | float]:
        """Active local fields (B.5.1, linear layer)."""
        return {
            "bias_type": self.bias,
            "norm_type": self.norm,
            "shortcut_type": self.shortcut,
            "output_size": self.out_size,
            "input_size": self.in_size,
            "activation_type": int(self.activation),
            "activation_param": self.activation_param,
            "dropout_rate": self.dropout,
            "input_pooling_reshape_type": self.pooling,
            "initialization_type": self.initialization,
        }

    def flow(self, before: Flow) -> Flow:
        """Rows after pooling. Without it the last axis changes, which a spec does not know of images."""
        if self.pooling == InputPooling.NONE:
            images = before.axes == 4
            before.enter(None, None if images else self.in_size)
            return Flow(before.axes, None if images else self.out_size)
        if self.pooling != InputPooling.RESHAPE_TO_2D or before.axes == 2:
            before.enter(POOLED_AXES.get(self.pooling), self.in_size)
        elif before.width is not None and self.in_size % before.width:
            raise ValueError(f"wants {self.in_size} values and gets a multiple of {before.width:g}")
        return Flow(2, self.out_size)

    def apply(
        self, weights: Weights, x: Any, ctx: Context, *, training: bool = False, rng: torch.Generator | None = None
    ) -> Tensor:
        """Map ``[..., in] -> [..., out]`` (after pooling)."""
        bias = weights["bias"] if self.bias else None
        if not isinstance(x, Tensor) and isinstance(x, Projectable):
            if self.norm or self.shortcut or self.activation or self.pooling:
                raise TypeError("Linear takes factored features only without pooling, activation, norm and shortcut")
            return dropout(x.project(weights["weight"], bias), self.dropout, training=training, rng=rng)
        if x.dim() < 2:
            raise ValueError(f"Linear wants a batch, [B, …, {self.in_size}], got shape {tuple(x.shape)}")
        x = pool_input(x, self.pooling)
        last_axis(self, x, self.in_size)
        hidden = activate(x, self.activation, self.activation_param)
        if self.norm:
            hidden = layer_norm(hidden)
        y = dropout(F.linear(hidden, weights["weight"], bias), self.dropout, training=training, rng=rng)
        return y + x if self.shortcut else y
