"""One suite over the layer registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conformance import check_declaration, check_layout, check_oracle
from layer_cases import CASES, Case, normal, pyg
from torch import nn

from uhn.layers import (
    GAT,
    GCN,
    KAN,
    Attention,
    Conv,
    Embedding,
    Layer,
    Linear,
    active_index_fields,
    active_structure_fields,
    base,
    layer_from_settings,
    layer_registry,
)
from uhn.layers.base import register
from uhn.models import Inputs, ModelSpec
from uhn.models.feedforward import mlp
from uhn.vocabulary import ACTIVATION_NAMES, OPEN, Activation, HeadConcat, Initialization, StagePooling

OUT, IN, KH, KW, TOK, SEQ, GRID = (
    "out_idx",
    "in_idx",
    "kernel_h",
    "kernel_w",
    "embedding_idx",
    "sequence_idx",
    "grid_idx",
)
DECLARED = (
    (Linear(3, 2), {"weight": (0, {OUT: 2, IN: 3}, (2, 3)), "bias": (1, {OUT: 2}, (2,))}),
    (Linear(3, 2, bias=False), {"weight": (0, {OUT: 2, IN: 3}, (2, 3))}),
    (Conv(3, 2, 5), {"weight": (0, {OUT: 2, IN: 3, KH: 5, KW: 5}, (2, 3, 5, 5)), "bias": (1, {OUT: 2}, (2,))}),
    (GCN(3, 2), {"weight": (0, {OUT: 2, IN: 3}, (2, 3)), "bias": (1, {OUT: 2}, (2,))}),
    (
        GAT(3, 2, 4),
        {
            "weight": (0, {OUT: 8, IN: 3}, (8, 3)),
            "bias": (1, {OUT: 8}, (8,)),
            "att_src": (2, {OUT: 8}, (1, 4, 2)),
            "att_dst": (3, {OUT: 8}, (1, 4, 2)),
        },
    ),
    (
        GAT(3, 2, 4, HeadConcat.AVG),
        {
            "weight": (0, {OUT: 8, IN: 3}, (8, 3)),
            "bias": (1, {OUT: 2}, (2,)),
            "att_src": (2, {OUT: 8}, (1, 4, 2)),
            "att_dst": (3, {OUT: 8}, (1, 4, 2)),
        },
    ),
    (Embedding(7, 4, 5), {"token": (0, {TOK: 7, OUT: 4}, (7, 4)), "position": (1, {SEQ: 5, OUT: 4}, (1, 5, 4))}),
    (
        Attention(4, 2),
        {
            "query_weight": (0, {OUT: 4, IN: 4}, (4, 4)),
            "key_weight": (1, {OUT: 4, IN: 4}, (4, 4)),
            "value_weight": (2, {OUT: 4, IN: 4}, (4, 4)),
            "query_bias": (3, {OUT: 4}, (4,)),
            "key_bias": (4, {OUT: 4}, (4,)),
            "value_bias": (5, {OUT: 4}, (4,)),
            "out_weight": (6, {OUT: 4, IN: 4}, (4, 4)),
            "out_bias": (7, {OUT: 4}, (4,)),
        },
    ),
    (
        KAN(3, 2, 5, 3),
        {
            "base_weight": (0, {OUT: 2, IN: 3}, (2, 3)),
            "base_bias": (1, {OUT: 2}, (2,)),
            "spline_weight": (2, {OUT: 2, IN: 3, GRID: 8}, (2, 3, 8)),
            "spline_scale": (3, {OUT: 2, IN: 3}, (2, 3)),
            "grid_lower": (4, {IN: 3}, (3,)),
            "grid_length": (5, {IN: 3}, (3,)),
            "grid_knots": (6, {IN: 3, GRID: 12}, (3, 12)),
        },
    ),
)

# B.5.1 of the paper, word for word but for the kernel fields' suffix
COMMON = ["layer_idx", "layer_type", "param_type"]
INDEX_LISTS = {
    "linear": [*COMMON, "out_idx", "in_idx"],
    "conv": [*COMMON, "out_idx", "in_idx", "kernel_h", "kernel_w"],
    "gcn": [*COMMON, "out_idx", "in_idx"],
    "gat": [*COMMON, "out_idx", "in_idx"],
    "embedding": [*COMMON, "out_idx", "embedding_idx", "sequence_idx"],
    "attention": [*COMMON, "out_idx", "in_idx"],
    "kan": [*COMMON, "out_idx", "in_idx", "grid_idx"],
}
STRUCTURE_LISTS = {
    "linear": "layer_idx, layer_type, bias_type, norm_type, shortcut_type, output_size, input_size, activation_type, "
    "activation_param, dropout_rate, input_pooling_reshape_type, initialization_type",
    "conv": "layer_idx, layer_type, bias_type, norm_type, shortcut_type, output_size, input_size, activation_type, "
    "activation_param, dropout_rate, group_num, kernel_size, stage_wise_pooling_type, initialization_type",
    "gcn": "layer_idx, layer_type, bias_type, norm_type, output_size, input_size, activation_type, activation_param, "
    "dropout_rate, initialization_type",
    "gat": "layer_idx, layer_type, bias_type, norm_type, output_size, input_size, activation_type, activation_param, "
    "dropout_rate, num_heads, head_concat_type, initialization_type",
    "embedding": "layer_idx, layer_type, output_size, dropout_rate, embedding_num, max_sequence_length, "
    "initialization_type",
    "attention": "layer_idx, layer_type, bias_type, norm_type, shortcut_type, output_size, input_size, "
    "activation_type, activation_param, dropout_rate, num_heads, initialization_type",
    "kan": "layer_idx, layer_type, bias_type, output_size, input_size, activation_type, activation_param, grid_size, "
    "spline_order, initialization_type",
}
KINDS = sorted(
    set(layer_registry()) - {"foreign"}
)  # it declares what somebody's module has: tests/models/test_describe.py
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def example(kind: str) -> Layer:
    return next(case.layer for case in CASES if case.layer.kind == kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_registered_layer_is_covered(kind: str) -> None:
    assert any(case.layer.kind == kind for case in CASES), f"layer {kind!r} has no case in layer_cases.py"
    assert any(layer.kind == kind for layer, _ in DECLARED), f"layer {kind!r} has no declaration typed out"


@every_case
def test_output_and_gradients_equal_the_oracle(case: Case) -> None:
    check_oracle(case.layer, case)


@pytest.mark.parametrize(("layer", "wanted"), DECLARED, ids=lambda value: getattr(value, "kind", ""))
def test_components_are_declared_as_the_paper_lists_them(layer: Layer, wanted: dict) -> None:
    check_declaration(layer, wanted)


@every_case
def test_layout_is_the_declaration_and_index_rows_are_unique(case: Case) -> None:
    check_layout(case.layer)


@every_case
def test_json_round_trip(case: Case) -> None:
    settings = json.loads(json.dumps(case.layer.settings()))
    again = layer_from_settings(case.layer.kind, settings)
    assert again == case.layer
    assert again.params() == case.layer.params()
    with pytest.raises(ValueError, match="colour"):
        layer_from_settings(case.layer.kind, settings | {"colour": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_active_fields_are_those_of_the_paper(kind: str) -> None:
    assert list(active_index_fields(example(kind))) == INDEX_LISTS[kind]
    assert list(active_structure_fields(example(kind))) == STRUCTURE_LISTS[kind].split(", ")


@pytest.mark.parametrize("kind", KINDS)
def test_zero_initialisation_makes_every_target_zero(kind: str) -> None:
    layer = replace(example(kind), initialization=Initialization.ZERO)
    assert {(p.init.mean, p.init.std) for p in layer.params()} == {(0.0, 0.0)}
    assert layer.structure()["initialization_type"] == 1


STOCK = (
    (Linear(300, 200), lambda: nn.Linear(300, 200), {"weight": "weight", "bias": "bias"}),
    (Conv(30, 40, 5), lambda: nn.Conv2d(30, 40, 5), {"weight": "weight", "bias": "bias"}),
    (GCN(300, 100), lambda: pyg.GCNConv(300, 100), {"weight": "lin.weight", "bias": "bias"}),
    (
        GAT(300, 40, 50),
        lambda: pyg.GATConv(300, 40, 50),
        {"weight": "lin.weight", "bias": "bias", "att_src": "att_src", "att_dst": "att_dst"},
    ),
    (Embedding(400, 50, 3), lambda: nn.Embedding(400, 50), {"token": "weight"}),
    (
        Attention(200, 2),
        lambda: nn.MultiheadAttention(200, 2),
        {"out_weight": "out_proj.weight", "query_bias": "in_proj_bias"},
    ),
)


@pytest.mark.parametrize(("layer", "module", "names"), STOCK, ids=[type(layer).__name__ for layer, *_ in STOCK])
def test_targets_are_the_statistics_of_stock_initialisations(layer: Layer, module: Callable, names: dict) -> None:
    """B.6: targets match what PyTorch and PyG draw by default."""
    stock = dict(module().named_parameters())
    draws = {param.name: param for param in layer.params()}
    for ours, theirs in names.items():
        value, init = stock[theirs].detach(), draws[ours].init
        error = 5 * max(init.std, 1e-12) / value.numel() ** 0.5
        assert abs(float(value.mean()) - init.mean) <= error
        assert abs(float(value.std(correction=0)) - init.std) <= error
        drawn = init.draw(value.numel(), torch.Generator().manual_seed(1))
        # The 95 % quantile of the sizes tells a uniform from a normal draw of the same deviation (1.65 against 1.96).
        tails = torch.stack([values.abs().flatten().quantile(0.95) for values in (drawn, value)])
        assert abs(float(tails[0] - tails[1])) <= 0.1 * float(tails[1])


def test_targets_without_a_stock_counterpart() -> None:
    """B.6 and Table 6's KAN components, as numbers."""
    targets = {p.name: (p.init.mean, round(p.init.std, 6)) for p in KAN(3, 2).params()}
    third = round(1 / 9**0.5, 6)
    assert targets == {
        "base_weight": (0, third),
        "base_bias": (0, 0),
        "spline_weight": (0, 0.1),
        "spline_scale": (0, third),
        "grid_lower": (-1, 0),
        "grid_length": (0.6931471805599453, 0),
        "grid_knots": (0, 0),
    }
    attention = {p.name: (p.init.mean, p.init.std) for p in Attention(64, 2).params()}
    assert attention["query_weight"] == attention["key_weight"] == attention["value_weight"] == (0, 0.125)
    assert {p.name: p.init.std for p in Embedding(9, 4, 5).params()}["position"] == 0


