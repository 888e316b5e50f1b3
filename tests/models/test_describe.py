"""Any module: described, generated, called, trained, saved, loaded, exported; compared with the module itself."""

from __future__ import annotations

import copy
import json
from inspect import unwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import uhn
from tests.models.foreign_modules import CASES, Case, GraphNet, Tied, resnet
from uhn import export
from uhn.descriptors.structure import structure_tokens
from uhn.layers.linear import Linear
from uhn.models.describe import KNOWN, OPEN, describe
from uhn.models.module import call, flat_weights, load_weights, recalibrate, weights
from uhn.models.spec import ModelSpec
from uhn.vocabulary import OPEN as FIRST_OPEN_CODE

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # PyG's

every_case = pytest.mark.parametrize("case", CASES, ids=str)
SMALL = {"hidden": 16, "frequencies": 32}


def seeded(case: Case) -> tuple[nn.Module, tuple[Any, ...]]:
    torch.manual_seed(0)
    return case.make(), case.inputs()


@every_case
def test_the_layout_is_the_modules_own(case: Case) -> None:
    module, _ = seeded(case)
    spec = describe(module, case.only)
    covered = weights(spec, torch.arange(float(spec.num_params)))
    own = {
        name: p for name, p in module.named_parameters() if p.requires_grad and (case.only is None or name[0] == "4")
    }
    assert {name: tuple(value.shape) for name, value in covered.items()} == {n: tuple(p.shape) for n, p in own.items()}
    assert spec.num_params == sum(p.numel() for p in own.values())
    joined = torch.cat([value.flatten() for value in covered.values()])
    assert torch.equal(joined, torch.arange(float(spec.num_params)))  # each weight once, in order
    assert ModelSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert structure_tokens(spec).isfinite().all()


@every_case
def test_with_its_own_weights_it_computes_what_it_computes(case: Case) -> None:
    module, inputs = seeded(case)
    spec, module = describe(module, case.only), module.eval()
    flat = flat_weights(spec, module)
    wanted = module(*inputs)
    torch.testing.assert_close(call(module, spec, flat, *inputs), wanted)
    other = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1.0) if parameter.requires_grad else None
    restored = load_weights(other, spec, flat) if case.only is None else load_weights(module, spec, flat)
    torch.testing.assert_close(restored(*inputs), wanted)


@every_case
def test_several_models_at_once_are_each_what_it_is_alone(case: Case) -> None:
    module, inputs = seeded(case)
    spec, module = describe(module, case.only), module.eval()
    flat = flat_weights(spec, module)
    several = torch.stack([flat, 0.5 * flat, flat + 0.1])
    found = call(module, spec, several, *inputs)
    for one, own in zip(found, several, strict=True):
        torch.testing.assert_close(one, call(module, spec, own, *inputs), rtol=1e-4, atol=1e-5)


@every_case
def test_generated_weights_learn_and_live_on(case: Case, tmp_path: Path) -> None:
    """Twenty steps with a falling loss; the generator saved and loaded; the network without it."""
    module, inputs = seeded(case)
    model = uhn.hypernetize(module, only=case.only, residual=True, **SMALL)
    torch.testing.assert_close(model.eval()(*inputs), copy.deepcopy(module).eval()(*inputs))  # nothing added yet
    model.train()
    target = torch.randn_like(model(*inputs))
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = (model(*inputs) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.95 * losses[0], f"{losses[0]:.4f} -> {losses[-1]:.4f}"
    for name, buffer in module.named_buffers():
        assert torch.equal(dict(model.template.named_buffers())[name], buffer), f"{name} changed in training"

    model.eval()
    model.generator.save(tmp_path / "g.safetensors")
    again = uhn.load_source(tmp_path / "g.safetensors")
    assert torch.equal(again(model.spec), model.generator(model.spec))
    fresh = uhn.hypernetize(case.make(), only=case.only, residual=True, **SMALL)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh.eval()(*inputs), model(*inputs))
    plain = model.plain().eval()
    assert type(plain) is type(module) and not any("generator" in name for name, _ in plain.named_parameters())
    torch.testing.assert_close(plain(*inputs), model(*inputs))


