"""Example layers with inputs, and for every kind an oracle that shares no line with it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from uhn.layers import GAT, GCN, KAN, Attention, Conv, Embedding, Layer, Linear
from uhn.layers.graphs import gcn_norm
from uhn.models import Inputs
from uhn.vocabulary import Activation, HeadConcat, InputPooling, OpenActivation, StagePooling

with warnings.catch_warnings():  # PyG scripts some of its own modules when it is imported
    warnings.simplefilter("ignore", DeprecationWarning)
    import torch_geometric.nn as pyg

Weights = Mapping[str, Tensor]
Oracle = Callable[[Layer, Weights, Tensor, Inputs], Tensor]
LEAKY = {"activation": Activation.LEAKY_RELU, "activation_param": 0.1}
ELU = {"activation": Activation.ELU, "activation_param": 0.7}
SILU = {"activation": Activation.SILU}


@dataclass(frozen=True)
class Case:
    """One example: a layer, a float64 input (or token ids) and what else it reads."""

    name: str
    layer: Layer
    x: Tensor
    ctx: dict[str, Tensor] = field(default_factory=dict)

    def inputs(self, x: Tensor) -> Inputs:
        return Inputs(x, **self.ctx)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def activation_module(layer: Layer) -> nn.Module:
    kind, value = layer.activation, layer.activation_param  # type: ignore[attr-defined]
    return {
        Activation.NONE: nn.Identity,
        Activation.LEAKY_RELU: partial(nn.LeakyReLU, value),
        Activation.ELU: partial(nn.ELU, value),
        Activation.SILU: nn.SiLU,
        OpenActivation.GELU: nn.GELU,
        OpenActivation.TANH: nn.Tanh,
        OpenActivation.SIGMOID: nn.Sigmoid,
    }[kind]()


def pre(layer: Layer, x: Tensor) -> Tensor:
    """Activation, then affine-free LayerNorm, by stock modules."""
    x = activation_module(layer)(x)
    return nn.LayerNorm(x.shape[-1], elementwise_affine=False)(x) if layer.norm else x  # type: ignore[attr-defined]


def linear_oracle(layer: Linear, weights: Weights, x: Tensor, ctx: Inputs) -> Tensor:
    x = {
        InputPooling.NONE: lambda t: t,
        InputPooling.AVG_POOL: lambda t: nn.AdaptiveAvgPool2d(1)(t).flatten(1),
        InputPooling.MAX_POOL: lambda t: nn.AdaptiveMaxPool2d(1)(t).flatten(1),
        InputPooling.RESHAPE_TO_2D: nn.Flatten(),
        InputPooling.AVG_SEQUENCE: lambda t: sum(t[:, i] for i in range(t.shape[1])) / t.shape[1],
        InputPooling.FIRST_TOKEN: lambda t: t.select(1, 0),
    }[layer.pooling](x)
    module = nn.Linear(layer.in_size, layer.out_size, bias=layer.bias, dtype=torch.float64)
    y = functional_call(module, dict(weights), (pre(layer, x),))
    return y + x if layer.shortcut else y


def conv_oracle(layer: Conv, weights: Weights, x: Tensor, ctx: Inputs) -> Tensor:
    hidden = activation_module(layer)(x)
    if layer.norm:
        hidden = nn.GroupNorm(layer.groups, layer.in_size, affine=False)(hidden)
    pools = {StagePooling.AVG: nn.AvgPool2d(2), StagePooling.MAX: nn.MaxPool2d(2)}
    hidden = pools.get(layer.pooling, nn.Identity())(hidden)
    k, stride = layer.kernel_size, 2 if layer.pooling == StagePooling.CONV else layer.stride
    sides = layer.dilation * (k // 2) if layer.padding is None else layer.padding
    more = (stride, sides, layer.dilation, layer.conv_groups, layer.bias)
    module = nn.Conv2d(layer.in_size, layer.out_size, k, *more, dtype=torch.float64)
    y = functional_call(module, dict(weights), (hidden,))
    return y + x if layer.shortcut else y


def gcn_oracle(layer: GCN, weights: Weights, x: Tensor, ctx: Inputs) -> Tensor:
    module = pyg.GCNConv(layer.in_size, layer.out_size, bias=layer.bias).double()
    names = {"weight": "lin.weight", "bias": "bias"}
    return functional_call(module, {names[k]: v for k, v in weights.items()}, (pre(layer, x), ctx.edges))


def gat_oracle(layer: GAT, weights: Weights, x: Tensor, ctx: Inputs) -> Tensor:
    concat = layer.concat == HeadConcat.CONCAT
    module = pyg.GATConv(layer.in_size, layer.out_size, layer.heads, concat, bias=layer.bias).double()
    names = {"weight": "lin.weight", "bias": "bias", "att_src": "att_src", "att_dst": "att_dst"}
    return functional_call(module, {names[k]: v for k, v in weights.items()}, (pre(layer, x), ctx.edges))


def embedding_oracle(layer: Embedding, weights: Weights, x: Tensor, ctx: Inputs) -> Tensor:
    rows = [[weights["token"][int(t)] + weights["position"][0, i] for i, t in enumerate(row)] for row in x]
    return torch.stack([torch.stack(row) for row in rows])


def attention_oracle(layer: Attention, weights: Weights, x: Tensor, ctx: Inputs) -> Tensor:
    module = nn.MultiheadAttention(layer.size, layer.heads, bias=layer.bias, batch_first=True, dtype=torch.float64)
    parts = ("query", "key", "value")
    packed = {"in_proj_weight": torch.cat([weights[f"{p}_weight"] for p in parts])}
    packed["out_proj.weight"] = weights["out_weight"]
    if layer.bias:
        packed["in_proj_bias"] = torch.cat([weights[f"{p}_bias"] for p in parts])
        packed["out_proj.bias"] = weights["out_bias"]
    hidden = pre(layer, x)
    y, _ = functional_call(module, packed, (hidden, hidden, hidden), {"key_padding_mask": ctx.padding})
    return y + x if layer.shortcut else y


def kan_oracle(layer: KAN, weights: Weights, x: Tensor, ctx: Inputs) -> Tensor:
    """Scalar loops over samples, inputs, outputs and basis functions; Cox-de Boor as a recursion."""
    act = activation_module(layer)
    knots: list[list[Tensor]] = []
    for i in range(layer.in_size):
        shares = [torch.exp(v) for v in weights["grid_knots"][i]]
        total, reached, row = sum(shares), torch.zeros((), dtype=torch.float64), []
        for share in shares:
            reached = reached + share / total
            row.append(weights["grid_lower"][i] + torch.exp(weights["grid_length"][i]) * reached)
        knots.append(row)

    def basis(t: list[Tensor], j: int, k: int, value: Tensor) -> Tensor:
        if k == 0:
            return torch.tensor(float(t[j] <= value < t[j + 1]), dtype=torch.float64)
        left = (value - t[j]) / (t[j + k] - t[j]) * basis(t, j, k - 1, value)
        right = (t[j + k + 1] - value) / (t[j + k + 1] - t[j + 1]) * basis(t, j + 1, k - 1, value)
        return left + right

    rows = []
    for sample in x:
        splines = [
            [basis(knots[i], j, layer.spline_order, sample[i]) for j in range(layer.grid_size + layer.spline_order)]
            for i in range(layer.in_size)
        ]
        outputs = []
        for o in range(layer.out_size):
            y = weights["base_bias"][o] if layer.bias else torch.zeros((), dtype=torch.float64)
            for i in range(layer.in_size):
                spline = sum(w * b for w, b in zip(weights["spline_weight"][o, i], splines[i], strict=True))
                y = y + act(sample[i]) * weights["base_weight"][o, i] + weights["spline_scale"][o, i] * spline
            outputs.append(y)
        rows.append(torch.stack(outputs))
    return torch.stack(rows)


ORACLES: dict[str, Oracle] = {
    "linear": linear_oracle,
    "conv": conv_oracle,
    "gcn": gcn_oracle,
    "gat": gat_oracle,
    "embedding": embedding_oracle,
    "attention": attention_oracle,
    "kan": kan_oracle,
}  # type: ignore[dict-item]

IMAGE = normal(2, 4, 6, 6, seed=1)
SEQUENCE = normal(3, 5, 8, seed=2)
NODES = normal(6, 5, seed=3)
# node 5 has no edge; 0 -> 1 has no way back: degrees differ by direction
EDGES = torch.tensor([[0, 1, 2, 2, 3, 4, 0], [1, 2, 1, 0, 4, 3, 4]])
GRAPH = {"edges": EDGES, "edge_weight": gcn_norm(EDGES, 6, torch.float64)}
PADDING = torch.tensor([[False] * 5, [False, False, True, True, True], [True, False, False, True, False]])
TOKENS = torch.tensor([[2, 5, 0], [6, 6, 1]])

CASES = (
    Case("linear-full", Linear(7, 7, norm=True, shortcut=True, **LEAKY), normal(5, 7, seed=4)),
    Case("linear-bare", Linear(7, 3, bias=False), normal(5, 7, seed=4)),
    Case("linear-norm", Linear(8, 3, norm=True), SEQUENCE),
    Case("linear-elu", Linear(7, 3, **ELU), normal(5, 7, seed=4)),
    Case("linear-average", Linear(4, 4, shortcut=True, norm=True, pooling=InputPooling.AVG_POOL, **SILU), IMAGE),
    Case("linear-maximum", Linear(4, 3, pooling=InputPooling.MAX_POOL), IMAGE),
    Case("linear-flat", Linear(144, 3, pooling=InputPooling.RESHAPE_TO_2D), IMAGE),
    Case("linear-mean-token", Linear(8, 3, pooling=InputPooling.AVG_SEQUENCE, **LEAKY), SEQUENCE),
    Case("linear-first-token", Linear(8, 8, shortcut=True, pooling=InputPooling.FIRST_TOKEN), SEQUENCE),
    Case("conv-full", Conv(4, 4, norm=True, groups=2, shortcut=True, **LEAKY), IMAGE),
    Case("conv-bare", Conv(4, 6, bias=False), IMAGE),
    Case("conv-stride", Conv(4, 6, norm=True, groups=4, pooling=StagePooling.CONV, **LEAKY), IMAGE),
    Case("conv-average", Conv(4, 6, 5, pooling=StagePooling.AVG, **ELU), IMAGE),
    Case("conv-maximum", Conv(4, 6, 1, norm=True, groups=1, pooling=StagePooling.MAX, **SILU), IMAGE),
    Case("conv-even-kernel", Conv(4, 2, 2), IMAGE),
    Case("gcn-full", GCN(5, 4, norm=True, **LEAKY), NODES, GRAPH),
    Case("gcn-bare", GCN(5, 4, bias=False), NODES, GRAPH),
    Case("gat-concat", GAT(5, 3, 2, norm=True, **ELU), NODES, GRAPH),
    Case("gat-average", GAT(5, 3, 2, HeadConcat.AVG), NODES, GRAPH),
    Case("gat-bare", GAT(5, 3, 1, HeadConcat.AVG, bias=False, **LEAKY), NODES, GRAPH),
    Case("embedding", Embedding(7, 4, 5), TOKENS),
    Case("attention-full", Attention(8, 2, norm=True, shortcut=True, **LEAKY), SEQUENCE, {"padding": PADDING}),
    Case("attention-open", Attention(8, 4, shortcut=True), SEQUENCE),
    Case("attention-bare", Attention(8, 1, bias=False, norm=True), SEQUENCE, {"padding": PADDING}),
    Case("kan-silu", KAN(3, 2, 4, 3, **SILU), normal(6, 3, seed=5).tanh()),
    Case("linear-tanh", Linear(7, 3, activation="tanh"), normal(5, 7, seed=4)),
    Case("conv-open", Conv(4, 6, stride=2, padding=0, dilation=2, conv_groups=2, activation="gelu"), IMAGE),
    Case("conv-depthwise", Conv(4, 4, 5, padding=2, conv_groups=4, shortcut=True, activation="relu"), IMAGE),
    Case("gat-sigmoid", GAT(5, 3, activation="sigmoid"), NODES, GRAPH),
    Case("kan-bare", KAN(2, 3, 3, 2, bias=False), normal(6, 2, seed=6).tanh()),
)


def weights_of(layer: Layer, seed: int = 7) -> dict[str, Tensor]:
    """Random float64 weights; spline grids stay near their targets, so that inputs fall inside."""
    made = {}
    for number, param in enumerate(layer.params()):
        value = normal(*param.shape, seed=seed + number)
        centre = {"grid_lower": -1.2, "grid_length": math.log(2.4)}.get(param.name)
        made[param.name] = value if centre is None else centre + 0.1 * value
    return made
