"""The graph attention layer (Eq 13-16)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uhn.layers.base import Axis, Context, InitTarget, Layer, Param, Weights, category, flag, positive, rate, register
from uhn.layers.checks import activation_setting, last_axis
from uhn.layers.flow import Flow
from uhn.layers.functional import dropout
from uhn.layers.graphs import graph_edges, graph_input, project_features, with_self_loops
from uhn.vocabulary import Activation, AnyActivation, HeadConcat, Initialization, LayerType

ATTENTION_SLOPE = 0.2


@register
@dataclass(frozen=True)
class GAT(Layer):
    """``h = Drop(LN(phi(X))) W^T`` in K heads of C; attention over incoming edges and a self-loop (Eq 13-16).

    ``e_uv = LeakyReLU_0.2(<a_src, h_u> + <a_dst, h_v>)``, softmax over the sources ``u`` of each ``v``, dropout on the
    coefficients, weighted sum; heads are concatenated (width ``K C``) or averaged (width ``C``), then ``+ b``.
    ``out_size`` is the width C of one head.
    """

    kind = "gat"
    type_code = LayerType.GAT

    in_size: int
    out_size: int
    heads: int = 1
    concat: HeadConcat = HeadConcat.CONCAT
    bias: bool = True
    norm: bool = False
    activation: AnyActivation = Activation.NONE
    activation_param: float = 0.0
    dropout: float = 0.0
    initialization: Initialization = Initialization.DEFAULT

    def __post_init__(self) -> None:
        positive(self, "in_size", "out_size", "heads")
        category(self, "concat", HeadConcat)
        flag(self, "bias", "norm")
        category(self, "initialization", Initialization)
        activation_setting(self)
        rate(self)

    def params(self) -> tuple[Param, ...]:
        """W ``[K C, F]`` head-major, b ``[K C]`` or ``[C]``, a_src and a_dst ``[1, K, C]`` (B.6)."""
        width = self.heads * self.out_size
        out = Axis("out_idx", width)
        glorot = InitTarget(0.0, sqrt(2 / (self.in_size + width)), "uniform")
        vector = InitTarget(0.0, sqrt(2 / (self.out_size + self.heads)), "uniform")
        shape = (1, self.heads, self.out_size)
        weight = Param("weight", 0, (out, Axis("in_idx", self.in_size)), glorot)
        joined = Axis("out_idx", width if self.concat == HeadConcat.CONCAT else self.out_size)
        bias = (Param("bias", 1, (joined,), InitTarget()),) if self.bias else ()
        vectors = (Param("att_src", 2, (out,), vector, shape), Param("att_dst", 3, (out,), vector, shape))
        return self.targets(weight, *bias, *vectors)

    def structure(self) -> dict[str, int | float]:
        """Active local fields (B.5.1, GAT layer)."""
        return {
            "bias_type": self.bias,
            "norm_type": self.norm,
            "output_size": self.out_size,
            "input_size": self.in_size,
            "activation_type": int(self.activation),
            "activation_param": self.activation_param,
            "dropout_rate": self.dropout,
            "num_heads": self.heads,
            "head_concat_type": self.concat,
            "initialization_type": self.initialization,
        }

    def flow(self, before: Flow) -> Flow:
        """Rows of the width of all heads together, or of one."""
        before.enter(2, self.in_size)
        return Flow(2, self.out_size * (self.heads if self.concat == HeadConcat.CONCAT else 1))

    def apply(
        self, weights: Weights, x: Any, ctx: Context, *, training: bool = False, rng: torch.Generator | None = None
    ) -> Tensor:
        """Map ``[nodes, F] -> [nodes, K C]`` (concatenated) or ``[nodes, C]`` (averaged)."""
        last_axis(self, x, self.in_size)
        nodes = x.shape[0]
        source, destination = with_self_loops(graph_edges(ctx, nodes, "GAT"), nodes)
        hidden = graph_input(x, self.activation, self.activation_param, self.norm)
        hidden = project_features(hidden, weights["weight"], dropout_rate=self.dropout, training=training, rng=rng)
        heads = hidden.view(nodes, self.heads, self.out_size)
        from_source = (heads * weights["att_src"]).sum(-1)  # [nodes, K]
        from_destination = (heads * weights["att_dst"]).sum(-1)
        scores = from_source.index_select(0, source) + from_destination.index_select(0, destination)
        attention = softmax_by(F.leaky_relu(scores, ATTENTION_SLOPE), destination, nodes)  # [E + nodes, K]
        attention = dropout(attention, self.dropout, training=training, rng=rng)
        messages = (heads.index_select(0, source) * attention[..., None]).flatten(1)
        y = messages.new_zeros(nodes, messages.shape[1]).index_add(0, destination, messages)
        if self.concat == HeadConcat.AVG:
            y = y.view(nodes, self.heads, self.out_size).mean(1)
        return y + weights["bias"] if self.bias else y


def softmax_by(scores: Tensor, group: Tensor, groups: int) -> Tensor:
    """Softmax of ``scores`` ``[E, K]`` within each group of rows; ``group`` ``[E]`` holds the group of each row."""
    index = group[:, None].expand_as(scores)
    top = scores.detach().new_full((groups, scores.shape[1]), -torch.inf)
    top = top.scatter_reduce(0, index, scores.detach(), "amax")
    weights = (scores - top.index_select(0, group)).exp()
    total = weights.new_zeros(groups, weights.shape[1]).index_add(0, group, weights)
    return weights / total.index_select(0, group)
