"""The graph convolution layer (Eq 12)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from uhn.layers.base import Axis, Context, InitTarget, Layer, Param, Weights, category, flag, positive, rate, register
from uhn.layers.checks import activation_setting, last_axis
from uhn.layers.flow import Flow
from uhn.layers.graphs import graph_edges, graph_input, project_features, propagate
from uhn.vocabulary import Activation, AnyActivation, Initialization, LayerType


@register
@dataclass(frozen=True)
class GCN(Layer):
    """``Y = A' Drop(LN(phi(X))) W^T + b`` with ``A' = D^-1/2 (A + I) D^-1/2`` (Eq 12).

    ``A'`` comes with the inputs: ``edges`` ``[2, E]`` without self-loops and ``edge_weight`` ``[E + nodes]``, the
    self-loops' entries last (see :func:`~uhn.layers.graphs.gcn_norm`).
    """

    kind = "gcn"
    type_code = LayerType.GCN

    in_size: int
    out_size: int
    bias: bool = True
    norm: bool = False
    activation: AnyActivation = Activation.NONE
    activation_param: float = 0.0
    dropout: float = 0.0
    initialization: Initialization = Initialization.DEFAULT

    def __post_init__(self) -> None:
        positive(self, "in_size", "out_size")
        flag(self, "bias", "norm")
        category(self, "initialization", Initialization)
        activation_setting(self)
        rate(self)

    def params(self) -> tuple[Param, ...]:
        """W ``[out, in]`` with std ``sqrt(2/(in + out))`` and b ``[out]``, zero (B.6)."""
        out = Axis("out_idx", self.out_size)
        init = InitTarget(0.0, sqrt(2 / (self.in_size + self.out_size)), "uniform")
        weight = Param("weight", 0, (out, Axis("in_idx", self.in_size)), init)
        return self.targets(weight, Param("bias", 1, (out,), InitTarget())) if self.bias else self.targets(weight)

    def structure(self) -> dict[str, int | float]:
        """Active local fields (B.5.1, GCN layer)."""
        return {
            "bias_type": self.bias,
            "norm_type": self.norm,
            "output_size": self.out_size,
            "input_size": self.in_size,
            "activation_type": int(self.activation),
            "activation_param": self.activation_param,
            "dropout_rate": self.dropout,
            "initialization_type": self.initialization,
        }

    def flow(self, before: Flow) -> Flow:
        """Rows of another width."""
        before.enter(2, self.in_size)
        return Flow(2, self.out_size)

    def apply(
        self, weights: Weights, x: Any, ctx: Context, *, training: bool = False, rng: torch.Generator | None = None
    ) -> Tensor:
        """Map ``[nodes, in] -> [nodes, out]``; ``x`` may be sparse where no activation and no norm come first."""
        last_axis(self, x, self.in_size)
        nodes = x.shape[0]
        edges = graph_edges(ctx, nodes, "GCN")
        wanted = edges.shape[1] + nodes
        if ctx.edge_weight is None or ctx.edge_weight.shape != (wanted,):
            got = None if ctx.edge_weight is None else tuple(ctx.edge_weight.shape)
            raise ValueError(f"GCN wants Inputs.edge_weight of shape [{wanted}] (edges, then self-loops), got {got}")
        hidden = graph_input(x, self.activation, self.activation_param, self.norm)
        hidden = project_features(hidden, weights["weight"], dropout_rate=self.dropout, training=training, rng=rng)
        y = propagate(ctx.edge_weight, hidden, edges)
        return y + weights["bias"] if self.bias else y
