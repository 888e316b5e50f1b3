"""HA and Chunked at the paper's sizes, and how chunked hypernetworks grow (Eq 7, Eq 8)."""

from __future__ import annotations

from math import sqrt

import pytest
import torch

from uhn.models import ModelSpec, zoo
from uhn.models.feedforward import cnn, mlp
from uhn.sources import ChunkedHypernetwork, Direct, HaHypernetwork, OneSpecSource

COUNTS = {
    "cnn20-cifar10": (619_306, 625_480),
    "cnn32-cifar10": (635_546, 627_592),
    "cnn44-cifar10": (651_786, 629_640),
    "cnn56-cifar10": (668_026, 631_688),
}
"""Table 2: HA and Chunked."""


def size(source: OneSpecSource) -> int:
    return source.parameter_counts()["trainable"]


@pytest.mark.parametrize("model", COUNTS)
def test_the_counts_of_table_2(model: str) -> None:
    spec = zoo(model)
    assert (size(HaHypernetwork(spec)), size(ChunkedHypernetwork(spec))) == COUNTS[model]


def test_ha_trains_stem_biases_and_classifier_directly_and_generates_the_other_kernels() -> None:
    spec = zoo("cnn20-cifar10")
    source = HaHypernetwork(spec, seed=3)
    before = source(spec).detach()
    with torch.no_grad():
        source.direct.add_(1)
    moved = source(spec).detach() - before
    for slot in spec.layout:
        direct = slot.layer in (0, len(spec.layers) - 1) or slot.param.name == "bias"
        torch.testing.assert_close(moved[slot.span], torch.full((slot.numel,), float(direct)))


def test_what_ha_trains_directly_starts_as_declared() -> None:
    spec = zoo("cnn20-cifar10")
    flat = HaHypernetwork(spec)(spec).detach()
    for slot in spec.layout:
        if slot.layer in (0, len(spec.layers) - 1):
            assert flat[slot.span].std() == pytest.approx(slot.param.init.std, rel=0.25)


@pytest.mark.parametrize("kind", [HaHypernetwork, ChunkedHypernetwork])
def test_generated_weights_start_at_a_scale_that_trains(kind: type[OneSpecSource]) -> None:
    """PyTorch's default for the maps and N(0, 1) for the embeddings, by hand: variances, layer after layer."""
    spec = zoo("cnn20-cifar10")
    kernel = kind(spec)(spec)[spec.layout[-4].span].detach()
    if kind is HaHypernetwork:
        hidden = (1 + 1 / 188) / 3
        wanted = (hidden + 1 / 188) / 3
    else:
        first = (1 + 1 / 64) / 3
        second = (first / 2 + 1 / 100) / 3
        wanted = (second / 2 + 1 / 100) / 3
    assert kernel.std() == pytest.approx(sqrt(wanted), rel=0.2)
    assert abs(kernel.mean()) < 0.1 * kernel.std()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (mlp((16, 16, 4)), "at least two convolutions and one linear layer at the end, got .* with layers linear"),
        (cnn((1,), (16,), channels=1), "at least two convolutions"),
        (cnn((1, 1, 1), (16, 16, 24), channels=1), "multiples of 16, got layer 2 with 3 x 3 from 16 to 24"),
        (cnn((1, 1), (16, 16), channels=1, kernel_size=5), "3 x 3 kernels .* got layer 1 with 5 x 5"),
        (zoo("gcn-cora"), "with layers gcn"),
    ],
    ids=["mlp", "stem only", "width", "kernel", "graph"],
)
def test_ha_refuses_what_it_cannot_tile(spec: ModelSpec, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HaHypernetwork(spec)


@pytest.mark.parametrize("settings", [{"tile": 0}, {"embedding": 0}])
def test_ha_refuses_empty_sizes(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=">= 1"):
        HaHypernetwork(zoo("cnn20-cifar10"), **settings)


@pytest.mark.parametrize("settings", [{"chunk": 0}, {"embedding": 0}, {"hidden": 0}])
def test_chunked_refuses_empty_sizes(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=">= 1"):
        ChunkedHypernetwork(mlp((4, 3)), **settings)


def test_ha_serves_networks_without_biases_and_rectangular_kernels() -> None:
    spec = cnn((1, 1, 1), (16, 16, 48), channels=1, bias=False)
    source = HaHypernetwork(spec)
    assert source.embeddings.shape == (1 + 3, 188)
    assert source(spec).shape == (spec.num_params,)


TARGETS = {"kan": zoo("kan-g5-ellipj"), "mlp": zoo("mlp-mnist"), **{model: zoo(model) for model in COUNTS}}


def test_equation_7() -> None:
    """The MLP without its last layer, o c for that layer (and its c biases), an embedding a chunk."""
    for spec in TARGETS.values():
        for chunk in (100, 6000, 10_000):
            source = ChunkedHypernetwork(spec, chunk=chunk, embedding=64, hidden=100)
            fixed = sum(p.numel() for layer in (0, 2) for p in source.layers[layer].parameters())
            assert size(source) == fixed + 100 * chunk + chunk + 64 * -(-spec.num_params // chunk)


def test_equation_8() -> None:
    """Whatever the chunk, the size is at least N_0 + 2 sqrt(o d N), and the best chunk comes close to it."""
    hidden, embedding = 100, 64
    fixed = (embedding + 1) * hidden + (hidden + 1) * hidden
    for spec in TARGETS.values():
        bound = fixed + 2 * sqrt(hidden * embedding * spec.num_params)
        best = sqrt(embedding * spec.num_params / hidden)
        sizes = {}
        for chunk in {max(1, round(best * factor)) for factor in (0.1, 0.5, 1, 2, 10)} | {6000}:
            source = ChunkedHypernetwork(spec, chunk=chunk, embedding=embedding, hidden=hidden)
            sizes[chunk] = size(source)
            assert sizes[chunk] >= bound
        assert min(sizes.values()) == sizes[round(best)] <= 1.02 * (bound + best + embedding)


def test_baselines_grow_with_the_target_and_direct_training_grows_fastest() -> None:
    small, large = zoo("cnn20-cifar10"), zoo("cnn56-cifar10")
    growth = {kind: size(kind(large)) - size(kind(small)) for kind in (ChunkedHypernetwork, HaHypernetwork, Direct)}
    assert 0 < growth[ChunkedHypernetwork] < growth[HaHypernetwork] < growth[Direct]
