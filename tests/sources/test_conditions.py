"""Conditions: K sets of weights from one pass, against the dense formula written out, and embeddings of ids."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import uhn
from uhn.descriptors.features import IndexFeatures
from uhn.models.feedforward import mlp
from uhn.sources import UniversalHypernetwork, backends
from uhn.sources.conditions import Embeddings

LARGE, SMALL = mlp((97, 65, 6, 3)), mlp((4, 8, 3))
PATHS = ("eager", "fused", "whole")
every_path = pytest.mark.parametrize("path", PATHS)


def generator(path: str = "eager", spec: Any = LARGE, **settings: Any) -> UniversalHypernetwork:
    if path == "fused" and (reason := backends.unusable(False)) is not None:
        pytest.skip(f"eager only: {reason}")
    small = {"hidden": 32, "frequencies": 60, "structure_frequencies": 4, "condition": 3, "seed": 1}
    made = UniversalHypernetwork.for_specs(
        [spec], **(small | {"kernel": "eager" if path == "whole" else path} | settings)
    )
    made.whole = True if path == "whole" else None
    return made


def stir(source: UniversalHypernetwork) -> None:
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.05)


def formula(g: UniversalHypernetwork, spec: Any, condition: Tensor) -> Tensor:
    """Dense features, the MLP line by line, and the condition's feature beside the structure's, in float64."""
    d = copy.deepcopy(g).double()
    features = IndexFeatures(spec, g.ranges, g.encoding).dense().double()
    x = features @ d.index.weight.T + d.index.bias
    changes = d.condition.last(F.relu(d.condition.first(condition.double())))  # type: ignore[union-attr]
    lines = []
    for change in changes:
        y = x
        scales = change.view(len(d.blocks), 2, 2, -1) if g.settings["condition_mode"] == "film" else None
        for number, block in enumerate(d.blocks):
            inner = y
            for part in (0, 1):
                norm, linear = (getattr(block, f"{kind}{part + 1}") for kind in ("norm", "linear"))
                inner = F.layer_norm(inner.relu(), (inner.shape[1],), norm.weight, norm.bias, 1e-5)
                if scales is not None:
                    inner = inner * (1 + scales[number, part, 0]) + scales[number, part, 1]
                inner = linear(inner)
            y = y + inner
        if d.structure is not None:
            y = y + g.structure_feature(spec).double()  # type: ignore[union-attr]
        if scales is None:
            y = y + change
        lines.append(d.readout(y.relu()).squeeze(-1))
    order = IndexFeatures(spec, g.ranges, g.encoding).order
    found = torch.stack(lines)
    return found if order is None else torch.empty_like(found).index_copy(1, order, found)


@every_path
@pytest.mark.parametrize("mode", ["add", "film"])
@pytest.mark.parametrize("structure", [False, True])
@pytest.mark.parametrize("spec", [LARGE, SMALL], ids=["large", "small"])
def test_weights_are_what_the_formula_says(path: str, mode: str, structure: bool, spec: Any) -> None:
    g = generator(path, spec, condition_mode=mode, structure=structure)
    stir(g)
    conditions = torch.randn(4, 3)
    wanted = formula(g, spec, conditions)
    assert (g(spec, condition=conditions) - wanted).abs().max() < 2e-5 * wanted.abs().max()
    torch.testing.assert_close(g(spec, condition=conditions[1]), g(spec, condition=conditions)[1], rtol=1e-4, atol=1e-6)


@every_path
def test_gradients_of_many_are_the_sum_of_the_gradients_of_each(path: str) -> None:
    g = generator(path, structure=True)
    stir(g)
    conditions = torch.randn(5, 3, requires_grad=True)
    upstream = torch.randn(5, LARGE.num_params)
    wanted = [conditions, *g.parameters()]
    together = torch.autograd.grad(g(LARGE, condition=conditions), wanted, upstream)
    alone = torch.autograd.grad(torch.stack([g(LARGE, condition=c) for c in conditions]), wanted, upstream)
    for one, other in zip(together, alone, strict=True):
        assert (one - other).norm() <= 2e-5 * other.norm() + 1e-7


@every_path
@pytest.mark.parametrize("mode", ["add", "film"])
def test_an_untrained_condition_changes_nothing(path: str, mode: str) -> None:
    g, plain = generator(path, condition_mode=mode), generator(path, condition=0)
    assert torch.equal(g(LARGE), plain(LARGE))  # and its presence none of the other initial values
    torch.testing.assert_close(g(LARGE, condition=torch.randn(3)), plain(LARGE), rtol=1e-5, atol=1e-7)


def test_everything_before_the_readout_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    g, calls = generator(), []
    projection = IndexFeatures.projection

    def counted(self: IndexFeatures, *args: Any) -> Any:
        calls.append(self)
        return projection(self, *args)

    monkeypatch.setattr(IndexFeatures, "projection", counted)
    g(LARGE)
    once = len(calls)
    calls.clear()
    g(LARGE, condition=torch.randn(7, 3))
    assert len(calls) == once


@pytest.mark.parametrize("mode", ["add", "film"])
def test_a_file_keeps_the_conditions(mode: str, tmp_path: Path) -> None:
    g = generator(condition_mode=mode)
    stir(g)
    g.save(tmp_path / "g.safetensors")
    again, condition = uhn.UniversalHypernetwork.load(tmp_path / "g.safetensors"), torch.randn(2, 3)
    torch.testing.assert_close(again(LARGE, condition=condition), g(LARGE, condition=condition))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda: generator(condition=0)(LARGE, condition=torch.zeros(3)), "made without conditions"),
        (lambda: generator()(LARGE, condition=torch.zeros(4)), r"\[3\] or \[K, 3\], got \[4\]"),
        (lambda: generator()(LARGE, condition=torch.zeros(2, 2, 3)), r"got \[2, 2, 3\]"),
        (lambda: generator()(LARGE, condition=torch.zeros(0, 3)), "at least one condition"),
        (lambda: generator(condition_mode="adds"), "'add' or 'film', got 'adds'"),
        (lambda: generator(condition_mode="film", blocks=0), "there are none"),
        (lambda: Embeddings(0, 3), "at least one id"),
        (lambda: Embeddings(2, 3).append(torch.zeros(4)), r"\[3\], got \[4\]"),
        (lambda: Embeddings(2, 3).fit_new(lambda c: c.sum(), steps=0), "at least one step"),
    ],
)
def test_wrong_conditions_are_refused_in_one_sentence(wrong: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        wrong()


def test_a_client_that_training_never_saw_is_fitted_by_its_embedding_alone() -> None:
    """Clients whose targets are scaled differently share a generator; a new one changes nothing but its own vector."""
    torch.manual_seed(0)
    spec, x = mlp((3, 8, 1)), torch.randn(64, 3)
    g = UniversalHypernetwork.for_specs([spec], hidden=16, frequencies=32, condition=2)
    clients, slopes = Embeddings(4, 2), torch.tensor([-1.0, -0.3, 0.3, 1.0])
    optimiser = torch.optim.Adam([*g.parameters(), *clients.parameters()], lr=0.01)

    def loss(flat: Tensor, slope: Tensor) -> Tensor:
        return F.mse_loss(uhn.run(spec, flat, uhn.Inputs(x)).squeeze(-1), slope * x[:, 0])

    for _ in range(150):
        optimiser.zero_grad()
        lines = g(spec, condition=clients(torch.arange(4)))
        torch.stack([loss(flat, slope) for flat, slope in zip(lines, slopes, strict=True)]).mean().backward()
        optimiser.step()
    before = {name: value.clone() for name, value in (g.state_dict() | clients.state_dict()).items()}
    new = torch.tensor(0.65)
    start = loss(g(spec, condition=clients.weight.mean(0)), new).item()
    fitted = clients.fit_new(lambda c: loss(g(spec, condition=c), new), steps=60)
    assert loss(g(spec, condition=fitted), new).item() < 0.2 * start
    after = g.state_dict() | clients.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert clients.append(fitted) == 4
    assert torch.equal(clients(4), fitted)
