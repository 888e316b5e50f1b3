"""Ranges and their normalisation (Eq 9)."""

from __future__ import annotations

import json
import math

import pytest
import torch
from dense_oracle import different
from hypothesis import given, settings
from hypothesis import strategies as st

from uhn import vocabulary as voc
from uhn.descriptors.blocks import index_table
from uhn.descriptors.ranges import STRUCTURE_NAMES, Ranges, normalise
from uhn.descriptors.structure import structure_tokens
from uhn.models import zoo
from uhn.models.feedforward import cnn, mlp
from uhn.models.graph import gat

INDEX = {
    "mlp-mnist": {"layer_idx": (0, 2), "layer_type": (0, 0), "param_type": (0, 1), "out_idx": (0, 127)}
    | {"in_idx": (-1, 783)},
    "cnn44-cifar10": {"layer_idx": (0, 43), "layer_type": (0, 1), "param_type": (0, 1), "out_idx": (0, 63)}
    | {"in_idx": (-1, 63), "kernel_h": (-1, 2), "kernel_w": (-1, 2)},
    "gat-cora": {"layer_idx": (0, 1), "layer_type": (3, 3), "param_type": (0, 3), "out_idx": (0, 63)}
    | {"in_idx": (-1, 1432)},
    "transformer1-imdb": {"layer_idx": (0, 4), "layer_type": (0, 5), "param_type": (0, 7), "out_idx": (0, 63)}
    | {"in_idx": (-1, 63), "embedding_idx": (-1, 4999), "sequence_idx": (-1, 511)},
    "kan-g10-jv": {"layer_idx": (0, 1), "layer_type": (6, 6), "param_type": (0, 6), "out_idx": (-1, 4)}
    | {"in_idx": (-1, 4), "grid_idx": (-1, 16)},
}


@pytest.mark.parametrize("name", INDEX)
def test_index_ranges_as_tabulated(name: str) -> None:
    ranges = Ranges.declared([zoo(name)])
    got = dict(zip(voc.INDEX_NAMES, zip(ranges.index_min, ranges.index_max, strict=True), strict=True))
    assert got == dict.fromkeys(voc.INDEX_NAMES, (-1, -1)) | INDEX[name]


@pytest.mark.parametrize("name", different())
def test_fitted_ranges_are_the_extremes_of_the_rows(name: str) -> None:
    spec, fitted = zoo(name), Ranges.fitted(zoo(name))
    table, tokens = index_table(spec), structure_tokens(spec)
    assert list(fitted.index_min) == table.amin(0).tolist()
    assert list(fitted.index_max) == table.amax(0).tolist()
    assert list(fitted.structure_min) == tokens.amin(0).tolist()
    assert list(fitted.structure_max) == tokens.amax(0).tolist()
    assert fitted.outside(spec) == []


@given(st.integers(-50, 50), st.integers(0, 5000), st.lists(st.integers(-100, 6000), min_size=1, max_size=5))
@settings(deadline=None, derandomize=True, database=None, max_examples=60)
def test_eq_9_value_by_value(low: int, extent: int, values: list[int]) -> None:
    high = low + extent
    got = normalise(torch.tensor(values)[:, None], [low], [high])
    assert got.dtype == torch.float64
    for value, result in zip(values, got[:, 0].tolist(), strict=True):
        assert result == pytest.approx((value - (low + high) / 2) / math.sqrt((high - low) ** 2 / 12 + 1e-5), rel=1e-14)


def test_a_constant_field_becomes_exactly_zero_and_a_used_one_spans_root_three() -> None:
    spec = zoo("mlp-mnist")
    x = Ranges.fitted(spec).normalise_index(index_table(spec))
    for name in ("layer_type", "kernel_h", "grid_idx"):
        assert x[:, voc.INDEX_NAMES.index(name)].abs().max() == 0
    column = x[:, voc.INDEX_NAMES.index("in_idx")]
    assert float(column.max()) == pytest.approx(math.sqrt(3), abs=1e-6) and float(column.max()) < math.sqrt(3)
    assert float(column.min()) == -float(column.max())


def test_the_epsilon_stands_inside_the_root() -> None:
    got = float(normalise(torch.tensor([[1.0]]), [0.0], [0.0]))
    assert got == pytest.approx(1 / math.sqrt(1e-5), rel=1e-12)
    narrow = float(normalise(torch.tensor([[0.01]], dtype=torch.float64), [0.0], [0.01]))
    assert narrow == pytest.approx(0.005 / math.sqrt(0.01**2 / 12 + 1e-5), rel=1e-12)


