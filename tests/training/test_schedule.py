"""Warm-up and cosine (section 4.1)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uhn.training.loop import Phase
from uhn.training.schedule import multiplier


@given(st.integers(1, 400), st.integers(0, 60))
@settings(deadline=None, derandomize=True, database=None, max_examples=50)
def test_shape(total: int, warmup: int) -> None:
    values = [multiplier(unit, total, warmup) for unit in range(total)]
    assert all(0 < value <= 1 for value in values), "the rate never reaches zero"
    rise, fall = values[:warmup], values[warmup:]
    assert all(a < b for a, b in zip(rise, rise[1:], strict=False))
    assert all(a > b for a, b in zip(fall, fall[1:], strict=False))
    if fall:
        assert fall[0] == 1
        assert fall[len(fall) // 2] == pytest.approx(0.5, abs=0.51 * math.pi / len(fall))
    assert rise == pytest.approx([(t + 1) / (warmup + 1) for t in range(len(rise))])


def test_values_by_hand() -> None:
    got = [multiplier(unit, 6, 2) for unit in range(6)]
    half = math.sqrt(0.5) / 2
    assert got == pytest.approx([1 / 3, 2 / 3, 1, 0.5 + half, 0.5, 0.5 - half])
    assert [multiplier(0, 1, warmup) for warmup in (0, 5)] == [1, 1 / 6]


@pytest.mark.parametrize(("unit", "total", "warmup"), [(5, 5, 0), (-1, 5, 0), (0, 0, 0), (0, 5, -1)])
def test_outside(unit: int, total: int, warmup: int) -> None:
    with pytest.raises(ValueError, match="schedule wants"):
        multiplier(unit, total, warmup)


def test_a_phase_in_epochs_changes_its_rate_between_epochs_only() -> None:
    phase = Phase("train", 40, 0.1, warmup=2, unit=4)
    rates = [phase.rate(step) for step in range(40)]
    assert rates == [0.1 * multiplier(step // 4, 10, 2) for step in range(40)]
    assert Phase("train", 41, 0.1, unit=4).rate(40) == 0.1 * multiplier(10, 11, 0), "a last epoch may be cut short"


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"lr": 0.0}, {"lr": -1.0}, {"warmup": -1}, {"unit": 0}])
def test_an_impossible_phase_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Phase wants"):
        Phase(**({"kind": "train", "steps": 5, "lr": 0.1} | wrong))  # type: ignore[arg-type]
