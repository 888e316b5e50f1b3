"""The Triton kernels, interpreted on the CPU, against torch's own path and float64; and what happens without Triton.

Triton is no requirement of anybody's without a GPU: where it is not installed, what needs it is skipped.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import source_oracle as oracle
import torch
from source_cases import stir
from torch import Tensor

from uhn.descriptors.ranges import Ranges
from uhn.kernels import gpu
from uhn.kernels.gpu import GpuKernels, Tile
from uhn.models.feedforward import mlp as spec_of
from uhn.sources import UniversalHypernetwork, backends, trunk
from uhn.sources.trunk import NORM_EPSILON, mlp
from uhn.sources.whole import WholeTail

SPEC = spec_of((5, 4, 3))
CPU = torch.device("cpu")
TINY = {"forward": 32, "backward": 16, "readout": 16, "sum": 16}
"""Rows (columns) of a tile, so that a few rows need several tiles."""


@pytest.fixture
def interpreted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pytest.importorskip("triton")
    from benchmarks.gpu_kernels import interpret

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    interpret(monkeypatch.setattr)
    monkeypatch.setattr(gpu, "TILES", {key: Tile(TINY[key[0]], 4, 1, 16) for key in gpu.TILES})
    sys.modules.pop("uhn.kernels.triton_trunk", None)
    importlib.import_module("uhn.kernels.triton_trunk")
    yield
    sys.modules.pop("uhn.kernels.triton_trunk", None)


def tail_case(hidden: int, blocks: int, lines: int, rows: int) -> tuple[list[Tensor], Tensor]:
    """Rows, bias, features and the tensors of a trunk, float32, and the gradient of its values."""
    draw = torch.Generator().manual_seed(hidden + blocks)
    shapes = [(rows, hidden), (hidden,), (lines, hidden), *[(hidden, hidden), (hidden,)] * 2 * blocks]
    tensors = [torch.randn(shape, generator=draw) for shape in [*shapes, (1, hidden), (1,)]]
    scaled = [t / hidden**0.5 if t.shape == (hidden, hidden) else t for t in tensors]
    return scaled, torch.randn(lines, rows, generator=draw)


def of_torch(tensors: list[Tensor], upstream: Tensor) -> list[Tensor]:
    """Values and the gradient of every tensor, in the tensors' dtype."""
    own = [t.clone().requires_grad_() for t in tensors]
    one, zero = torch.ones_like(own[1]), torch.zeros_like(own[1])
    plain = [part for at in range(3, len(own) - 2, 2) for part in (one, zero, *own[at : at + 2])]
    values = mlp(own[0] + own[1], own[2], [*plain, *own[-2:]], several=True)
    return [values.detach(), *torch.autograd.grad(values, own, upstream.to(values.dtype))]


def of_kernels(tensors: list[Tensor], upstream: Tensor, half: bool) -> list[Tensor]:
    rows, bias, features, *rest = tensors
    kernels = GpuKernels(half)
    tail = WholeTail(kernels, rest, features, bias, NORM_EPSILON)
    values, streams = tail.forward(rows.to(kernels.dtype))
    first = tail.backward(upstream, rows.to(kernels.dtype), streams)
    assert tail.bias_grad is not None and tail.structure_grad is not None and first.dtype == kernels.dtype
    return [values, first.float(), tail.bias_grad, tail.structure_grad, *tail.grads]


def errors(got: list[Tensor], right: list[Tensor]) -> list[float]:
    assert [t.shape for t in got] == [t.shape for t in right]
    return [float((a.double() - b).norm() / b.norm().clamp(min=1e-12)) for a, b in zip(got, right, strict=True)]


@pytest.mark.parametrize(("hidden", "blocks", "lines", "rows"), [
    (16, 0, 1, 17), (48, 1, 2, 33), (16, 2, 3, 1), (112, 1, 1, 40), (128, 2, 1, 37), (16, 3, 1, 64),
])  # fmt: skip
def test_the_trunk_is_as_near_to_float64_as_torch(
    hidden: int, blocks: int, lines: int, rows: int, interpreted: None
) -> None:
    tensors, upstream = tail_case(hidden, blocks, lines, rows)
    right = of_torch([t.double() for t in tensors], upstream.double())
    plain, found = errors(of_torch(tensors, upstream), right), errors(of_kernels(tensors, upstream, False), right)
    assert max(found) < 1.5 * max(plain) and found[0] < 1.5 * plain[0] + 1e-7, (found, plain)


