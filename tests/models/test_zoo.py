"""The paper's base models: counts, structure rules and names."""

from __future__ import annotations

import pytest
import torch

from uhn.layers import GAT, GCN, KAN, Attention, Conv, Embedding, Linear
from uhn.layers.graphs import gcn_norm
from uhn.models import CATEGORICAL, FAMILIES, Inputs, categorical, run, zoo, zoo_names
from uhn.models.feedforward import cnn, mlp
from uhn.models.hypernet import generated_uhn
from uhn.models.kan import kan
from uhn.models.transformer import transformer
from uhn.tasks import functions
from uhn.vocabulary import LOCAL_FIELDS, Activation, DatasetType, Initialization, StagePooling, TaskType

FUNCTIONS = [known.name for known in functions.DATASETS]

COUNTS = {
    "mlp-mnist": 118_282,
    "cnn8-mnist": 74_762,
    "cnn20-cifar10": 269_034,
    "cnn32-cifar10": 463_018,
    "cnn44-cifar10": 657_002,
    "cnn56-cifar10": 850_986,
    "gcn-cora": 92_231,
    "gcn-citeseer": 237_446,
    "gcn-pubmed": 32_259,
    "gat-cora": 92_373,
    "gat-citeseer": 237_586,
    "gat-pubmed": 33_779,
    "transformer2-agnews": 378_372,
    "transformer1-imdb": 377_858,
    "uhn-generated": 181_121,
    "kan-g5-ellipj": 407,
    **{f"kan-g10-{name}": 364 for name in ("jv", "yv")},
    **{f"kan-g5-{name}": 254 for name in FUNCTIONS if name not in ("ellipj", "jv", "yv")},
}


def test_every_parameter_count_of_the_paper() -> None:
    assert {name: zoo(name).num_params for name in zoo_names()} == COUNTS


@pytest.mark.parametrize("name", zoo_names())
def test_every_model_runs_forward_and_backward(name: str) -> None:
    spec = zoo(name)
    flat = (0.05 * torch.randn(spec.num_params, generator=torch.Generator().manual_seed(0))).requires_grad_()
    inputs, outputs = example_inputs(name)
    y = run(spec, flat, inputs)
    assert y.shape == outputs
    y.square().sum().backward()
    assert flat.grad is not None and flat.grad.isfinite().all() and flat.grad.abs().max() > 0


def example_inputs(name: str) -> tuple[Inputs, tuple[int, ...]]:
    spec, rng = zoo(name), torch.Generator().manual_seed(1)
    if "mnist" in name or "cifar" in name:
        shape = (2, 1, 28, 28) if "mnist" in name else (2, 3, 32, 32)
        return Inputs(torch.randn(shape, generator=rng)), (2, 10)
    if name.startswith(("gcn", "gat")):
        edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        x = torch.rand(4, spec.layers[0].in_size, generator=rng)  # type: ignore[attr-defined]
        return Inputs(x, edges, gcn_norm(edges, 4)), (4, spec.layers[-1].out_size)  # type: ignore[attr-defined]
    if name.startswith("transformer"):
        tokens = torch.tensor([[2, 40, 7, 9], [2, 4999, 1, 1]])
        return Inputs(tokens, padding=tokens == 1), (2, spec.layers[-1].out_size)  # type: ignore[attr-defined]
    if name.startswith("kan"):
        return Inputs(torch.rand(5, 2, generator=rng) * 2 - 1), (5, spec.layers[-1].out_size)  # type: ignore[attr-defined]
    return Inputs(torch.randn(6, 2048, generator=rng), tokens=torch.randn(1, 3, 64, generator=rng)), (6,)


def test_first_and_last_layers_are_as_the_paper_says() -> None:
    for name in zoo_names():
        first, last = zoo(name).layers[0], zoo(name).layers[-1]
        if name != "uhn-generated":
            assert getattr(first, "activation", Activation.NONE) == Activation.NONE, name
        for layer in (first, last):
            assert not getattr(layer, "norm", False) or name == "mlp-mnist", name
        assert last.bias and not getattr(last, "shortcut", False), name  # type: ignore[attr-defined]
        assert isinstance(last, GCN | GAT) or not getattr(last, "dropout", 0), name


