"""``run`` with the weights of K models: every family, against one model after the other; derivatives of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import grad, jvp, vmap

sys.path.append(str(Path(__file__).parent.parent / "export"))
from record_all import ARGUMENTS, EDGES

from uhn.descriptors.features import IndexFeatures
from uhn.layers.graphs import gcn_norm
from uhn.models import Inputs, ModelSpec, run, zoo
from uhn.models.feedforward import mlp
from uhn.models.hypernet import generated_uhn
from uhn.models.transformer import transformer
from uhn.sources import UniversalHypernetwork
from uhn.sources.chain import Chain
from uhn.sources.structure import encoded_tokens

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # torch's own


def case(name: str) -> tuple[ModelSpec, Inputs, Tensor]:
    x, others = ARGUMENTS[name]
    if name.startswith("gcn"):
        others = others | {"edge_weight": gcn_norm(EDGES, 4)}
    spec = zoo(name)
    return spec, Inputs(x, **others), 0.1 * torch.randn(3, spec.num_params)


def one_by_one(spec: ModelSpec, flat: Tensor, inputs: Inputs, **settings: object) -> Tensor:
    return torch.stack([run(spec, each, inputs, **settings) for each in flat])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ARGUMENTS)
def test_k_models_are_each_what_they_are_alone(name: str) -> None:
    spec, inputs, flat = case(name)
    flat.requires_grad_()
    together, wanted = run(spec, flat, inputs), one_by_one(spec, flat, inputs)
    torch.testing.assert_close(together, wanted, rtol=1e-4, atol=1e-5)
    upstream = torch.randn_like(wanted)
    got, right = (torch.autograd.grad(out, flat, upstream)[0] for out in (together, wanted))
    assert (got - right).norm() < 1e-4 * right.norm()


@pytest.mark.parametrize("name", ["gcn-pubmed", "gat-pubmed"])
@pytest.mark.filterwarnings("ignore:Sparse CSR")  # torch says it once per process, whoever makes the first
def test_k_graph_models_on_sparse_features(name: str) -> None:
    spec, inputs, flat = case(name)
    assert isinstance(inputs.x, Tensor)
    for x in (inputs.x.to_sparse_csr(), inputs.x.to_sparse_coo().coalesce()):
        sparse = Inputs(x, inputs.edges, inputs.edge_weight)
        torch.testing.assert_close(run(spec, flat, sparse), one_by_one(spec, flat, inputs), rtol=1e-4, atol=1e-5)
        slope = grad(lambda f, sparse=sparse: run(spec, f, sparse).square().sum())(flat[0])
        wanted = grad(lambda f: run(spec, f, inputs).square().sum())(flat[0])
        assert (slope - wanted).norm() < 1e-4 * wanted.norm()


def test_k_models_in_training_draw_masks_one_after_the_other() -> None:
    for name in ("gcn-pubmed", "transformer1-imdb"):
        spec, inputs, flat = case(name)
        one, other = (torch.Generator().manual_seed(1) for _ in range(2))
        together = run(spec, flat, inputs, training=True, rng=one)
        assert torch.equal(together, one_by_one(spec, flat, inputs, training=True, rng=other))


def test_graphs_and_texts_that_differ_from_model_to_model() -> None:
    graphs = torch.stack([EDGES, EDGES.flip(0)])
    for name in ("gcn-pubmed", "gat-pubmed"):
        spec, inputs, flat = case(name)

        def on(edges: Tensor, spec: ModelSpec = spec, inputs: Inputs = inputs, one: Tensor = flat[0]) -> Tensor:
            return run(spec, one, Inputs(inputs.x, edges, gcn_norm(edges, 4)))

        torch.testing.assert_close(vmap(on)(graphs), torch.stack([on(g) for g in graphs]), rtol=1e-4, atol=1e-5)
    spec, inputs, flat = case("transformer1-imdb")
    assert isinstance(inputs.x, Tensor) and inputs.padding is not None

    def read(tokens: Tensor) -> Tensor:
        return run(spec, flat[0], Inputs(tokens, padding=tokens == 1))

    texts = torch.stack([inputs.x, inputs.x.flip(0)])
    torch.testing.assert_close(vmap(read)(texts), torch.stack([read(t) for t in texts]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in ARGUMENTS if not name.startswith(("cnn", "mlp"))])
def test_derivatives_of_a_run(name: str) -> None:
    """Forward mode against differences, and the derivative of a gradient three ways."""
    spec, inputs, flats = case(name)
    flat, direction = flats[0], flats[1]

    def loss(flat: Tensor) -> Tensor:
        return run(spec, flat, inputs).square().mean()

    slope = grad(loss)(flat)
    leaf = flat.clone().requires_grad_()
    (plain,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    assert (slope - plain).norm() < 1e-4 * plain.norm()
    torch.testing.assert_close(jvp(loss, (flat,), (direction,))[1], slope @ direction, rtol=1e-3, atol=1e-6)
    (twice,) = torch.autograd.grad(plain @ direction, leaf)
    assert (twice - jvp(grad(loss), (flat,), (direction,))[1]).norm() < 1e-2 * twice.norm()


def test_dropout_under_a_transform_draws_the_same_masks() -> None:
    spec = transformer(2, (1,), size=8, heads=2, vocabulary=9, max_length=6, dropout=0.4)
    flat, tokens = 0.3 * torch.randn(spec.num_params), torch.randint(0, 9, (5, 6))

    def loss(flat: Tensor) -> Tensor:
        return run(spec, flat, Inputs(tokens), training=True, rng=torch.Generator().manual_seed(3)).square().sum()

    leaf = flat.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(loss(leaf), leaf)
    assert (grad(loss)(flat) - wanted).norm() < 1e-4 * wanted.norm()


def test_k_generated_hypernetworks_on_factored_features() -> None:
    spec, level = mlp((6, 8, 3)), generated_uhn(structure_frequencies=4, index_frequencies=24, hidden=16)
    root = UniversalHypernetwork.for_specs([level, spec], hidden=16, frequencies=24, structure_frequencies=4)
    assert root.structure is not None and Chain(root, [level])
    inputs = Inputs(
        IndexFeatures.of(spec, root.ranges, root.encoding),
        tokens=encoded_tokens(spec, root.ranges, root.structure.encoding),
    )
    flat = 0.1 * torch.randn(3, level.num_params)
    torch.testing.assert_close(run(level, flat, inputs), one_by_one(level, flat, inputs), rtol=1e-4, atol=1e-5)


def test_weights_of_other_shapes_are_refused() -> None:
    spec = mlp((6, 8, 3))
    for shape in [(0, spec.num_params), (2, spec.num_params - 1), (2, 2, spec.num_params), ()]:
        with pytest.raises(ValueError, match=rf"of shape \[{spec.num_params}\]"):
            run(spec, torch.zeros(shape), torch.zeros(1, 6))