@every_case
def test_a_network_goes_away_and_comes_back(case: Case, tmp_path: Path) -> None:
    """As a module of its own class, as a state dict, as a file; described again without a spec."""
    module, inputs = seeded(case)
    spec, module = describe(module, case.only), module.eval()
    flat = flat_weights(spec, module) * 0.9 + 0.01
    wanted = call(module, spec, flat, *inputs)
    away = uhn.to_module(spec, flat, module)
    assert type(away) is type(module) and not away.training
    torch.testing.assert_close(away(*inputs), wanted)
    again, same = uhn.from_module(away, spec)
    assert again is spec and torch.equal(same, flat)
    if case.only is None:
        whole, same = uhn.from_module(away)
        assert torch.equal(same, flat) and [s.name for s in whole.layout] == [s.name for s in spec.layout]
    other = copy.deepcopy(module)
    assert not other.load_state_dict(uhn.state_dict(spec, flat), strict=False).unexpected_keys
    torch.testing.assert_close(other(*inputs), wanted)
    export.save(tmp_path / "model.safetensors", spec, flat)
    saved, same = export.load(tmp_path / "model.safetensors")
    assert saved == spec and torch.equal(same, flat)


def test_weights_that_the_paper_has_are_described_as_in_the_paper() -> None:
    spec, ours = describe(nn.Sequential(nn.Linear(4, 3))), ModelSpec("toy", 100, (Linear(4, 3),))
    for index in range(spec.num_params):
        assert spec.explain(index).descriptor == ours.explain(index).descriptor


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_known_modules_take_the_codes_of_our_own_layers(name: str) -> None:
    """Code by code against the layers of this library, typed by hand where names differ."""
    ours = {
        "Linear": {"weight": 0, "bias": 1},
        "Conv2d": {"weight": 0, "bias": 1},
        "Embedding": {"weight": 0},
        "MultiheadAttention": {
            "in_proj_weight.0": 0,
            "in_proj_weight.1": 1,
            "in_proj_weight.2": 2,
            "in_proj_bias.0": 3,
            "in_proj_bias.1": 4,
            "in_proj_bias.2": 5,
            "out_proj.weight": 6,
            "out_proj.bias": 7,
        },
        "GCNConv": {"lin.weight": 0, "bias": 1},
        "GATConv": {"lin.weight": 0, "bias": 1, "att_src": 2, "att_dst": 3},
    }
    codes = {"Linear": 0, "Conv2d": 1, "GCNConv": 2, "GATConv": 3, "Embedding": 4, "MultiheadAttention": 5}
    import torch_geometric.nn as graphs

    made = {
        "Linear": lambda: nn.Linear(4, 3),
        "Conv2d": lambda: nn.Conv2d(2, 3, 3),
        "Embedding": lambda: nn.Embedding(5, 4),
        "MultiheadAttention": lambda: nn.MultiheadAttention(8, 2),
        "GCNConv": lambda: graphs.GCNConv(4, 3),
        "GATConv": lambda: graphs.GATConv(4, 3, heads=2),
    }
    spec = describe(made[name]())
    assert {slot.name: slot.param.code for slot in spec.layout} == ours[name]
    assert {layer.layer_type for layer in spec.layers} == {codes[name]}


def test_what_the_paper_has_not_takes_open_codes() -> None:
    assert min(OPEN.values()) >= FIRST_OPEN_CODE
    spec = describe(nn.LSTM(3, 4))
    assert spec.layers[0].layer_type == OPEN["LSTM"]
    assert [slot.param.code for slot in spec.layout] == [0, 1, 2, 3]


def test_targets_are_the_present_statistics() -> None:
    module = nn.Sequential(nn.Linear(40, 30), nn.LayerNorm(30))
    spec = describe(module)
    weight, bias, scale, shift = (slot.param.init for slot in spec.layout)
    assert weight.mean == pytest.approx(module[0].weight.mean().item(), abs=1e-6)
    assert weight.std == pytest.approx(module[0].weight.std(correction=0).item(), rel=1e-5)
    assert (scale.mean, scale.kind, shift.mean, shift.kind) == (1.0, "constant", 0.0, "constant")
    assert bias.kind == "normal"


def test_tied_parameters_appear_once_and_stay_tied() -> None:
    module = Tied().eval()
    spec, x = describe(module), torch.randint(0, 12, (2, 3))
    assert [slot.name for slot in spec.layout] == ["embed.weight", "mix.weight", "mix.bias"]
    flat = torch.randn(spec.num_params)
    loaded = load_weights(module, spec, flat)
    assert loaded.readout.weight is loaded.embed.weight  # type: ignore[union-attr]
    torch.testing.assert_close(loaded(x), call(module, spec, flat, x))


def test_frozen_parameters_and_the_module_are_left_alone() -> None:
    module = resnet()
    module[0].requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    spec = describe(module)
    assert not any(slot.name.startswith("0.") for slot in spec.layout)
    module.train()
    call(module, spec, torch.randn(spec.num_params), torch.randn(2, 3, 8, 8))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(m.track_running_stats for m in module.modules() if isinstance(m, nn.BatchNorm2d))


