"""The optimiser of every phase: AdamW (section 4.1), on a GPU in a form that can stand in a CUDA graph."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class AdamW(torch.optim.AdamW):
    """Torch's own, with its methods bare: torch wraps them for the sake of its compiler, and importing that takes
    seconds of every process that trains."""

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def make_optimiser(parameters: Sequence[Tensor], device: torch.device) -> torch.optim.AdamW:
    """A fresh AdamW, betas (0.9, 0.999), eps 1e-8, no weight decay.

    On a GPU its step and its rate are tensors; elsewhere the rate is a number.
    """
    settings: dict[str, Any] = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "fused": True}
    if device.type != "cuda":
        return AdamW(parameters, lr=1.0, **settings)
    rate = torch.ones((), device=device)
    optimiser = AdamW(parameters, lr=rate, capturable=True, **settings)
    optimiser._warned_capturable_if_run_uncaptured = True  # it also steps outside of a graph, and must not warn
    return optimiser


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """As ``optimiser.load_state_dict(state)``, but how it computes (and where its rate is) stays as it was made.

    Raises:
        ValueError: if ``state`` is of other parameters.
    """
    own = [{k: v for k, v in group.items() if k != "params"} for group in optimiser.param_groups]
    optimiser.load_state_dict(state)
    for group, settings in zip(optimiser.param_groups, own, strict=True):
        group.update(settings)
