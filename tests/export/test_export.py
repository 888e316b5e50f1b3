"""Exported modules behave as ordinary modules and equal ``run``; files keep everything and refuse damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from uhn.export import from_module, load, save, state_dict, to_module
from uhn.layers.graphs import gcn_norm
from uhn.models import Inputs, ModelSpec, run, zoo
from uhn.models.feedforward import mlp

TOKENS = torch.tensor([[2, 40, 7, 9], [2, 4999, 1, 1]])
EDGES = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])


def weights(spec: ModelSpec, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(spec.num_params, generator=torch.Generator().manual_seed(seed))


def call_arguments(name: str) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    rng = torch.Generator().manual_seed(1)
    if name.startswith("transformer"):
        return TOKENS, {"padding": TOKENS == 1}
    if name.startswith(("gcn", "gat")):
        return torch.rand(4, 500, generator=rng), {"edges": EDGES}
    if name == "uhn-generated":
        return torch.randn(5, 2048, generator=rng), {"tokens": torch.randn(1, 3, 64, generator=rng)}
    return torch.randn({"mlp-mnist": (2, 1, 28, 28), "kan-g5-kv": (5, 2)}.get(name, (2, 3, 32, 32)), generator=rng), {}


NAMES = ("mlp-mnist", "cnn20-cifar10", "gcn-pubmed", "gat-pubmed", "transformer1-imdb", "kan-g5-kv", "uhn-generated")


@pytest.mark.parametrize("name", NAMES)
def test_a_module_equals_run_and_comes_back(name: str) -> None:
    spec = zoo(name)
    flat = weights(spec)
    x, others = call_arguments(name)
    module = to_module(spec, flat)
    given = dict(others)
    if name.startswith("gcn"):
        given["edge_weight"] = gcn_norm(EDGES, 4)
    assert torch.equal(module(x, **others), run(spec, flat, Inputs(x, **given)))
    assert [key for key, _ in module.named_parameters()] == [slot.name for slot in spec.layout]
    again, same = from_module(module)
    assert again == spec and torch.equal(same, flat)
    assert list(state_dict(spec, flat)) == list(module.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(state_dict(spec, flat).values(), module.parameters(), strict=True))


def test_a_module_is_independent_of_the_flat_weights() -> None:
    spec = mlp((6, 5, 3))
    flat = weights(spec)
    module = to_module(spec, flat)
    before = module(torch.ones(1, 6))
    flat.zero_()
    assert torch.equal(module(torch.ones(1, 6)), before)


def test_state_dicts_carry_over() -> None:
    spec = mlp((6, 5, 3))
    one, other = to_module(spec, weights(spec, 0)), to_module(spec, weights(spec, 1))
    other.load_state_dict(one.state_dict())
    x = torch.randn(4, 6)
    assert torch.equal(one(x), other(x))
    with pytest.raises(RuntimeError, match=r"layers\.0\.weight"):
        to_module(mlp((7, 5, 3)), weights(mlp((7, 5, 3)))).load_state_dict(one.state_dict())


def test_a_module_trains_as_any_other() -> None:
    """A few optimiser steps inside an ``nn.Sequential`` lower the loss and reach every parameter."""
    spec = mlp((6, 16, 16, 3))
    module = nn.Sequential(to_module(spec, weights(spec)), nn.LogSoftmax(-1)).train()
    x, target = torch.randn(64, 6), torch.randint(0, 3, (64,))
    optimiser = torch.optim.Adam(module.parameters(), 0.01)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = nn.functional.nll_loss(module(x), target)
        loss.backward()
        assert all(parameter.grad is not None for parameter in module.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_train_mode_switches_dropout_on_from_torchs_own_generator() -> None:
    spec = mlp((6, 50, 50, 3), dropout=0.5)
    module, x = to_module(spec, weights(spec)), torch.ones(2, 6)
    assert not module.training and torch.equal(module(x), module(x))
    module.train()
    torch.manual_seed(3)
    one, other = module(x), module(x)
    torch.manual_seed(3)
    assert torch.equal(module(x), one) and not torch.equal(one, other)


def test_a_double_module_computes_in_float64() -> None:
    spec = zoo("gcn-pubmed")
    x, others = call_arguments("gcn-pubmed")
    module = to_module(spec, weights(spec)).double()
    assert module(x.double(), **others).dtype == torch.float64


def test_wrong_vectors_are_refused() -> None:
    spec = mlp((6, 5, 3))
    with pytest.raises(ValueError, match=str(spec.num_params)):
        to_module(spec, torch.zeros(spec.num_params + 1))


@pytest.mark.parametrize("name", ["kan-g5-ellipj", "gat-pubmed", "uhn-generated"])
def test_files_keep_spec_and_weights(name: str, tmp_path: Path) -> None:
    spec = zoo(name)
    flat = weights(spec)
    path = tmp_path / "deep" / "model.safetensors"
    save(path, spec, flat)
    again, same = load(path)
    assert again == spec and torch.equal(same, flat)
    assert list(path.parent.iterdir()) == [path]
    assert set(safetensors.torch.load_file(path)) == {slot.name for slot in spec.layout}


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, path = mlp((6, 5, 3)), tmp_path / "model.safetensors"
    save(path, spec, weights(spec, 0))
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        save(path, spec, weights(spec, 1))
    assert torch.equal(load(path)[1], weights(spec, 0))
    assert list(tmp_path.iterdir()) == [path]


def test_missing_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    spec, path = mlp((6, 5, 3)), tmp_path / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="model.safetensors"):
        load(path)
    save(path, spec, weights(spec))
    whole = path.read_bytes()
    save(path, spec, weights(spec))
    assert path.read_bytes() == whole
    for damage in (b"", b"not a model", whole[: len(whole) // 2], whole[:-4]):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match="safetensors"):
            load(path)
    tensors = dict(state_dict(spec, weights(spec)))
    good = {"format": "uhn-model", "version": "1", "spec": spec.to_json(), "spec_hash": spec.hash}
    cases = [
        (tensors, None, "format"),
        (tensors, good | {"version": "9"}, "version"),
        (tensors, good | {"spec_hash": "0"}, "hash"),
        (tensors | {"extra": torch.zeros(1)}, good, "unknown"),
        ({k: v for k, v in tensors.items() if k != "layers.0.bias"}, good, "missing"),
        (tensors | {"layers.0.bias": torch.zeros(4)}, good, r"layers\.0\.bias wants shape"),
    ]
    for content, metadata, words in cases:
        safetensors.torch.save_file(content, path, {"uhn": json.dumps(metadata)} if metadata else None)
        with pytest.raises(ValueError, match=words):
            load(path)