def test_convolutional_stages() -> None:
    layers = zoo("cnn20-cifar10").layers
    convs = [layer for layer in layers if isinstance(layer, Conv)]
    assert [layer.out_size for layer in convs] == [16] * 7 + [32] * 6 + [64] * 6
    assert [n for n, layer in enumerate(convs) if layer.pooling == StagePooling.CONV] == [7, 13]
    assert [n for n, layer in enumerate(convs) if not layer.shortcut] == [0, 7, 13]
    assert [layer.groups for layer in convs] == [0] + [4] * 18


def test_transformer_layers() -> None:
    layers = zoo("transformer2-agnews").layers
    assert [type(layer) for layer in layers] == [
        Embedding,
        Attention,
        Linear,
        Linear,
        Attention,
        Linear,
        Linear,
        Linear,
    ]
    attention = [layer for layer in layers if isinstance(layer, Attention)]
    assert [(layer.norm, layer.activation) for layer in attention] == [(False, 0), (True, 1)]
    assert {layer.dropout for layer in layers[:-1]} == {0.2}  # type: ignore[attr-defined]


def test_generated_uhn_mirrors_the_root() -> None:
    spec = zoo("uhn-generated")
    zero = [n for n, layer in enumerate(spec.layers) if layer.initialization == Initialization.ZERO]  # type: ignore[attr-defined]
    assert zero == [4]
    assert len(spec.layers) == 11 and spec.wiring == "two_branch"
    assert generated_uhn(leaf=TaskType.TEXT).dataset_type == DatasetType.RECURSIVE_TEXT
    with pytest.raises(ValueError, match="leaf task"):
        generated_uhn(leaf=TaskType.RECURSIVE)
    with pytest.raises(ValueError, match="index_layers"):
        generated_uhn(index_layers=0)


def test_generated_uhn_needs_tokens_and_broadcasts_its_structure_feature() -> None:
    spec = zoo("uhn-generated")
    flat = 0.05 * torch.randn(spec.num_params, generator=torch.Generator().manual_seed(0))
    x, tokens = torch.randn(3, 2048), torch.randn(1, 4, 64)
    with pytest.raises(ValueError, match="tokens"):
        run(spec, flat, x)
    whole = run(spec, flat, Inputs(x, tokens=tokens))
    alone = torch.cat([run(spec, flat, Inputs(x[i : i + 1], tokens=tokens)) for i in range(3)])
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(whole, run(spec, flat, Inputs(x, tokens=tokens.flip(2))))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: mlp((784,)), "at least an input and an output"),
        (lambda: mlp((784, 0, 10)), "each of sizes to be an integer >= 1, got 0"),
        (lambda: cnn((1, 2), (16, 16, 32)), "one width per stage"),
        (lambda: cnn((1, 0), (16, 16)), "each of stages to be an integer >= 1, got 0"),
        (lambda: cnn((1, 2), (16, 20)), "as wide as the stem"),
        (lambda: cnn((1, 2), (18, 18)), "divide"),
        (lambda: transformer(4, ()), "feed-forward depth"),
        (lambda: transformer(4, (2, -1)), "each of feedforward to be an integer >= 0, got -1"),
        (lambda: transformer(4, heads=3), "divide"),
        (lambda: kan((2,)), "at least an input and an output"),
        (lambda: zoo("cnn21-cifar10"), "known: mlp-mnist"),
        (lambda: categorical("rnn"), "known: mlp"),
    ],
)
def test_bad_settings_raise(build, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


def test_families_declare_categorical_fields() -> None:
    """Whole enumerations are declared for options only: not for the layer type, not for the initialisation."""
    assert set(CATEGORICAL) == set(FAMILIES) == {zoo(name).family for name in zoo_names()}
    enums = {field.name: field.categories for field in LOCAL_FIELDS if field.categories}
    for family, fields in CATEGORICAL.items():
        assert fields == {name: enums[name] for name in fields}, family
        assert not {"layer_type", "initialization_type"} & set(fields)
        used = {
            name
            for zoo_name in zoo_names()
            if zoo(zoo_name).family == family
            for layer in zoo(zoo_name).layers
            for name in layer.structure()
            if enums.get(name)
        }
        assert used - {"initialization_type"} <= set(fields), family


def test_kan_grids() -> None:
    layers = zoo("kan-g10-jv").layers
    assert [(layer.grid_size, layer.activation) for layer in layers if isinstance(layer, KAN)] == [(10, 0), (10, 3)]
