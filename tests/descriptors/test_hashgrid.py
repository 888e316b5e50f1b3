"""The hash grid against a form that counts through rows one by one, and what becomes of it in a generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from dense_oracle import rows_of
from torch import Tensor
from torch.func import functional_call, vmap

import uhn
from uhn.descriptors.features import IndexFeatures
from uhn.descriptors.hashgrid import FACTORS, HashedLinear, HashGrid
from uhn.descriptors.ranges import Ranges
from uhn.models import ModelSpec
from uhn.sources.universal import expected_counts

SPECS = [uhn.mlp((7, 40, 5)), uhn.zoo("kan-g5-kv"), uhn.cnn((1, 1), (4, 4))]


def slow(spec: ModelSpec, layer: HashedLinear) -> Tensor:
    """Features of every level looked up for one weight after another, in whole numbers of Python; then the map."""
    levels, entries, width = layer.tables.shape
    out = []
    for row in rows_of(spec).tolist():
        found = layer.bias.double()
        for level in range(levels):
            cell = 0
            for index, factor in zip(row, FACTORS, strict=True):
                cell ^= (index // 2**level) * factor
            entry = layer.tables[level, cell % entries].double()
            found = found + sum(entry[f] * layer.maps[level, :, f].double() for f in range(width))
        out.append(found)
    return torch.stack(out)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.family)
def test_it_is_a_lookup_per_level_and_a_linear_map(spec: ModelSpec) -> None:
    """Values, and gradients of tables, maps and bias."""
    torch.manual_seed(0)
    encoding = HashGrid(10, 5)
    layer = HashedLinear(encoding.entries, 6)
    features = IndexFeatures(spec, Ranges.declared([spec]), encoding)
    got, wanted = features.project(layer.weight, layer.bias), slow(spec, layer)
    torch.testing.assert_close(got.double(), wanted, rtol=1e-5, atol=1e-5)
    parameters, grad = [*layer.parameters()], torch.randn_like(got)
    for one, other in zip(
        torch.autograd.grad(got, parameters, grad), torch.autograd.grad(wanted, parameters, grad.double()), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features.dense() @ layer.weight.T + layer.bias, got, rtol=1e-5, atol=1e-5)


def test_neighbours_share_the_coarse_cells_and_no_fine_one_that_does_not_collide() -> None:
    encoding = HashGrid(10, 256)
    rows = torch.full((130, 10), -1, dtype=torch.int32)
    rows[:, 5] = torch.arange(130)
    columns = encoding.columns(rows)
    assert columns.min() >= 0 and columns.max() < encoding.width == 8 * 1024
    for level, column in enumerate(columns.T.tolist()):
        runs = 1 + sum(a != b for a, b in zip(column, column[1:], strict=False))
        assert runs == -(-130 // 2**level), "a cell of side 2^level is one entry"
    assert torch.equal(encoding.columns(rows.flip(0)).flip(0), columns), "whatever else is asked for"


@pytest.mark.parametrize("kernel", ["eager", "auto"])
def test_a_generator_with_it_learns_is_saved_and_counted(tmp_path: Path, kernel: str) -> None:
    torch.manual_seed(0)
    spec = uhn.mlp((4, 16, 3))
    x = torch.randn(128, 4)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=16, frequencies=32, encoding="hash", kernel=kernel)
    counts = expected_counts(16, 2, 32, encoding="hash")
    assert generator.parameter_counts() == counts and not [*generator.buffers()]
    generator.initialise([spec], steps=60, progress=False)
    before = [p.detach().clone() for p in generator.index.parameters()]
    reports = uhn.fit(
        generator, {spec: (x, y)}, loss=torch.nn.functional.cross_entropy, steps=150, lr=3e-3, progress=False
    )
    assert reports[-1].loss < 0.5
    assert all(not torch.equal(a, b) for a, b in zip(before, generator.index.parameters(), strict=True))
    generator.save(tmp_path / "hash.safetensors")
    again = uhn.UniversalHypernetwork.load(tmp_path / "hash.safetensors")
    again.kernel = kernel  # not of the file
    assert torch.equal(again(spec), generator(spec))


def test_transforms_and_second_derivatives_go_through_it() -> None:
    spec = uhn.mlp((3, 4, 2))
    generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=4, encoding="hash")
    parameters = {name: p.detach() for name, p in generator.named_parameters()}
    several = {name: torch.stack([p, 1.5 * p]) for name, p in parameters.items()}
    flats = vmap(lambda given: functional_call(generator, given, (spec,)))(several)
    torch.testing.assert_close(flats[0], generator(spec))
    torch.testing.assert_close(flats[1], functional_call(generator, {n: 1.5 * p for n, p in parameters.items()}, spec))
    (first,) = torch.autograd.grad(generator(spec).square().sum(), generator.index.tables, create_graph=True)
    first.square().sum().backward()
    assert generator.index.maps.grad is not None and np.isfinite(generator.index.maps.grad.numpy()).all()


def test_bad_settings_and_runs_that_do_not_know_it_are_told() -> None:
    from uhn.paper.settings import GeneratorSettings

    with pytest.raises(ValueError, match="frequencies"):
        HashGrid(10, 0)
    with pytest.raises(ValueError, match="one of gff, positional, raw, got 'hash'"):
        GeneratorSettings(encoding="hash")