BAD = (
    (Linear, {"in_size": 0, "out_size": 1}, "in_size"),
    (Linear, {"in_size": 2, "out_size": 3, "shortcut": True}, "shortcut"),
    (Linear, {"in_size": 2, "out_size": 3, "activation": 9}, "activation"),
    (Linear, {"in_size": 2, "out_size": 3, "activation_param": 0.1}, "activation_param"),
    (Linear, {"in_size": 2, "out_size": 3, "dropout": 1.0}, "dropout"),
    (Conv, {"in_size": 4, "out_size": 4, "kernel_size": 0}, "kernel_size"),
    (Conv, {"in_size": 4, "out_size": 4, "norm": True}, "groups"),
    (Conv, {"in_size": 4, "out_size": 4, "norm": True, "groups": 3}, "divide"),
    (Conv, {"in_size": 4, "out_size": 4, "groups": 2}, "without norm"),
    (Conv, {"in_size": 4, "out_size": 8, "shortcut": True}, "shortcut"),
    (Conv, {"in_size": 4, "out_size": 4, "shortcut": True, "kernel_size": 2}, "shortcut"),
    (Conv, {"in_size": 4, "out_size": 4, "shortcut": True, "pooling": StagePooling.AVG}, "shortcut"),
    (Conv, {"in_size": 4, "out_size": 4, "pooling": 4}, "pooling"),
    (Conv, {"in_size": 4, "out_size": 4, "stride": 0}, "stride"),
    (Conv, {"in_size": 4, "out_size": 4, "padding": -1}, "padding"),
    (Conv, {"in_size": 4, "out_size": 6, "conv_groups": 4}, "conv_groups must divide"),
    (Conv, {"in_size": 4, "out_size": 4, "stride": 2, "pooling": StagePooling.CONV}, "stride must be 1"),
    (Conv, {"in_size": 4, "out_size": 4, "shortcut": True, "stride": 2}, "unchanged image size"),
    (Conv, {"in_size": 4, "out_size": 4, "shortcut": True, "padding": 0}, "unchanged image size"),
    (Linear, {"in_size": 2, "out_size": 3, "activation": "swoosh"}, "one of relu, leaky_relu"),
    (Linear, {"in_size": 2, "out_size": 3, "activation": "relu", "activation_param": 0.1}, "slope 0"),
    (Linear, {"in_size": 2, "out_size": 3, "activation": "gelu", "activation_param": 0.1}, "has no parameter"),
    (Linear, {"in_size": 2, "out_size": 3, "activation": 199}, "GELU=100"),
    (GCN, {"in_size": 4, "out_size": -1}, "out_size"),
    (GCN, {"in_size": 4, "out_size": 2, "dropout": -0.1}, "dropout"),
    (GAT, {"in_size": 4, "out_size": 2, "heads": 0}, "heads"),
    (GAT, {"in_size": 4, "out_size": 2, "concat": 2}, "concat"),
    (Embedding, {"embeddings": 0, "out_size": 2, "max_length": 3}, "embeddings"),
    (Embedding, {"embeddings": 5, "out_size": 2, "max_length": 0}, "max_length"),
    (Attention, {"size": 6, "heads": 4}, "divide"),
    (Attention, {"size": 6, "heads": 2, "activation": Activation.SILU, "activation_param": 0.5}, "activation_param"),
    (KAN, {"in_size": 2, "out_size": 1, "grid_size": 0}, "grid_size"),
    (KAN, {"in_size": 2, "out_size": 1, "spline_order": 0}, "spline_order"),
    (KAN, {"in_size": 2, "out_size": 1, "initialization": 2}, "initialization"),
)


