"""Evaluation against the metric written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from toy import DROPPING, SPEC, Toy

from uhn.models import run
from uhn.sources import Direct
from uhn.training.evaluate import evaluate


def by_hand(flat: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The two-layer perceptron in plain torch."""
    w1, b1, w2, b2 = flat[:30].view(5, 6), flat[30:35], flat[35:50].view(3, 5), flat[50:]
    return F.linear(F.layer_norm(F.leaky_relu(F.linear(x, w1, b1), 0.1), (5,)), w2, b2)


def test_accuracy() -> None:
    task, flat = Toy(), Direct(SPEC, seed=2)(SPEC).detach()
    right = (by_hand(flat, task.x).argmax(1) == task.y).sum()
    assert evaluate(task, SPEC, flat, "test") == float(right) / 20
    assert 0 < float(right) < 20


def test_root_mean_squared_error() -> None:
    task, flat = Toy(classes=None), Direct(SPEC, seed=2)(SPEC).detach()
    squares = (by_hand(flat, task.x).double() - task.y.double()).square()
    assert evaluate(task, SPEC, flat, "test") == pytest.approx(math.sqrt(float(squares.mean())), rel=1e-6)


def test_no_dropout_and_no_gradient() -> None:
    task, source = Toy(classes=None), Direct(DROPPING, seed=2)
    values = {evaluate(task, DROPPING, source(DROPPING), "test") for _ in range(3)}
    assert len(values) == 1
    squares = (run(DROPPING, source.flat, task.x) - task.y).square()
    assert values.pop() == pytest.approx(math.sqrt(float(squares.detach().mean())), rel=1e-5)
    assert source.flat.grad is None


@pytest.mark.parametrize(("precision", "error"), [("bf16", 0.03), ("fp16", 0.004)])
def test_half_precision_is_near(precision: str, error: float) -> None:
    task, flat = Toy(classes=None), Direct(SPEC, seed=2)(SPEC)
    plain = evaluate(task, SPEC, flat, "test")
    low = evaluate(task, SPEC, flat, "test", precision)
    assert low == pytest.approx(plain, rel=error) and low != plain
