"""Recursion deeper than the paper's: four generators that are generated, each by the one before."""

from __future__ import annotations

from pathlib import Path

import torch

import uhn
from uhn.models.hypernet import generated_uhn


def test_a_chain_of_four_generates_trains_and_is_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = uhn.mlp((2, 4, 2))
    level = generated_uhn(structure_frequencies=2, index_frequencies=8, hidden=4)
    root = uhn.UniversalHypernetwork.for_specs([level, spec], hidden=16, frequencies=8, structure_frequencies=2)
    chain = uhn.Chain(root, [level] * 4)
    made = [chain.level(number) for number in range(1, 5)]
    assert [one for one, _ in made] == [level] * 4 and all(flat.shape == (level.num_params,) for _, flat in made)
    assert not any(torch.equal(made[0][1], flat) for _, flat in made[1:])
    assert {name for name, _ in chain.named_parameters()} == {f"root.{name}" for name, _ in root.named_parameters()}
    optimiser = torch.optim.AdamW(chain.parameters(), lr=1e-3, weight_decay=0.0)
    losses = []
    for _ in range(30):
        loss = sum(uhn.matching_loss(chain.level(number)[1], level) for number in range(1, 3))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    before = [p.detach().clone() for p in chain.parameters()]
    flat = chain(spec)
    assert flat.shape == (spec.num_params,) and flat.isfinite().all()
    x = torch.randn(8, 2)
    torch.nn.functional.cross_entropy(uhn.run(spec, flat, x), torch.arange(8) % 2).backward()
    torch.nn.utils.clip_grad_norm_(chain.parameters(), 0.1)
    optimiser.step()
    assert any(not torch.equal(a, b) for a, b in zip(before, chain.parameters(), strict=True))
    uhn.save_source(chain, tmp_path / "chain.safetensors")
    assert torch.equal(uhn.load_source(tmp_path / "chain.safetensors")(spec), chain(spec))
