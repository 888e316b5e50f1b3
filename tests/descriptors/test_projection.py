"""The factored first layer against the straightforward one: values and gradients, every model, encoding and way."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from dense_oracle import different, features_of, project, relative, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from uhn.descriptors import features as features_module
from uhn.descriptors import grids
from uhn.descriptors.basis import BASIS_TOLERANCE, leading_basis
from uhn.descriptors.encodings import Encoding, make_encoding
from uhn.descriptors.features import IndexFeatures
from uhn.descriptors.ranges import Ranges
from uhn.descriptors.sharing import Kept, storages
from uhn.descriptors.windows import windowed
from uhn.layers import KAN, Conv, Embedding, Layer, Linear
from uhn.models import ModelSpec, zoo
from uhn.randomness import stream
from uhn.vocabulary import OPEN

WANTED = 1e-4
"""Error allowed, as a share of the root mean square."""


def spec_of(*layers: Layer) -> ModelSpec:
    return ModelSpec("layers", OPEN, layers, wiring="module")


def encoding_of(name: str, m: int) -> Encoding:
    return make_encoding(name, 10, m, 100.0, stream(0, "index fourier"))


def evaluate(features: IndexFeatures, h: int, seed: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    """(value, weight gradient, bias gradient) of the library and of the oracle, rows in flat order."""
    generator = stream(seed, "projection")
    weight = torch.randn(h, features.shape[1], generator=generator).requires_grad_()
    bias = torch.randn(h, generator=generator).requires_grad_()
    grad = torch.randn(features.shape[0], h, generator=generator)
    out = features.project(weight, bias)
    flat = torch.stack([features.to_flat(column) for column in out.detach().t()], dim=1)
    order = features.order
    got = torch.autograd.grad(out, [weight, bias], grad if order is None else grad[order])
    wanted = project(features.spec, features.ranges, features.encoding, weight.detach(), bias.detach(), grad)
    return [flat, *got], list(wanted)


def check(features: IndexFeatures, h: int, wanted: float = WANTED) -> None:
    for what, got, oracle in zip(("value", "weight", "bias"), *evaluate(features, h), strict=True):
        assert got.shape == oracle.shape and got.dtype == torch.float32
        assert relative(got, oracle) < wanted, what


def modes(features: IndexFeatures) -> set[str]:
    plan = features._planned()[0]
    assert plan is not None
    return {grid.mode for grid in plan.grids}


@pytest.mark.parametrize("name", different())
def test_every_model_with_fourier_features(name: str) -> None:
    spec = zoo(name)
    check(IndexFeatures(spec, Ranges.declared([spec]), encoding_of("gff", 6)), 3)


@pytest.mark.parametrize("encoding", ["positional", "raw"])
@pytest.mark.parametrize(
    "name", ["mlp-mnist", "cnn8-mnist", "gat-pubmed", "transformer1-imdb", "kan-g5-ellipj", "uhn-generated"]
)
def test_models_with_the_other_encodings(name: str, encoding: str) -> None:
    spec = zoo(name)
    made = encoding_of(encoding, 1)
    if encoding == "positional":
        made.bands = made.bands[::16]  # fewer bands, so that the oracle's features stay small
    check(IndexFeatures(spec, Ranges.declared([spec]), made), 3)


@pytest.mark.parametrize(
    ("mode", "layer"),
    [
        ("features", Linear(60, 50)),
        ("features", Linear(61, 51)),
        ("weights", Conv(18, 34, 3)),
        ("weights", Linear(341, 8)),
        ("weights", Linear(340, 9)),
        ("weights", Embedding(341, 8, 2)),
        ("basis", Linear(2001, 4)),
        ("basis", Linear(2000, 3)),
        ("basis", Embedding(1999, 3, 1)),
        ("windows", Conv(16, 64, 3)),
        ("windows", Conv(15, 63, 3)),
        ("windows", Linear(784, 65)),
        ("windows", Linear(100, 129)),
        ("windows", Embedding(90, 64, 2)),
    ],
)
def test_every_way_of_multiplying_a_grid(mode: str, layer: Layer) -> None:
    """Sizes for which the planner takes each way, with odd and even rows and columns."""
    spec = spec_of(layer)
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of("gff", 512 if mode in ("basis", "windows") else 32))
    assert modes(features) == {mode}
    check(features, 5)


def test_a_list_of_rows_keeps_the_error_bound() -> None:
    """Small blocks are multiplied row by row, with their features kept."""
    spec = zoo("kan-g5-kv")
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of("gff", 512))
    assert modes(features) == set()
    check(features, 5)


@pytest.mark.parametrize("elements", [1, 2**18])
def test_windows_in_any_pieces_and_layers(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers with phases of their own share sorted factors; a piece may be a single row."""
    monkeypatch.setattr(features_module, "WORKING_ELEMENTS", elements)
    spec = spec_of(*[Conv(15, 64, 3, bias=False)] * 2)
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of("gff", 256))
    plan = features._planned()[0]
    assert plan is not None and [(len(grid.offsets), grid.mode) for grid in plan.grids] == [(2, "windows")]
    assert len(features.work) > (100 if elements == 1 else 2)
    check(features, 3)


