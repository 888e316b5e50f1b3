"""The multi-head attention layer (Eq 18-21)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uhn.layers.attention_dropout import attend_with_dropout
from uhn.layers.base import Axis, Context, InitTarget, Layer, Param, Weights, category, flag, positive, rate, register
from uhn.layers.checks import activation_setting, last_axis, unchecked
from uhn.layers.flow import Flow
from uhn.layers.functional import activate, dropout, layer_norm
from uhn.transforms import composing, differentiable_again, open_attention
from uhn.vocabulary import Activation, AnyActivation, Initialization, LayerType


@register
@dataclass(frozen=True)
class Attention(Layer):
    """``Y = Drop( MHA(LN(phi(X))) W_o^T + b_o ) + X``, dropout on the attention probabilities too (Eq 18-21).

    Padding tokens (``Inputs.padding``, optional) are hidden as keys. Fused where no mask of attention
    probabilities has to be drawn, written out (in :mod:`~uhn.layers.attention_dropout`) in training with dropout.
    """

    kind = "attention"
    type_code = LayerType.MHA

    size: int
    heads: int
    bias: bool = True
    norm: bool = False
    shortcut: bool = False
    activation: AnyActivation = Activation.NONE
    activation_param: float = 0.0
    dropout: float = 0.0
    initialization: Initialization = Initialization.DEFAULT

    def __post_init__(self) -> None:
        positive(self, "size", "heads")
        flag(self, "bias", "norm", "shortcut")
        category(self, "initialization", Initialization)
        activation_setting(self)
        rate(self)
        if self.size % self.heads:
            raise ValueError(f"Attention: heads must divide size, got {self.heads} and {self.size}")

    def params(self) -> tuple[Param, ...]:
        """W_q, W_k, W_v, b_q, b_k, b_v, W_o, b_o; weights have std ``1/sqrt(d)``, W_o ``1/sqrt(3 d)``, biases are 0."""
        out, into = Axis("out_idx", self.size), Axis("in_idx", self.size)
        glorot = InitTarget(0.0, 1 / sqrt(self.size), "uniform")
        output = InitTarget(0.0, 1 / sqrt(3 * self.size), "uniform")
        names = ("query", "key", "value")
        weights = [Param(f"{name}_weight", code, (out, into), glorot) for code, name in enumerate(names)]
        biases = [Param(f"{name}_bias", 3 + code, (out,), InitTarget()) for code, name in enumerate(names)]
        last = [Param("out_weight", 6, (out, into), output), Param("out_bias", 7, (out,), InitTarget())]
        if not self.bias:
            return self.targets(*weights, last[0])
        return self.targets(*weights, *biases, *last)

    def structure(self) -> dict[str, int | float]:
        """Active local fields (B.5.1, MHA layer)."""
        return {
            "bias_type": self.bias,
            "norm_type": self.norm,
            "shortcut_type": self.shortcut,
            "output_size": self.size,
            "input_size": self.size,
            "activation_type": int(self.activation),
            "activation_param": self.activation_param,
            "dropout_rate": self.dropout,
            "num_heads": self.heads,
            "initialization_type": self.initialization,
        }

    def flow(self, before: Flow) -> Flow:
        """Sequences stay what they are."""
        before.enter(3, self.size)
        return Flow(3, self.size)

    def apply(
        self, weights: Weights, x: Any, ctx: Context, *, training: bool = False, rng: torch.Generator | None = None
    ) -> Tensor:
        """Map ``[B, T, d] -> [B, T, d]``."""
        if x.dim() != 3:
            raise ValueError(f"Attention wants [B, T, {self.size}], got shape {tuple(x.shape)}")
        last_axis(self, x, self.size)
        hidden = activate(x, self.activation, self.activation_param)
        if self.norm:
            hidden = layer_norm(hidden)
        query, key, value = (
            F.linear(hidden, weights[f"{name}_weight"], weights[f"{name}_bias"] if self.bias else None)
            .view(*x.shape[:2], self.heads, -1)
            .transpose(1, 2)
            for name in ("query", "key", "value")
        )  # each [B, H, T, d / H]
        visible = visible_keys(ctx.padding, x)
        if training and self.dropout > 0:
            mixed = attend_with_dropout(query, key, value, visible, self.dropout, rng)
        else:
            mixed = attend(query, key, value, visible)
        joined = mixed.transpose(1, 2).flatten(-2)
        y = F.linear(joined, weights["out_weight"], weights["out_bias"] if self.bias else None)
        y = dropout(y, self.dropout, training=training, rng=rng)
        return y + x if self.shortcut else y


def attend(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
    """Fused attention, in the open where it is transformed or differentiated twice."""

    def plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        with open_attention():
            return F.scaled_dot_product_attention(query, key, value, attn_mask=visible)

    if composing():
        return plain(query, key, value)
    fast = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    return differentiable_again(fast, plain, query, key, value)


def visible_keys(padding: Tensor | None, x: Tensor) -> Tensor | None:
    """Turn a padding mask ``[B, T]`` into a key mask ``[B, 1, 1, T]``, True where a key may be attended to.

    Raises:
        ValueError: for a wrong shape or type, or if a whole sequence is padding (its output would be undefined).
    """
    if padding is None:
        return None
    if padding.dtype != torch.bool or padding.shape != x.shape[:2]:
        wanted = tuple(x.shape[:2])
        raise ValueError(f"Inputs.padding must be bool of shape {wanted}, got {padding.dtype} {tuple(padding.shape)}")
    if not unchecked(padding) and bool((hidden := padding.all(dim=1)).any()):
        rows = hidden.nonzero().flatten().tolist()
        raise ValueError(f"Inputs.padding hides every token of {len(rows)} sequence(s), first in row {rows[0]}")
    return ~padding[:, None, None, :]
