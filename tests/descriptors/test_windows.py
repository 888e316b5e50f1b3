"""Windows of frequencies: their order, their error, their estimated rank."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from uhn.descriptors.basis import BASIS_TOLERANCE
from uhn.descriptors.windows import expected_rank, fold, sort_frequencies, windowed
from uhn.randomness import stream


def steps(m: int, scale: float) -> Tensor:
    return scale * torch.randn(m, generator=stream(0, "steps"), dtype=torch.float64)


def add(total: Tensor, a: Tensor, b: Tensor) -> None:
    total += a @ b


def half_axis(size: int, step: Tensor) -> Tensor:
    """Phases of the upper half of an axis, from its centre."""
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return place[size // 2 :, None] * step


def test_folded_phases_lie_between_zero_and_pi_and_keep_their_cosine() -> None:
    step = steps(500, 30.0)
    assert float(fold(step).min()) >= 0 and float(fold(step).max()) <= math.pi
    torch.testing.assert_close(fold(step).cos(), step.cos(), rtol=0, atol=1e-12)
    assert torch.equal(sort_frequencies(step).sort().values, torch.arange(500))
    assert torch.all(fold(step)[sort_frequencies(step)].diff() >= 0)


@pytest.mark.parametrize(("size", "scale"), [(64, 9.0), (63, 9.0), (784, 0.4), (5, 3.0)])
@pytest.mark.parametrize("count", [2, 7, 16])
def test_windows_keep_the_error_bound_and_need_fewer_columns_than_entries(size: int, scale: float, count: int) -> None:
    step = steps(600, scale)
    step = step[sort_frequencies(step)]
    for values in (half_axis(size, step).cos(), half_axis(size, step).sin()):
        found = windowed(values, count, torch.float64)
        assert len(found.right) == count
        put = torch.cat([found.left[:, place] @ v for place, _, v in found.parts()], dim=1)
        assert float((put - values).abs().max()) <= 10 * BASIS_TOLERANCE
        rank = found.left.shape[1] / count
        assert rank <= values.shape[0] and rank < expected_rank(step, size, count) * 1.5 + 2


def test_product_and_gradient_are_those_of_the_dense_form() -> None:
    step = steps(300, 9.0)
    step = step[sort_frequencies(step)]
    generator = stream(0, "windows")
    rows, weight = (torch.randn(n, 300, generator=generator, dtype=torch.float64) for n in (4, 3))
    values = half_axis(40, step).cos()
    found = windowed(values, 5, torch.float64)
    right = torch.einsum("rm,hm,nm->rnh", rows, weight, values)
    torch.testing.assert_close(found.product(rows, weight, torch.mm), right, rtol=0, atol=1e-3)
    grad = torch.randn(right.shape, generator=generator, dtype=torch.float64)
    total = torch.ones(3, 300, dtype=torch.float64)
    found.accumulate(total, rows, grad, torch.mm, add)
    wanted = 1 + torch.einsum("rnh,rm,nm->hm", grad, rows, values)
    torch.testing.assert_close(total, wanted, rtol=0, atol=1e-3)