def test_double_precision_takes_no_basis_and_no_windows() -> None:
    """They are exact to float32 only."""
    spec = spec_of(Conv(16, 64, 3), Linear(2001, 4))
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of("gff", 256).double())
    assert modes(features) <= {"features", "weights"}
    weight = torch.randn(2, 512, generator=stream(0, "w"), dtype=torch.float64)
    dense = features_of(rows_of(spec), features.ranges, features.encoding)
    order = features.order
    wanted = dense @ weight.t()
    assert relative(features.project(weight, None), wanted if order is None else wanted[order]) < 1e-9


def test_a_wider_range_than_the_spec_spans() -> None:
    small, large = zoo("mlp-mnist"), zoo("transformer2-agnews")
    features = IndexFeatures(small, Ranges.declared([small, large]), encoding_of("gff", 8))
    check(features, 3)


def test_blocks_that_differ_in_their_layer_only_share_a_grid() -> None:
    spec = spec_of(*[Linear(50, 50)] * 5)
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of("gff", 8))
    plan = features._planned()[0]
    assert plan is not None and [len(grid.offsets) for grid in plan.grids] == [5]
    check(features, 4)


@pytest.mark.parametrize("layer", [Linear(60, 50), Embedding(90, 40, 1)])
def test_axes_beyond_every_limit_still_go_by_grids(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a generator with 4,096 frequencies would form 10 GB of features for 5,000 tokens."""
    monkeypatch.setattr(grids, "FACTOR_ELEMENTS", 1)
    monkeypatch.setattr(grids, "SMALL_BLOCK", 0)
    spec = spec_of(layer)
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of("gff", 16))
    plan = features._planned()[0]
    assert plan is not None and plan.row_features.shape[0] <= 50, "only a bias goes row by row"
    check(features, 5)


SIZE = st.integers(1, 9)
LAYERS = st.one_of(
    st.builds(Linear, SIZE, SIZE, st.booleans()),
    st.builds(Conv, SIZE, SIZE, st.sampled_from([1, 3, 5])),
    st.builds(Embedding, SIZE, SIZE, SIZE),
    st.builds(KAN, st.integers(1, 4), st.integers(1, 4), st.integers(1, 6)),
)


@given(
    layers=st.lists(LAYERS, min_size=1, max_size=4),
    encoding=st.sampled_from(["gff", "gff", "positional", "raw"]),
    h=st.integers(1, 5),
    m=st.integers(1, 9),
    elements=st.sampled_from([1, 300, 2**21]),
    width=st.sampled_from([1, 128]),
)
@settings(deadline=None, derandomize=True, database=None, max_examples=50)
def test_any_small_model_cut_in_any_pieces(
    layers: list[Layer], encoding: str, h: int, m: int, elements: int, width: int
) -> None:
    spec = spec_of(*layers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grids, "SMALL_BLOCK", 0)  # small blocks go through grids too
        patch.setattr(features_module, "WORKING_ELEMENTS", elements)
        patch.setattr(features_module, "PLANNED_WIDTH", width)
        features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of(encoding, m))
        order = features.order
        if order is not None:
            assert torch.equal(order.sort().values, torch.arange(spec.num_params)), "every row exactly once"
        assert sum(piece.count for piece in features.work) == spec.num_params
        for what, got, oracle in zip(("value", "weight", "bias"), *evaluate(features, h), strict=True):
            scale = max(float(oracle.square().mean().sqrt()), 1e-2)
            assert float((got.double() - oracle).abs().max()) < 3e-5 * scale, what


@pytest.mark.parametrize("encoding", ["gff", "positional", "raw"])
def test_no_bias_and_a_weight_that_does_not_fit(encoding: str) -> None:
    spec = spec_of(Linear(7, 60), Linear(60, 50))
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of(encoding, 8))
    weight = torch.randn(4, features.shape[1], generator=stream(0, "w"))
    zero = features.project(weight, torch.zeros(4))
    assert torch.equal(features.project(weight, None), zero)
    held = weight.clone().requires_grad_()
    features.project(held, None).sum().backward()
    dense = features_of(rows_of(spec), features.ranges, features.encoding).sum(0).expand(4, -1)
    assert held.grad is not None and relative(held.grad, dense) < WANTED
    with pytest.raises(ValueError, match=f"a weight of {features.shape[1]} columns"):
        features.project(weight[:, :-1], None)


@pytest.mark.parametrize("encoding", ["gff", "positional", "raw"])
def test_dense_and_project_have_the_same_rows(encoding: str) -> None:
    spec = spec_of(Conv(3, 8, 3), Linear(60, 50))
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of(encoding, 8))
    weight = torch.randn(4, features.shape[1], generator=stream(0, "w"))
    dense = features.dense()
    assert dense.shape == features.shape
    torch.testing.assert_close(dense @ weight.t(), features.project(weight, None), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("encoding", ["gff", "positional", "raw"])
def test_two_calls_give_the_same_bits(encoding: str) -> None:
    spec = zoo("cnn8-mnist")
    results = []
    for _ in range(2):
        features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of(encoding, 16))
        for _ in range(2):
            weight = torch.randn(4, features.shape[1], generator=stream(0, "w")).requires_grad_()
            bias = torch.ones(4, requires_grad=True)
            out = features.project(weight, bias)
            out.square().sum().backward()
            results.append([out.detach(), weight.grad, bias.grad])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_features_are_cached_until_the_encoding_changes() -> None:
    spec = spec_of(Linear(9, 8))
    ranges, encoding = Ranges.fitted(spec), encoding_of("gff", 4)
    first = IndexFeatures.of(spec, ranges, encoding)
    assert IndexFeatures.of(ModelSpec.from_json(spec.to_json()), ranges, encoding) is first
    encoding.load_state_dict({"matrix": torch.zeros(10, 4)})
    second = IndexFeatures.of(spec, ranges, encoding)
    assert second is not first
    assert torch.equal(second.project(torch.ones(1, 8), None), torch.full((spec.num_params, 1), 4.0))
    wider = Ranges.declared([spec, spec_of(Linear(20, 8))])
    assert IndexFeatures.of(spec, wider, encoding) is not second


def test_what_is_kept_is_bounded_in_bytes_and_shared_between_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [spec_of(Linear(size, 150), Linear(150, 40)) for size in range(100, 116)]
    ranges, encoding = Ranges.declared(specs), encoding_of("gff", 300)
    encoding.cache_mib = 9
    made: list[int] = []
    monkeypatch.setattr(grids, "windowed", lambda *args: (made.append(args[0].shape[0]), windowed(*args))[1])
    weight = torch.randn(2, 600, generator=stream(0, "weight"))
    for spec in specs:
        found = IndexFeatures.of(spec, ranges, encoding).project(weight, None)
        kept: Kept = encoding.__dict__["_features"]
        distinct = {place: size for value in kept._values.values() for place, size in storages(planned(value))}
        assert kept.bytes == sum(distinct.values()) <= 9 * 2**20
        shared, made[:] = list(made), []
        assert torch.equal(found, IndexFeatures(spec, ranges, encoding).project(weight, None))
        alone, made[:] = list(made), shared
    assert 1 < kept.count(IndexFeatures) < len(specs)
    assert len(alone) == 4 and len(made) == 2 * len(specs) + 2, (
        "the axis of 150 is formed once, its cosines and its sines"
    )


def planned(value: Any) -> Any:
    return value._plan if isinstance(value, IndexFeatures) else value


@pytest.mark.parametrize("size", [350, 701, 1999])
def test_a_leading_basis_keeps_its_error_bound(size: int) -> None:
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    frequency = torch.randn(400, generator=stream(0, "f"), dtype=torch.float64) * 100 * 12**0.5 / size
    for values in ((place[:, None] * frequency).cos(), (place[:, None] * frequency).sin()):
        u, v = leading_basis(values)
        assert float((u @ v - values).abs().max()) <= 10 * BASIS_TOLERANCE
        assert u.shape[1] == v.shape[0] <= min(values.shape)
        again = leading_basis(values)
        assert torch.equal(u, again[0]) and torch.equal(v, again[1])


def test_a_long_axis_spans_few_dimensions() -> None:
    place = torch.arange(1850, dtype=torch.float64)
    frequency = torch.randn(1024, generator=stream(0, "f"), dtype=torch.float64) * 100 * 12**0.5 / 3700
    assert leading_basis((place[:, None] * frequency).cos())[0].shape[1] < 250


def test_autocast_touches_the_products_only() -> None:
    """Half precision rounds factors and weights, not phases: the error is that of the format."""
    spec = spec_of(Linear(60, 50), Linear(2000, 3))
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of("gff", 256))
    weight = torch.randn(5, 512, generator=stream(0, "w"))
    plain = features.project(weight, None)
    for dtype, error in ((torch.bfloat16, 2e-2), (torch.float16, 3e-3)):
        with torch.autocast("cpu", dtype=dtype):
            low = features.project(weight, None)
        assert low.dtype == torch.float32
        assert 1e-5 < float((low - plain).square().mean().sqrt() / plain.square().mean().sqrt()) < error


@pytest.mark.parametrize("encoding", ["positional", "raw"])
def test_autocast_leaves_tables_alone(encoding: str) -> None:
    """A bfloat16 index would make neighbours collide: 640 of 784 inputs would be left."""
    spec = spec_of(Linear(784, 3))
    features = IndexFeatures(spec, Ranges.fitted(spec), encoding_of(encoding, 1))
    weight = torch.randn(5, features.shape[1], generator=stream(0, "w"))
    plain = features.project(weight, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert relative(features.project(weight, None), plain.double()) < 1e-5
