"""Our numbers against a float64 oracle on a sample of rows."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from benchmarks.cases import Case
from uhn.descriptors.blocks import index_table
from uhn.descriptors.features import IndexFeatures
from uhn.randomness import stream
from uhn.sources.trunk import mlp, residual

SAMPLE = 2048

KINK = 1e-4
"""Rows with a ReLU's input this near to zero take no part in the gradient: rounding decides which side they are on."""


def errors(case: Case) -> dict[str, float]:
    """Largest and rms error of the first layer, the weights and (rms only, worst tensor) the gradient, over rms.

    The upstream gradient is zero outside the sampled rows, so the oracle's gradient needs these rows only.
    """
    generator, count = case.generator(), case.spec.num_params
    sampled = torch.randperm(count, generator=stream(0, "benchmark rows"))[:SAMPLE]
    oracle = copy.deepcopy(generator).double()
    rows = oracle.ranges.normalise_index(index_table(case.spec)[sampled])
    phase = rows @ oracle.get_buffer("encoding.matrix")
    right = torch.cat([phase.cos(), phase.sin()], dim=1) @ oracle.index.weight.t() + oracle.index.bias
    weights = mlp(right, None, oracle.tail())
    upstream = torch.zeros(count)
    upstream[sampled] = case.upstream()[sampled] * (_margin(right.detach(), oracle.tail()) > KINK)
    exact = torch.autograd.grad(weights, list(oracle.parameters()), upstream[sampled].double())

    flat = generator(case.spec)
    gradients = torch.autograd.grad(flat, list(generator.parameters()), upstream)
    features = IndexFeatures.of(case.spec, generator.ranges, generator.encoding)
    with torch.no_grad():
        planned = features.project(generator.index.weight, generator.index.bias)
        place = torch.empty(count, dtype=torch.int64)
        place[torch.arange(count) if features.order is None else features.order] = torch.arange(count)
        first = planned[place[sampled]]
    worst = max(_relative(got, want)[1] for got, want in zip(gradients, exact, strict=True))
    found = zip(("first", "weights"), (_relative(first, right), _relative(flat[sampled], weights)), strict=True)
    pairs = {f"{name}_{kind}": value for name, pair in found for kind, value in zip(("max", "rms"), pair, strict=True)}
    return pairs | {"gradient_rms": worst}


@torch.no_grad()
def _margin(x: Tensor, tail: list[Tensor]) -> Tensor:
    """How near to zero the inputs of a row's ReLUs come, ``[n, h] -> [n]``."""
    found, width = x.abs().amin(1), (x.shape[1],)
    for start in range(0, len(tail) - 2, 8):
        scale, shift, weight, bias = tail[start : start + 4]
        inner = torch.nn.functional.layer_norm(x.relu(), width, scale, shift) @ weight.t() + bias
        x = residual(x, tail[start : start + 8])
        found = found.minimum(inner.abs().amin(1)).minimum(x.abs().amin(1))
    return found


def _relative(got: Tensor, want: Tensor) -> tuple[float, float]:
    difference, size = got.detach().double() - want.detach(), want.detach().square().mean().sqrt().clamp(min=1e-30)
    return float(difference.abs().max() / size), float(difference.square().mean().sqrt() / size)
