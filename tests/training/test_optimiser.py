"""The optimiser is torch's AdamW to the bit, and a run starts without torch's compiler."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from uhn.paper.config import load_config
from uhn.paper.runs.execute import execute
from uhn.training.optimiser import load_optimiser, make_optimiser

CPU = torch.device("cpu")


def stock(parameters: list[Tensor]) -> torch.optim.AdamW:
    return torch.optim.AdamW(parameters, lr=1.0, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, fused=True)


def steps(optimiser: torch.optim.Optimizer, first: int, last: int) -> None:
    """Steps with gradients and rates that only their number decides; one parameter sits out every third."""
    for step in range(first, last):
        rng = torch.Generator().manual_seed(step)
        (group,) = optimiser.param_groups
        group["lr"] = 0.1 / (step + 1)
        optimiser.zero_grad(set_to_none=True)
        for place, parameter in enumerate(group["params"]):
            if place or step % 3:
                parameter.grad = torch.randn(parameter.shape, generator=rng)
        optimiser.step()


def parameters() -> list[Tensor]:
    rng = torch.Generator().manual_seed(99)
    return [torch.randn(size, generator=rng, requires_grad=True) for size in (3, 70, 1)]


def test_it_is_torchs_own_to_the_bit() -> None:
    own, theirs = parameters(), parameters()
    ours, other = make_optimiser(own, CPU), stock(theirs)
    steps(ours, 0, 7)
    steps(other, 0, 7)
    assert all(map(torch.equal, own, theirs))
    assert not ours.param_groups[0]["params"][1].grad_fn, "a step is no part of a graph"
    ours_state, theirs_state = ours.state_dict(), other.state_dict()
    assert ours_state["param_groups"] == theirs_state["param_groups"]
    for place, moments in theirs_state["state"].items():
        assert all(torch.equal(ours_state["state"][place][name], value) for name, value in moments.items())

    # and what one has saved the other goes on from
    new = [parameter.detach().clone().requires_grad_() for parameter in own]
    resumed = make_optimiser(new, CPU)
    load_optimiser(resumed, copy.deepcopy(theirs_state))
    steps(resumed, 7, 12)
    steps(other, 7, 12)
    assert all(map(torch.equal, new, theirs))


def test_a_run_does_without_torchs_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repository: Path) -> None:
    """It takes seconds to import, in every process that trains."""
    for name in ("torch._dynamo", "torch._inductor", "torch._inductor.config"):
        monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    config = load_config(repository / "params.yaml", "smoke")
    places: dict[str, Any] = {name: tmp_path / name for name in ("results", "work", "data_root")}
    for method in ("uhn", "direct"):
        assert execute(config.resolve("kan-kv", method, 1), **places)["status"] == "finished"