def test_structure_tokens_are_normalised_by_the_structure_ranges() -> None:
    spec = zoo("cnn20-cifar10")
    ranges = Ranges.declared([spec])
    tokens = structure_tokens(spec)
    got = ranges.normalise_structure(tokens)
    for field, name in enumerate(STRUCTURE_NAMES):
        low, high = ranges.structure_min[field], ranges.structure_max[field]
        for layer in (0, 7, 19):
            wanted = (float(tokens[layer, field]) - (low + high) / 2) / math.sqrt((high - low) ** 2 / 12 + 1e-5)
            assert float(got[layer, field]) == pytest.approx(wanted, rel=1e-12, abs=1e-15), name


def test_declared_ranges_span_every_category_of_the_family_used_or_not() -> None:
    spec = cnn((1, 1, 1, 1), (4, 4, 8, 8))
    declared, fitted = Ranges.declared([spec]), Ranges.fitted(spec)
    place = {name: number for number, name in enumerate(STRUCTURE_NAMES) if name != "layer_idx"}
    for field, top in (("activation_type", 3), ("input_pooling_reshape_type", 5), ("stage_wise_pooling_type", 3)):
        assert (declared.structure_min[place[field]], declared.structure_max[place[field]]) == (0, top)
    assert fitted.structure_max[place["activation_type"]] == 1
    assert declared.index_min == fitted.index_min and declared.index_max == fitted.index_max
    bare = Ranges.declared([spec], categorical={})
    assert bare == fitted


def test_declared_refuses_a_field_without_categories_and_no_specs() -> None:
    with pytest.raises(ValueError, match="output_size"):
        Ranges.declared([mlp((4, 3, 2))], categorical={"mlp": ["output_size"]})
    with pytest.raises(ValueError, match="at least one spec"):
        Ranges.declared([])
    with pytest.raises(ValueError, match="at least one part"):
        Ranges.union([])


def test_union_is_element_wise_and_brings_the_fillers_in() -> None:
    small, graph = Ranges.fitted(mlp((4, 3, 2))), Ranges.fitted(gat(9, 3))
    both = Ranges.union([small, graph])
    for name in ("index_min", "structure_min"):
        assert getattr(both, name) == tuple(map(min, getattr(small, name), getattr(graph, name)))
    for name in ("index_max", "structure_max"):
        assert getattr(both, name) == tuple(map(max, getattr(small, name), getattr(graph, name)))
    convolution = Ranges.union([small, Ranges.fitted(cnn((1, 1, 1, 1), (4, 4, 8, 8)))])
    kernel = voc.INDEX_NAMES.index("kernel_h")
    assert (convolution.index_min[kernel], convolution.index_max[kernel]) == (-1, 2)
    assert Ranges.union([both, small]) == both


def test_outside_names_the_fields() -> None:
    ranges = Ranges.fitted(mlp((4, 3, 2)))
    said = ranges.outside(mlp((9, 3, 2)))
    assert "index field in_idx -1..8 is outside -1..3" in said
    assert any("structure field input_size" in text for text in said)
    assert ranges.outside(mlp((9, 3, 2)), structure=False) == ["index field in_idx -1..8 is outside -1..3"]
    assert ranges.outside(mlp((2, 3, 2)), structure=False) == []


def test_json_round_trip_and_wrong_keys() -> None:
    ranges = Ranges.declared([zoo("transformer2-agnews"), zoo("kan-g5-kv")])
    assert Ranges.from_json(json.loads(json.dumps(ranges.to_json()))) == ranges
    with pytest.raises(ValueError, match="index_max"):
        Ranges.from_json({"index_min": [0.0] * 10})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"index_min": (0.0,) * 9}, "needs 10 minima"),
        ({"structure_max": (0.0,) * 30}, "needs 29 minima"),
        ({"index_min": (1.0,) + (0.0,) * 9}, "a minimum exceeds its maximum"),
    ],
)
def test_impossible_ranges_are_refused(change: dict[str, tuple[float, ...]], words: str) -> None:
    zero: dict[str, tuple[float, ...]] = {"index_min": (0.0,) * 10, "index_max": (0.0,) * 10}
    zero |= {"structure_min": (0.0,) * 29, "structure_max": (0.0,) * 29}
    with pytest.raises(ValueError, match=words):
        Ranges(**(zero | change))
