"""Our numbers against a float64 oracle on a sample of rows."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.cases import Case
from uhn.descriptors.blocks import index_table
from uhn.descriptors.features import IndexFeatures
from uhn.randomness import stream
from uhn.sources.trunk import mlp

SAMPLE = 2048


def errors(case: Case) -> dict[str, float]:
    """Largest and rms error of the first layer, the weights and (rms only, worst tensor) the gradient, over rms.

    The upstream gradient is zero outside the sampled rows, so the oracle's gradient needs these rows only.
    """
    generator, count = case.generator(), case.spec.num_params
    sampled = torch.randperm(count, generator=stream(0, "benchmark rows"))[:SAMPLE]
    upstream = torch.zeros(count)
    upstream[sampled] = case.upstream()[sampled]
    flat = generator(case.spec)
    gradients = torch.autograd.grad(flat, list(generator.parameters()), upstream)
    features = IndexFeatures.of(case.spec, generator.ranges, generator.encoding)
    with torch.no_grad():
        planned = features.project(generator.index.weight, generator.index.bias)
        place = torch.empty(count, dtype=torch.int64)
        place[torch.arange(count) if features.order is None else features.order] = torch.arange(count)
        first = planned[place[sampled]]
    generator = generator.double()
    rows = generator.ranges.normalise_index(index_table(case.spec)[sampled])
    phase = rows @ generator.get_buffer("encoding.matrix")
    right = torch.cat([phase.cos(), phase.sin()], dim=1) @ generator.index.weight.t() + generator.index.bias
    weights = mlp(right, None, generator.tail())
    exact = torch.autograd.grad(weights, list(generator.parameters()), upstream[sampled].double())
    worst = max(_relative(got, want)[1] for got, want in zip(gradients, exact, strict=True))
    found = zip(("first", "weights"), (_relative(first, right), _relative(flat[sampled], weights)), strict=True)
    pairs = {f"{name}_{kind}": value for name, pair in found for kind, value in zip(("max", "rms"), pair, strict=True)}
    return pairs | {"gradient_rms": worst}


def _relative(got: Tensor, want: Tensor) -> tuple[float, float]:
    difference, size = got.detach().double() - want.detach(), want.detach().square().mean().sqrt().clamp(min=1e-30)
    return float(difference.abs().max() / size), float(difference.square().mean().sqrt() / size)
