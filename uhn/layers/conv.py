"""The convolution layer (Eq 11)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from uhn.layers.base import Axis, Context, InitTarget, Layer, Param, Weights, category, flag, positive, rate, register
from uhn.layers.checks import activation_setting, numbers
from uhn.layers.flow import Flow
from uhn.layers.functional import NORM_EPS, activate, dropout
from uhn.vocabulary import Activation, AnyActivation, Initialization, LayerType, StagePooling

BEYOND: Final = ("stride", "padding", "dilation", "conv_groups")
"""Settings of a convolution that the paper does not have."""


@register
@dataclass(frozen=True)
class Conv(Layer):
    """``Y = Drop( P(GN(phi(X))) * W + b ) + X`` (Eq 11), padding ``floor(k/2)``.

    ``P`` is 2x2 average or maximum pooling; with ``pooling`` CONV the convolution itself has stride 2. The shortcut
    is the identity, so it needs equal channels and an unchanged image size. ``groups`` belongs to ``norm``.

    ``stride``, ``padding`` (None for that of the paper, times the dilation), ``dilation`` and ``conv_groups`` are
    beyond the paper: no descriptor tells them, and a spec without them does not name them.
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
    activation: AnyActivation = Activation.NONE
    activation_param: float = 0.0
    dropout: float = 0.0
    pooling: StagePooling = StagePooling.NONE
    initialization: Initialization = Initialization.DEFAULT
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    conv_groups: int = 1

    def __post_init__(self) -> None:
        positive(self, "in_size", "out_size", "kernel_size", "stride", "dilation", "conv_groups")
        if self.padding is not None and (type(self.padding) is not int or self.padding < 0):
            raise ValueError(f"Conv.padding must be None or an integer >= 0, got {self.padding!r}")
        if self.in_size % self.conv_groups or self.out_size % self.conv_groups:
            raise ValueError(
                f"Conv: conv_groups must divide in_size and out_size, got {self.conv_groups}, {self.in_size} and "
                f"{self.out_size}"
            )
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
        if self.stride > 1 and self.pooling == StagePooling.CONV:
            raise ValueError(f"Conv: stage pooling CONV is a stride of 2, so stride must be 1, got {self.stride}")
        if self.shortcut and (self.stride > 1 or self.padded * 2 != self.dilation * (self.kernel_size - 1)):
            raise ValueError("Conv: a shortcut needs an unchanged image size, so stride 1 and padding that keeps it")
        if self.shortcut and (self.in_size != self.out_size or self.pooling or self.kernel_size % 2 == 0):
            raise ValueError(
                "Conv: a shortcut needs in_size == out_size, no stage pooling and an odd kernel, got "
                f"{self.in_size}, {self.out_size}, {self.pooling.name} and {self.kernel_size}"
            )

    @property
    def padded(self) -> int:
        """Padding on each side."""
        return self.dilation * (self.kernel_size // 2) if self.padding is None else self.padding

    def settings(self) -> dict[str, Any]:
        """Settings as JSON values; those beyond the paper only where they differ from it."""
        usual = {name: Conv.__dataclass_fields__[name].default for name in BEYOND}
        return {k: v for k, v in super().settings().items() if k not in usual or v != usual[k]}

    def params(self) -> tuple[Param, ...]:
        """W ``[out, in / conv_groups, k, k]`` and b ``[out]``, both with std ``1/(k sqrt(3 in))`` (B.6)."""
        into = self.in_size // self.conv_groups
        init = InitTarget(0.0, 1 / sqrt(3 * into * self.kernel_size**2), "uniform")
        out = Axis("out_idx", self.out_size)
        kernel = (Axis("kernel_h", self.kernel_size), Axis("kernel_w", self.kernel_size))
        weight = Param("weight", 0, (out, Axis("in_idx", into), *kernel), init)
        return self.targets(weight, Param("bias", 1, (out,), init)) if self.bias else self.targets(weight)

    def structure(self) -> dict[str, int | float]:
        """Active local fields (B.5.1, convolution layer)."""
        return {
            "bias_type": self.bias,
            "norm_type": self.norm,
            "shortcut_type": self.shortcut,
            "output_size": self.out_size,
            "input_size": self.in_size,
            "activation_type": int(self.activation),
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
        stride = 2 if self.pooling == StagePooling.CONV else self.stride
        bias = weights["bias"] if self.bias else None
        y = F.conv2d(hidden, weights["weight"], bias, stride, self.padded, self.dilation, self.conv_groups)
        y = dropout(y, self.dropout, training=training, rng=rng)
        return y + x if self.shortcut else y
