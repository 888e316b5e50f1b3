"""The loss of the initialisation phase (Eq 4) against a numpy loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from uhn.models import ModelSpec, zoo
from uhn.randomness import stream
from uhn.sources import Direct
from uhn.training.matching import matching_loss


def by_loop(flat: np.ndarray, spec: ModelSpec) -> float:
    total = 0.0
    for slot in spec.layout:
        part = flat[slot.offset : slot.offset + slot.numel]
        mean = sum(part) / len(part)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in part) / len(part))
        total += (mean - slot.param.init.mean) ** 2 + (deviation - slot.param.init.std) ** 2
    return total / (2 * len(spec.layout))


@pytest.mark.parametrize("name", ["kan-g5-kv", "kan-g10-jv", "kan-g5-ellipj", "cnn8-mnist", "uhn-generated"])
def test_value(name: str) -> None:
    spec = zoo(name)
    flat = torch.randn(spec.num_params, generator=stream(0, "flat"), dtype=torch.float64) + 0.3
    assert float(matching_loss(flat, spec)) == pytest.approx(by_loop(flat.numpy(), spec), rel=1e-9)
    assert float(matching_loss(flat.float(), spec)) == pytest.approx(by_loop(flat.numpy(), spec), rel=1e-4)


@pytest.mark.parametrize("change", [5, -5, -1, 1])
def test_a_vector_of_another_length_is_refused(change: int) -> None:
    spec = zoo("mlp-mnist")
    with pytest.raises(ValueError, match=rf"wants flat weights of shape \[{spec.num_params}\], got"):
        matching_loss(torch.zeros(spec.num_params + change), spec)


def test_gradient_by_differences() -> None:
    spec = zoo("kan-g5-kv")
    flat = torch.randn(spec.num_params, generator=stream(0, "flat"), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda values: matching_loss(values, spec), (flat,))


def test_a_component_of_one_value_has_a_deviation_of_zero_with_gradient_zero() -> None:
    spec = zoo("kan-g5-kv")
    slot = next(slot for slot in spec.layout if slot.numel == 1)
    flat = torch.zeros(spec.num_params, requires_grad=True)
    loss = matching_loss(flat, spec)
    loss.backward()
    assert loss.isfinite() and flat.grad is not None and flat.grad.isfinite().all()
    assert float(flat.grad[slot.offset]) == 0, "its mean is at its target, its deviation has no gradient"


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0])
def test_equal_weights_give_no_nan(value: float) -> None:
    spec = zoo("mlp-mnist")
    flat = torch.full((spec.num_params,), value, requires_grad=True)
    matching_loss(flat, spec).backward()
    assert flat.grad is not None and flat.grad.isfinite().all()


def test_weights_drawn_from_the_targets_nearly_match() -> None:
    spec = zoo("cnn8-mnist")
    drawn = float(matching_loss(Direct(spec, seed=1)(spec).detach(), spec))
    assert drawn < 1e-3 < float(matching_loss(torch.randn(spec.num_params, generator=stream(0, "flat")), spec))


def test_every_component_weighs_the_same_whatever_its_size() -> None:
    spec = zoo("mlp-mnist")
    flat = Direct(spec, seed=1)(spec).detach()
    changes = []
    for slot in (spec.layout[0], spec.layout[-1]):
        moved = flat.clone()
        part = moved[slot.span]
        part -= part.mean()
        base = float(matching_loss(moved, spec))
        part += 1
        changes.append(float(matching_loss(moved, spec)) - base)
    assert changes[0] == pytest.approx(changes[1], rel=1e-3) == pytest.approx(1 / (2 * len(spec.layout)), rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_matched_in_float32(dtype: torch.dtype) -> None:
    spec = zoo("mlp-mnist")
    flat = (torch.randn(spec.num_params, generator=stream(0, "flat")) * 30).to(dtype)
    loss = matching_loss(flat, spec)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(matching_loss(flat.float(), spec)), rel=1e-6)
    with torch.autocast("cpu", dtype=dtype):
        assert float(matching_loss(flat.float(), spec)) == float(loss)
