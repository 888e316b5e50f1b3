"""One suite over all weight sources, against an oracle written out in float64."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from source_cases import CASES, HALVES, SPECS, Case, stir
from torch import Tensor

from uhn.models import ModelSpec
from uhn.models.feedforward import mlp
from uhn.randomness import stream
from uhn.sources import SOURCES, WeightSource
from uhn.sources.chain import Chain
from uhn.sources.files import build_source, load_source, save_source

every_source = pytest.mark.parametrize("name", CASES)
every_pair = pytest.mark.parametrize(
    ("name", "model"), [(name, model) for name in CASES for model in CASES[name].models]
)


def made(name: str, model: str | None = None, seed: int = 1) -> tuple[Case, WeightSource, ModelSpec]:
    case = CASES[name]
    spec = SPECS[model or case.models[0]]
    source = case.build(spec, seed)
    stir(source)
    return case, source, spec


def gradients(source: WeightSource, flat: Tensor) -> dict[str, Tensor]:
    parameters = dict(source.named_parameters())
    upstream = torch.randn(flat.shape, generator=stream(0, "upstream")).to(flat.dtype)
    return dict(zip(parameters, torch.autograd.grad(flat, list(parameters.values()), upstream), strict=True))


def wanted(case: Case, source: WeightSource, spec: ModelSpec) -> tuple[Tensor, dict[str, Tensor]]:
    """Weights and gradients by the oracle, in float64."""
    state = {name: value.detach().double() for name, value in source.state_dict().items()}
    trained = {name: state[name].requires_grad_() for name, _ in source.named_parameters()}
    flat = case.oracle(spec, state)
    upstream = torch.randn(flat.shape, generator=stream(0, "upstream"), dtype=torch.float32).double()
    return flat.detach(), dict(zip(trained, torch.autograd.grad(flat, list(trained.values()), upstream), strict=True))


def error(got: Tensor, right: Tensor) -> float:
    return float((got.double() - right).norm() / right.norm().clamp(min=1e-12))


def test_every_registered_source_is_in_the_suite() -> None:
    kinds = {case.build(SPECS[case.models[0]], 0).kind for case in CASES.values()}
    assert set(SOURCES) <= kinds


@every_pair
def test_weights_and_the_gradient_of_every_parameter(name: str, model: str) -> None:
    case, source, spec = made(name, model)
    flat = source(spec)
    assert flat.shape == (spec.num_params,) and flat.dtype == torch.float32 and flat.requires_grad
    right, right_gradients = wanted(case, source, spec)
    assert error(flat.detach(), right) < case.tolerance
    found = gradients(source, flat)
    assert set(found) == set(right_gradients)
    for parameter, gradient in found.items():
        assert gradient.shape == right_gradients[parameter].shape
        assert error(gradient, right_gradients[parameter]) < 20 * case.tolerance, parameter


@every_source
def test_two_calls_and_a_call_without_gradients_give_the_same_bits(name: str) -> None:
    for model in CASES[name].both_paths:
        _, source, spec = made(name, model)
        first, second = source(spec), source(spec)
        assert torch.equal(first, second)
        for a, b in zip(gradients(source, first).values(), gradients(source, second).values(), strict=True):
            assert torch.equal(a, b)
        with torch.no_grad():
            quiet = source(spec)
        assert torch.equal(quiet, first) and quiet.grad_fn is None


@every_source
def test_the_seed_decides_every_value_and_the_callers_generators_are_left_alone(name: str) -> None:
    case, _, spec = made(name)
    before = torch.random.get_rng_state()
    first = case.build(spec, 1).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(7)
    second, other = case.build(spec, 1).state_dict(), case.build(spec, 2).state_dict()
    assert list(first) == list(second) == list(other)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@every_source
def test_the_state_is_all_there_is(name: str) -> None:
    case, source, spec = made(name, seed=1)
    other = case.build(spec, 2)
    assert not torch.equal(other(spec), source(spec))
    other.load_state_dict(source.state_dict())
    assert torch.equal(other(spec), source(spec))


@every_source
def test_a_file_brings_back_the_same_bits(name: str, tmp_path: Path) -> None:
    _, source, spec = made(name)
    save_source(source, tmp_path / "source.safetensors")
    loaded = load_source(tmp_path / "source.safetensors")
    assert type(loaded) is type(source)
    assert loaded.describe() == source.describe()
    assert torch.equal(loaded(spec), source(spec))
    saved = (tmp_path / "source.safetensors").read_bytes()
    save_source(loaded, tmp_path / "source.safetensors")
    assert (tmp_path / "source.safetensors").read_bytes() == saved


@every_source
def test_a_description_is_json_and_rebuilds_the_source(name: str) -> None:
    _, source, spec = made(name)
    built = build_source(json.loads(json.dumps(source.describe())))
    assert {k: v.shape for k, v in built.state_dict().items()} == {k: v.shape for k, v in source.state_dict().items()}
    built.load_state_dict(source.state_dict())
    assert torch.equal(built(spec), source(spec))


@every_source
def test_counts(name: str) -> None:
    _, source, spec = made(name)
    counts = source.parameter_counts()
    assert set(counts) == {"trainable", "frozen"}
    assert counts["trainable"] == sum(parameter.numel() for parameter in source.parameters())
    assert counts["frozen"] >= sum(buffer.numel() for buffer in source.buffers())
    if isinstance(source, Chain):
        assert counts == source.root.parameter_counts(), "a chain's statistics are scalars too, as its root's are"


@every_source
def test_a_spec_that_it_cannot_serve_is_refused_with_the_reason(name: str) -> None:
    case, source, _ = made(name)
    stranger = mlp((96, *[90] * 13, 3))
    with pytest.raises(ValueError, match="holds the weights of" if case.one_spec else "layer_idx"):
        source(stranger)
    if case.one_spec:
        with pytest.raises(ValueError, match="holds the weights of"):
            source(SPECS["kan"])


@every_source
def test_double_precision_is_double(name: str) -> None:
    case, source, spec = made(name)
    source.double()
    flat = source(spec)
    assert flat.dtype == torch.float64
    assert error(flat.detach(), wanted(case, source, spec)[0]) < 1e-9


ROUNDED = {"direct": (0.0, 0.0), "ha": (0.01, 0.01), "chunked": (0.01, 0.01), "uhn-without-blocks": (0.05, 0.04)}
"""In bfloat16, the largest relative error of a parameter's gradient, and of all of them together. Others have residual
blocks of a few random units, of which a rounded one changes sides now and then: where a ReLU is, a gradient jumps."""


@pytest.mark.parametrize(("name", "dtype"), HALVES)
def test_half_precision_stays_near_and_leaves_phases_alone(name: str, dtype: torch.dtype) -> None:
    for model in CASES[name].both_paths:
        case, source, spec = made(name, model)
        with torch.autocast("cpu", dtype=dtype):
            flat = source(spec)
        plain = case.build(spec, 1)
        stir(plain)
        right = plain(spec)
        tolerance = (0.1 if name.startswith("chain-") else 0.03) * (1 if dtype == torch.bfloat16 else 0.2)
        assert error(flat.detach().float(), right.detach().double()) < tolerance
        assert torch.equal(source(spec), right), "nothing that was cached under autocast is rounded"
        if name == "chain-2" and dtype == torch.float16:
            continue  # without the loss scaler, gradients through two random generated networks leave its range
        each, together = (x * (1 if dtype == torch.bfloat16 else 0.4) for x in ROUNDED.get(name, (0.35, 0.25)))
        low, high = gradients(source, flat), gradients(plain, right)
        for parameter, gradient in high.items():
            assert low[parameter].isfinite().all()
            assert error(low[parameter], gradient.double()) <= each, parameter
        whole, exact = (torch.cat([part[p].double().flatten() for p in high]) for part in (low, high))
        assert error(whole, exact) <= together
