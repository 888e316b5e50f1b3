"""The conformance suite must notice planted defects: each of these layers is wrong in one way and has to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from conformance import check_declaration, check_layout, check_oracle
from layer_cases import CASES, Case
from test_conformance import DECLARED
from torch import Tensor

from uhn.layers import Axis, Layer, Param
from uhn.layers.functional import activate, layer_norm
from uhn.models import Inputs
from uhn.vocabulary import Activation

Apply = Callable[[Layer, Mapping[str, Tensor], Tensor, Inputs], Tensor]


def defective(
    layer: Layer, apply: Apply | None = None, params: Callable[[tuple[Param, ...]], Any] | None = None
) -> Layer:
    """The same layer with another ``apply`` or another declaration."""
    methods: dict[str, Any] = {}
    if apply is not None:
        methods["apply"] = lambda self, weights, x, ctx, **_: apply(layer, weights, x, ctx)
    if params is not None:
        methods["params"] = lambda self: params(layer.params())
    return type("Defective", (type(layer),), methods)(**layer.settings())


def case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def plain(layer: Layer, **changes: Any) -> Layer:
    return replace(layer, norm=False, activation=Activation.NONE, activation_param=0.0, **changes)


def norm_before_activation(layer: Layer, weights: Any, x: Tensor, ctx: Inputs) -> Tensor:
    if layer.kind == "conv":
        hidden = torch.nn.functional.group_norm(x, layer.groups)
        bare = plain(layer, shortcut=False, groups=0)
    else:
        hidden = layer_norm(x)
        bare = plain(layer, shortcut=False) if hasattr(layer, "shortcut") else plain(layer)
    y = bare.apply(weights, activate(hidden, layer.activation, layer.activation_param), ctx)
    return y + x if getattr(layer, "shortcut", False) else y


def shortcut_after_activation(layer: Layer, weights: Any, x: Tensor, ctx: Inputs) -> Tensor:
    y = replace(layer, shortcut=False).apply(weights, x, ctx)
    return y + activate(x, layer.activation, layer.activation_param)


def with_settings(**changes: Any) -> Apply:
    return lambda layer, weights, x, ctx: replace(layer, **changes).apply(weights, x, ctx)


def with_weights(change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Apply:
    return lambda layer, weights, x, ctx: layer.apply(change(dict(weights)), x, ctx)


def transposed(name: str) -> Apply:
    return with_weights(lambda w: w | {name: w[name].transpose(0, 1).reshape(w[name].shape)})


def swapped(first: str, second: str) -> Apply:
    return with_weights(lambda w: w | {first: w[second], second: w[first]})


def without(name: str) -> Apply:
    return with_weights(lambda w: w | {name: torch.zeros_like(w[name])})


def heads_interleaved(name: str, heads: int) -> Apply:
    def change(w: dict[str, Tensor]) -> dict[str, Tensor]:
        value = w[name]
        return w | {name: value.unflatten(0, (heads, -1)).transpose(0, 1).reshape(value.shape)}

    return with_weights(change)


def with_inputs(**changes: Any) -> Apply:
    return lambda layer, weights, x, ctx: layer.apply(weights, x, replace(ctx, **changes))


def edges_reversed(layer: Layer, weights: Any, x: Tensor, ctx: Inputs) -> Tensor:
    assert ctx.edges is not None
    return layer.apply(weights, x, replace(ctx, edges=ctx.edges.flip(0)))


def no_self_loops(layer: Layer, weights: Any, x: Tensor, ctx: Inputs) -> Tensor:
    assert ctx.edges is not None and ctx.edge_weight is not None
    weight = ctx.edge_weight.clone()
    weight[ctx.edges.shape[1] :] = 0
    return layer.apply(weights, x, replace(ctx, edge_weight=weight))


WRONG = {
    "linear: activation and norm swapped": ("linear-full", norm_before_activation),
    "linear: shortcut dropped": ("linear-full", with_settings(shortcut=False)),
    "linear: shortcut after activation": ("linear-full", shortcut_after_activation),
    "linear: norm dropped": ("linear-full", with_settings(norm=False)),
    "linear: activation dropped": ("linear-full", with_settings(activation=Activation.NONE, activation_param=0.0)),
    "linear: another slope": ("linear-full", with_settings(activation_param=0.11)),
    "linear: weight transposed": ("linear-full", transposed("weight")),
    "linear: bias dropped": ("linear-full", without("bias")),
    "linear: other pooling": ("linear-average", with_settings(pooling=2)),
    "linear: last token": (
        "linear-first-token",
        lambda layer, weights, x, ctx: layer.apply(weights, x.flip(1), ctx),
    ),
    "conv: activation and norm swapped": ("conv-full", norm_before_activation),
    "conv: shortcut dropped": ("conv-full", with_settings(shortcut=False)),
    "conv: other groups": ("conv-full", with_settings(groups=4)),
    "conv: channels transposed": ("conv-full", transposed("weight")),
    "conv: kernel transposed": ("conv-full", with_weights(lambda w: w | {"weight": w["weight"].transpose(2, 3)})),
    "conv: average for maximum": ("conv-maximum", with_settings(pooling=1)),
    "conv: bias dropped": ("conv-full", without("bias")),
    "gcn: activation and norm swapped": ("gcn-full", norm_before_activation),
    "gcn: weight transposed": ("gcn-full", transposed("weight")),
    "gcn: edges reversed": ("gcn-full", edges_reversed),
    "gcn: self-loops forgotten": ("gcn-full", no_self_loops),
    "gcn: bias before propagation": (
        "gcn-full",
        lambda layer, w, x, ctx: (
            replace(layer, bias=False).apply(w, x, ctx)
            + torch.zeros(6, 6, dtype=x.dtype)
            .index_put((ctx.edges[1], ctx.edges[0]), ctx.edge_weight[:7])
            .sum(1)[:, None]
            * w["bias"]
        ),
    ),
    "gat: activation and norm swapped": ("gat-concat", norm_before_activation),
    "gat: source and destination swapped": ("gat-concat", swapped("att_src", "att_dst")),
    "gat: heads interleaved": ("gat-concat", heads_interleaved("weight", 2)),
    "gat: edges reversed": ("gat-concat", edges_reversed),
    "gat: bias dropped": ("gat-concat", without("bias")),
    "embedding: positions dropped": ("embedding", without("position")),
    "embedding: positions shifted": (
        "embedding",
        with_weights(lambda w: w | {"position": w["position"].roll(1, 1)}),
    ),
    "attention: activation and norm swapped": ("attention-full", norm_before_activation),
    "attention: shortcut dropped": ("attention-full", with_settings(shortcut=False)),
    "attention: padding ignored": ("attention-full", with_inputs(padding=None)),
    "attention: query and key swapped": ("attention-full", swapped("query_weight", "key_weight")),
    "attention: one head": ("attention-full", with_settings(heads=1)),
    "attention: output transposed": ("attention-full", transposed("out_weight")),
    "attention: heads interleaved": ("attention-full", heads_interleaved("value_weight", 2)),
    "kan: activation dropped": ("kan-silu", with_settings(activation=Activation.NONE)),
    "kan: splines of the activated input": (
        "kan-silu",
        lambda layer, w, x, ctx: replace(layer, activation=Activation.NONE).apply(
            w, activate(x, Activation.SILU, 0), ctx
        ),
    ),
    "kan: scale dropped": (
        "kan-silu",
        with_weights(lambda w: w | {"spline_scale": torch.ones_like(w["spline_scale"])}),
    ),
    "kan: bounds swapped": ("kan-silu", swapped("grid_lower", "grid_length")),
    "kan: knots reversed": ("kan-silu", with_weights(lambda w: w | {"grid_knots": w["grid_knots"].flip(1)})),
    "kan: base bias dropped": ("kan-silu", without("base_bias")),
}


@pytest.mark.parametrize("defect", WRONG)
def test_the_oracle_notices(defect: str) -> None:
    name, apply = WRONG[defect]
    check_oracle(case(name).layer, case(name))
    with pytest.raises(AssertionError):
        check_oracle(defective(case(name).layer, apply), case(name))


def changed(param: Param, **changes: Any) -> Param:
    return replace(param, **changes)


DECLARATIONS = {
    "a component is missing": lambda params: params[:-1],
    "components swapped": lambda params: (params[1], params[0], *params[2:]),
    "code shifted": lambda params: tuple(changed(p, code=p.code + 1) for p in params),
    "axes swapped": lambda params: (changed(params[0], axes=params[0].axes[::-1], tensor_shape=None), *params[1:]),
    "index field shifted": lambda params: (
        (
            changed(
                params[0],
                axes=(*params[0].axes[:-1], Axis("grid_idx", params[0].axes[-1].size)),
                tensor_shape=params[0].shape,
            ),
            *params[1:],
        )
        if params[0].axes[-1].field != "grid_idx"
        else params[:-1]
    ),
    "name changed": lambda params: (changed(params[0], name="kernel"), *params[1:]),
}


@pytest.mark.parametrize("defect", DECLARATIONS)
@pytest.mark.parametrize(("layer", "wanted"), DECLARED, ids=lambda value: getattr(value, "kind", ""))
def test_the_typed_declaration_notices(layer: Layer, wanted: dict, defect: str) -> None:
    if defect == "components swapped" and len(layer.params()) < 2:
        defect = "a component is missing"
    with pytest.raises(AssertionError):
        check_declaration(defective(layer, params=DECLARATIONS[defect]), wanted)


def test_the_layout_check_notices_shared_index_rows() -> None:
    same = defective(case("linear-full").layer, params=lambda params: (params[0], changed(params[0], name="again")))
    with pytest.raises(AssertionError, match="share an index row"):
        check_layout(same)