def test_bfloat16_rounds_operands_and_nothing_else(interpreted: None) -> None:
    tensors, upstream = tail_case(48, 2, 2, 33)
    tensors[0] = tensors[0].bfloat16().float()
    found = errors(of_kernels(tensors, upstream, True), of_torch([t.double() for t in tensors], upstream.double()))
    assert 2**-8 / 100 < found[0] < 4 * 2**-8 and max(found[1:]) < 4 * 2**-4, found


def step(source: UniversalHypernetwork, condition: Tensor | None) -> list[Tensor]:
    flat = source(SPEC, condition)
    upstream = torch.randn(flat.shape, generator=torch.Generator().manual_seed(1))
    return [flat.detach(), *torch.autograd.grad(flat, list(source.parameters()), upstream)]


@pytest.mark.parametrize("settings", [
    {}, {"structure": True, "blocks": 0}, {"condition": 3, "blocks": 1}, {"encoding": "raw"},
    {"condition": 3, "condition_mode": "film", "blocks": 1},
], ids=str)  # fmt: skip
def test_a_generator_gives_what_torch_gives(
    settings: dict[str, Any], interpreted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = UniversalHypernetwork(
        Ranges.declared([SPEC]), hidden=16, frequencies=9, structure_frequencies=4, seed=1, **settings
    )
    stir(source)
    source.whole = True
    condition = torch.randn(2, 3) if "condition" in settings else None
    plain = step(source, condition)
    monkeypatch.setattr(trunk, "kernels_for", lambda name, weight, low: GpuKernels(low is not None))
    found, again = step(source, condition), step(source, condition)
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))
    assert max(errors(found, [t.double() for t in plain])) < 1e-5
    if not settings:
        state = {name: value.detach().double() for name, value in source.state_dict().items()}
        assert errors(found[:1], [oracle.root(SPEC, source.ranges, state)])[0] < 1e-5


def test_gradients_of_gradients_go_through_torch(interpreted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    source = UniversalHypernetwork(Ranges.declared([SPEC]), hidden=16, frequencies=9, blocks=1, seed=1)
    source.whole = True

    def second() -> list[Tensor]:
        trained = list(source.parameters())
        slopes = torch.autograd.grad(source(SPEC).square().sum(), trained, create_graph=True)
        return list(torch.autograd.grad(sum(slope.square().sum() for slope in slopes), trained))

    plain = second()
    monkeypatch.setattr(trunk, "kernels_for", lambda name, weight, low: GpuKernels(False))
    assert max(errors(second(), [t.double() for t in plain])) < 1e-4


def test_the_trial_finds_kernels_that_compute_something_else(
    interpreted: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    backends.unusable_on_gpu.cache_clear()
    assert backends.unusable_on_gpu(16, False, CPU) is None
    backends.unusable_on_gpu.cache_clear()
    monkeypatch.setattr(GpuKernels, "sum_rows", lambda self, a, b: 2 * a.float().t() @ b.float())
    reason = backends.unusable_on_gpu(16, False, CPU)
    backends.unusable_on_gpu.cache_clear()
    assert reason is not None and "the Triton kernels differ from float64 by 1.0e+00" in reason
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and reason in said


def test_without_triton_torch_does_the_work(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "uhn.kernels.triton_trunk", raising=False)
    backends.unusable_on_gpu.cache_clear()
    reason = [backends.unusable_on_gpu(16, False, CPU) for _ in range(2)][0]
    backends.unusable_on_gpu.cache_clear()
    assert reason is not None and "Triton cannot be used: ModuleNotFoundError" in reason
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "Triton comes with torch's wheels for CUDA" in said


@pytest.mark.parametrize(("device", "hidden", "words"), [
    ("cuda", 272, "a width of at most 256, and it is 272"), ("cuda", 64, "less exact than torch"),
    ("mps", 16, "a CPU or a CUDA device, and this is mps"),
])  # fmt: skip
def test_what_a_gpu_cannot_do_is_eager_with_a_reason(device: str, hidden: int, words: str) -> None:
    reason = backends.why_eager("auto", hidden, torch.device(device), torch.float32, None)
    assert reason is not None and words in reason
