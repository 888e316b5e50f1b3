"""PCGrad against its definition, written out in NumPy, and against a backward pass where nothing conflicts."""

from __future__ import annotations

import numpy as np
import torch

import uhn
from uhn.randomness import stream
from uhn.training.pcgrad import pcgrad, projected


def test_conflicts_are_projected_away_in_the_drawn_order() -> None:
    gradients = torch.randn(4, 3, generator=stream(0, "gradients"), dtype=torch.float64)
    orders, rng = [], stream(1, "order")
    for _ in range(4):
        orders.append(torch.randperm(4, generator=rng).tolist())
    g, wanted = gradients.numpy(), np.zeros(3)
    conflicts = 0
    for i, order in enumerate(orders):
        mine = g[i].copy()
        for j in (j for j in order if j != i):
            if np.dot(mine, g[j]) < 0:
                mine -= np.dot(mine, g[j]) / np.dot(g[j], g[j]) * g[j]
                conflicts += 1
        wanted += mine
    assert conflicts
    assert np.allclose(projected(gradients, stream(1, "order")).numpy(), wanted)


def test_two_tasks_no_longer_undo_each_other() -> None:
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    found = projected(torch.stack([first, second]), stream(0, "order"))
    assert found @ first >= 0 and found @ second >= 0 > first @ second


def test_without_conflict_it_is_the_backward_pass_of_the_sum() -> None:
    spec, x = uhn.mlp((4, 8, 3)), torch.randn(16, 4)
    generator = uhn.UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=8)
    parameters = [*generator.parameters(), torch.nn.Parameter(torch.ones(2))]  # the last is of no loss

    def losses() -> list[torch.Tensor]:
        loss = uhn.run(spec, generator(spec), x).square().mean()
        return [loss, 2 * loss]

    torch.stack(losses()).sum().backward()
    wanted = [p.grad for p in parameters[:-1]]
    pcgrad(losses(), parameters, stream(0, "order"))
    for parameter, grad in zip(parameters, wanted, strict=False):
        assert (parameter.grad - grad).norm() <= 1e-4 * grad.norm()
    assert not parameters[-1].grad.any()