@pytest.mark.parametrize(
    ("cls", "settings", "words"), BAD, ids=[f"{c.kind}-{w}-{n}" for n, (c, _, w) in enumerate(BAD)]
)
def test_bad_settings_raise(cls: type[Layer], settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cls(**settings)


@pytest.mark.parametrize("kind", KINDS)
def test_a_foreign_setting_is_a_type_error(kind: str) -> None:
    with pytest.raises(TypeError, match="colour"):
        type(example(kind))(**example(kind).settings(), colour=1)


def test_a_duplicate_kind_or_code_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    before = sorted(layer_registry())  # with what another file of tests has defined
    with pytest.raises(ValueError, match="collides"):
        register(type("Other", (Linear,), {"kind": "linear", "type_code": 500}))
    with pytest.raises(ValueError, match="collides"):
        register(type("Other", (Linear,), {"kind": "other", "type_code": 0, "__module__": "uhn.layers.other"}))
    with pytest.raises(ValueError, match="100 or more, got 42"):
        register(type("Other", (Linear,), {"kind": "other", "type_code": 42}))
    assert sorted(layer_registry()) == before


def test_a_layer_of_ones_own_may_be_defined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a notebook's cell is run again: the last definition counts."""
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    for note in ("first", "second"):
        mine = register(type("Mine", (Linear,), {"kind": "mine", "type_code": 100, "note": note}))
    assert layer_registry()["mine"] is mine and mine.note == "second"  # type: ignore[attr-defined]
    spec = ModelSpec("own", OPEN, (mine(4, 3),))
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert spec.explain(0).descriptor["layer_type"] == 100


@pytest.mark.parametrize("name", ACTIVATION_NAMES)
def test_activations_by_name(name: str) -> None:
    """Each is the function of that name in torch."""
    x = normal(4, 7)
    layer = Linear(7, 7, bias=False, activation=name)  # type: ignore[arg-type]
    found = layer.apply({"weight": torch.eye(7, dtype=torch.float64)}, x, Inputs(x))
    wanted = {"none": lambda x: x, "leaky_relu": lambda x: F.leaky_relu(x, 0.1), "sine": torch.sin}
    torch.testing.assert_close(found, wanted.get(name, getattr(F, name, None))(x))  # type: ignore[operator]
    assert layer_from_settings("linear", json.loads(json.dumps(layer.settings()))) == layer
    assert mlp((4, 7, 7, 3), activation=name).layers[1].structure()["activation_type"] == layer.activation  # type: ignore[arg-type]


def test_what_the_paper_does_not_have_changes_no_spec_of_the_paper() -> None:
    assert not {"stride", "padding", "dilation", "conv_groups"} & set(Conv(4, 4).settings())
    changed = Conv(4, 4, stride=2, padding=0)
    assert layer_from_settings("conv", changed.settings()) == changed
    assert mlp((4, 8, 8, 3), activation="relu").layers[1] == Linear(
        8, 8, norm=True, shortcut=True, activation=Activation.LEAKY_RELU, activation_param=0.0
    )


def one_of_each() -> ModelSpec:
    return ModelSpec("test", OPEN, tuple(example(kind) for kind in KINDS), wiring="module")


HASH = "cfe40f6a0b4eeb4a9d183fd3f6a226a805100578227034db956b98c69730aafc"


def test_the_hash_is_the_same_everywhere() -> None:
    """On every machine, in every process: it names generated weights in caches and files."""
    assert one_of_each().hash == HASH
    code = "import json, sys; from uhn.models import ModelSpec as S; print(S.from_json(json.load(sys.stdin)).hash)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(one_of_each().to_json()),
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == HASH
