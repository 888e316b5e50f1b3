"""The form that a GPU takes, on the CPU: all features at once, one product, few operations; as the factored form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from uhn.descriptors import batched
from uhn.models import ModelSpec, zoo
from uhn.models.feedforward import mlp
from uhn.models.hypernet import generated_uhn
from uhn.randomness import stream
from uhn.sources import UniversalHypernetwork, WeightSource
from uhn.sources.chain import Chain
from uhn.tasks import Limits, load, load_task
from uhn.tasks.receipts import GENERATED, Receipt
from uhn.training.distributions import OneModel
from uhn.training.loop import Loop, Phase
from uhn.training.matching import matching_loss


def both_ways(source: WeightSource, root: UniversalHypernetwork, spec: ModelSpec) -> list[list[torch.Tensor]]:
    """Weights and gradients, piece by piece and in one piece."""
    upstream = torch.randn(spec.num_params, generator=stream(0, "upstream"))
    found = []
    for whole in (False, True):
        root.whole = whole
        flat = source(spec)
        found.append([flat.detach(), *torch.autograd.grad(flat, list(source.parameters()), upstream)])
    return found


def close(found: list[list[torch.Tensor]], tolerance: float) -> None:
    for ours, whole in zip(*found, strict=True):
        assert float((ours - whole).norm()) <= tolerance * float(whole.norm()) + 1e-7


@pytest.mark.parametrize("encoding", ["gff", "positional", "raw"])
@pytest.mark.parametrize("kept", [True, False])
def test_all_rows_at_once_are_the_pieces(encoding: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept from step to step, and formed in chunks in either pass; one rectified unit at its kink moves a gradient."""
    if not kept:
        monkeypatch.setattr(batched, "KEPT_BYTES", 0)
        monkeypatch.setattr(batched, "CHUNK_ELEMENTS", 2**16)
    specs = [mlp((40, 300, 10)), mlp((8, 8, 4))]
    root = UniversalHypernetwork.for_specs(specs, hidden=16, frequencies=8, scale=3.0, encoding=encoding)
    for spec in specs:
        found = both_ways(root, root, spec)
        close([found[0][:1], found[1][:1]], 3e-6)
        close(found, 2e-2)
    assert [len(root.features(spec).kept) for spec in specs] == [kept, kept]


def test_kept_features_stay_below_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [mlp((8, width, 4)) for width in (8, 9, 10)]
    root = UniversalHypernetwork.for_specs(specs, hidden=8, frequencies=4)
    root.whole = True
    monkeypatch.setattr(batched, "_HOLDERS", [])
    monkeypatch.setattr(batched, "KEPT_BYTES", (specs[1].num_params + specs[2].num_params) * 8 * 4)
    for spec in specs:
        root(spec)
    assert [len(root.features(spec).kept) for spec in specs] == [0, 1, 1]
    assert all(features() is not None for features in batched._HOLDERS)


def test_chains_too() -> None:
    level = generated_uhn(structure_frequencies=4, index_frequencies=8, hidden=8, heads=2)
    leaf = mlp((20, 12, 5))
    root = UniversalHypernetwork.for_specs([level, leaf], hidden=8, frequencies=8, structure_frequencies=4, scale=1.0)
    close(both_ways(Chain(root, [level]), root, leaf), 1e-3)


@pytest.mark.parametrize("name", ["kan-g5-kv", "mlp-mnist"])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_matching_all_components_at_once(name: str, scale: float) -> None:
    spec = zoo(name)
    flat = torch.randn(spec.num_params, generator=stream(0, "flat"), dtype=torch.float64) * scale + 0.5
    flat.requires_grad_()
    one, all_at_once = (matching_loss(flat, spec, whole=whole) for whole in (False, True))
    assert float(all_at_once.detach()) == pytest.approx(float(one.detach()), rel=1e-12)
    if scale:
        a, b = (torch.autograd.grad(loss, flat)[0] for loss in (one, all_at_once))
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-15)


NOTHING = {"aten._unsafe_view", "aten.new_empty", "aten.empty_like", "aten.promote_types"}
"""Views that torch does not call so, memory, and a question about types: no kernel on a GPU."""


class Operations(TorchDispatchMode):
    """Counts operations that compute something."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = str(function.overloadpacket)
        if not function.is_view and name not in NOTHING and not name.startswith("profiler."):
            self.counts[str(function)] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("dataset", "model", "most"),
    [("cifar10", "cnn20-cifar10", 300), ("mnist", "mlp-mnist", 100), ("kv", "kan-g5-kv", 150)],
)
def test_operations_of_a_step(
    dataset: str, model: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the model's size: each is a kernel on a GPU. The optimiser there is one."""
    spec = zoo(model)
    source = UniversalHypernetwork.for_specs([spec], hidden=8, frequencies=2)
    source.whole = True
    monkeypatch.setattr(load, "_obtained", lambda name, *args: Receipt(name, GENERATED, "stand-in", "generated"))
    task = load_task(dataset, root=tmp_path, seed=1, stand_in=True, batch_size=4, limits=Limits(8, 8))
    loop = Loop(source, OneModel(task, spec), [Phase("train", 3, 1e-4)], seed=1)
    loop.optimiser = torch.optim.AdamW(source.parameters(), fused=True)
    loop._advance(loop.phases[0], 1e-4)
    with Operations() as operations:
        loop._advance(loop.phases[0], 1e-4)
    assert operations.counts.total() <= most, operations.counts.most_common(20)
