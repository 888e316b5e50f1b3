"""The convolution layer (Eq 11)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uhn.layers.base import Axis, Context, InitTarget, Layer, Param, Weights, category, flag, positive, rate, register
from uhn.layers.checks import activation_setting, numbers
from uhn.layers.flow import Flow
from uhn.layers.functional import NORM_EPS, activate, dropout
from uhn.vocabulary import Activation, Initialization, LayerType, StagePooling


@register
@dataclass(frozen=True)
class Conv(Layer):
    """``Y = Drop( P(GN(phi(X))) * W + b ) + X`` (Eq 11), padding ``floor(k/2)``.

    ``P`` is 2x2 average or maximum pooling; with ``pooling`` CONV the convolution itself has stride 2. The shortcut
    is the identity, so it needs equal channels and an unchanged image size. ``groups`` belongs to ``norm``.
    """

    kind = "conv"
    type_code = LayerType.CONV

    in_size: int
    out_size: int
    kernel_size: int = 3
    bias: bool = True
    norm: bool = False
    groups: int = 0
    shortcut: bool = False
    activation: Activation = Activation.NONE
    activation_param: float = 0.0
    dropout: float = 0.0
    pooling: StagePooling = StagePooling.NONE
    initialization: Initialization = Initialization.DEFAULT

    def __post_init__(self) -> None:
        positive(self, "in_size", "out_size", "kernel_size")
        category(self, "pooling", StagePooling)
        flag(self, "bias", "norm", "shortcut")
        category(self, "initialization", Initialization)
        activation_setting(self)
        rate(self)
        if self.norm:
            positive(self, "groups")
            if self.in_size % self.groups:
                raise ValueError(f"Conv: groups must divide in_size, got {self.groups} and {self.in_size}")
        elif self.groups != 0:
            raise ValueError(f"Conv: groups must be 0 without norm, got {self.groups!r}")
        if self.shortcut and (self.in_size != self.out_size or self.pooling or self.kernel_size % 2 == 0):
            raise ValueError(
                "Conv: a shortcut needs in_size == out_size, no stage pooling and an odd kernel, got "
                f"{self.in_size}, {self.out_size}, {self.pooling.name} and {self.kernel_size}"
            )

    def params(self) -> tuple[Param, ...]:
        """W ``[out, in, k, k]`` and b ``[out]``, both with std ``1/(k sqrt(3 in))`` (B.6)."""
        init = InitTarget(0.0, 1 / sqrt(3 * self.in_size * self.kernel_size**2), "uniform")
        out = Axis("out_idx", self.out_size)
        kernel = (Axis("kernel_h", self.kernel_size), Axis("kernel_w", self.kernel_size))
        weight = Param("weight", 0, (out, Axis("in_idx", self.in_size), *kernel), init)
        return self.targets(weight, Param("bias", 1, (out,), init)) if self.bias else self.targets(weight)

    def structure(self) -> dict[str, int | float]:
        """Active local fields (B.5.1, convolution layer)."""
        return {
            "bias_type": self.bias,
            "norm_type": self.norm,
            "shortcut_type": self.shortcut,
            "output_size": self.out_size,
            "input_size": self.in_size,
            "activation_type": self.activation,
            "activation_param": self.activation_param,
            "dropout_rate": self.dropout,
            "group_num": self.groups,
            "kernel_size": self.kernel_size,
            "stage_wise_pooling_type": self.pooling,
            "initialization_type": self.initialization,
        }

    def flow(self, before: Flow) -> Flow:
        """Images of other channels."""
        before.enter(4, self.in_size)
        return Flow(4, self.out_size)

    def apply(
        self, weights: Weights, x: Any, ctx: Context, *, training: bool = False, rng: torch.Generator | None = None
    ) -> Tensor:
        """Map ``[B, in, H, W] -> [B, out, H', W']``; H' is about half of H with stage pooling."""
        if x.dim() != 4 or x.shape[1] != self.in_size:
            raise ValueError(f"Conv wants [B, {self.in_size}, H, W], got shape {tuple(x.shape)}")
        numbers(self, x)
        hidden = activate(x, self.activation, self.activation_param)
        if self.norm:
            hidden = F.group_norm(hidden, self.groups, eps=NORM_EPS)
        if self.pooling == StagePooling.AVG:
            hidden = F.avg_pool2d(hidden, 2)
        elif self.pooling == StagePooling.MAX:
            hidden = F.max_pool2d(hidden, 2)
        stride = 2 if self.pooling == StagePooling.CONV else 1
        bias = weights["bias"] if self.bias else None
        y = F.conv2d(hidden, weights["weight"], bias, stride=stride, padding=self.kernel_size // 2)
        y = dropout(y, self.dropout, training=training, rng=rng)
        return y + x if self.shortcut else y