@pytest.mark.parametrize(
    ("only", "wanted"),
    [
        ("*.bias", {"4.bias"}),
        (["4.weight", "4.bias"], {"4.weight", "4.bias"}),
        (lambda name, p: p.dim() == 2, {"4.weight"}),
    ],
)
def test_only_chooses(only: Any, wanted: set[str]) -> None:
    names = set(weights(spec := describe(resnet(), only), torch.zeros(spec.num_params)))
    assert {name for name in names if name.startswith("4")} == wanted


def test_a_generated_batchnorm_network_evaluates_as_it_trained() -> None:
    torch.manual_seed(0)
    module, batch = resnet(), torch.randn(64, 3, 8, 8)
    spec = describe(module)
    flat = flat_weights(spec, module) * 1.3 + 0.02
    with torch.no_grad():
        trained = call(module.train(), spec, flat, batch)
        stale = load_weights(module, spec, flat).eval()(batch)
    ready = recalibrate(module, spec, flat, [batch])
    assert not ready.training and (ready(batch) - trained).abs().max() < 0.05 * trained.abs().max()
    assert (stale - trained).abs().max() > 0.2 * trained.abs().max()  # without it, the statistics are of other weights
    halves = recalibrate(module, spec, flat, [(batch[:32],), (batch[32:],)])
    norm, first, second = (m[0][1] for m in (halves, *(recalibrate(module, spec, flat, [b]) for b in batch.split(32))))
    torch.testing.assert_close(norm.running_mean, (first.running_mean + second.running_mean) / 2)


def test_one_generator_for_different_networks() -> None:
    modules = [resnet(), nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.ReLU(), nn.Linear(8, 5))]
    specs = [describe(module) for module in modules]
    generator = uhn.UniversalHypernetwork.for_specs(specs, **SMALL)
    x = torch.randn(2, 3, 8, 8)
    outputs = [call(m, s, generator(s), x) for m, s in zip(modules, specs, strict=True)]
    sum(output.sum() for output in outputs).backward()  # type: ignore[union-attr]
    assert all(p.grad is not None for p in generator.parameters())


def unbatched(module: nn.Module) -> Tensor:
    spec = describe(module)
    return call(module, spec, torch.zeros(2, 3, spec.num_params), torch.zeros(1, 4))


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        (lambda: unwrap(describe)("resnet18"), TypeError, "wants an nn.Module, got str"),
        (lambda: describe(nn.ReLU()), ValueError, "trainable parameters, ReLU has none"),
        (lambda: describe(nn.Linear(4, 3).requires_grad_(False)), ValueError, "trainable parameters, Linear has none"),
        (lambda: describe(nn.LazyLinear(3)), ValueError, "call LazyLinear once first"),
        (lambda: describe(resnet(), "head.*"), ValueError, "matches no trainable parameter"),
        (lambda: call(nn.Linear(4, 2), describe(nn.Linear(4, 3)), torch.zeros(15)), ValueError, "another module"),
        (lambda: call(GraphNet(), describe(nn.Linear(4, 3)), torch.zeros(15)), ValueError, "no such parameter"),
        (lambda: call(nn.Linear(4, 3), uhn.zoo("mlp-mnist"), torch.zeros(5)), ValueError, "uhn.describe"),
        (
            lambda: unwrap(call)(describe(nn.Linear(4, 3)), describe(nn.Linear(4, 3)), torch.zeros(15)),
            TypeError,
            "nn.Module",
        ),  # type: ignore[arg-type]
        (lambda: call(nn.Linear(4, 3), describe(nn.Linear(4, 3)), torch.zeros(14)), ValueError, r"\[15\]"),
        (lambda: unbatched(nn.Linear(4, 3)), ValueError, r"\[K, 15\]"),
        (lambda: uhn.run(describe(nn.Linear(4, 3)), torch.zeros(15), torch.zeros(1, 4)), ValueError, "uhn.call"),
        (lambda: recalibrate(nn.Linear(4, 3), describe(nn.Linear(4, 3)), torch.zeros(15), []), ValueError, "BatchNorm"),
        (lambda: recalibrate(m := resnet(), describe(m), flat_weights(describe(m), m), []), ValueError, "one batch"),
    ],
)
def test_each_wrong_use_is_one_sentence(wrong: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        wrong()
    assert "\n" not in str(caught.value)
