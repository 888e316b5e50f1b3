"""PCGrad: gradients of several tasks that do not undo each other (Yu et al., 2020), for one generator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


def projected(gradients: Float[Tensor, "tasks n"], rng: torch.Generator) -> Float[Tensor, " n"]:
    """Return the sum of the tasks' gradients, of each what is left without its conflicts.

    From a task's gradient its component along another's is taken away where the two point apart (their product is
    negative), for all other tasks in an order drawn from ``rng``.
    """
    found = gradients.clone()
    for number, row in enumerate(found):
        for other in torch.randperm(len(gradients), generator=rng).tolist():
            product = row @ gradients[other]
            if other != number and product < 0:
                row -= product / gradients[other].square().sum() * gradients[other]
    return found.sum(0)


def pcgrad(losses: Sequence[Tensor], parameters: Sequence[nn.Parameter], rng: torch.Generator) -> None:
    """Put :func:`projected` gradients of ``losses`` into ``.grad`` of ``parameters``, in the place of a backward pass.

    Args:
        losses: a scalar per task.
        parameters: what is trained, e.g. ``list(generator.parameters())``.
        rng: decides the order of the projections; on the CPU.
    """
    rows = []
    for loss in losses:
        parts = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        filled = (torch.zeros_like(p) if g is None else g for p, g in zip(parameters, parts, strict=True))
        rows.append(torch.cat([part.flatten() for part in filled]))
    parts = torch.split(projected(torch.stack(rows), rng), [p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
