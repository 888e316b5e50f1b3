"""Attention with dropout on its probabilities (Eq 20), a few samples at a time.

Written out because the mask has to come from the run's generator. Scores are formed again in the backward pass; kept
is one byte per probability: the mask.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from uhn.transforms import composing

SCORES_AT_A_TIME = 2**20
"""Values in one working array on a CPU; a GPU takes 64 times as many."""


def attend_with_dropout(
    query: Float[Tensor, "B H T d"],
    key: Float[Tensor, "B H T d"],
    value: Float[Tensor, "B H T d"],
    visible: Bool[Tensor, "B 1 1 T"] | None,
    p: float,
    rng: torch.Generator | None,
) -> Float[Tensor, "B H T d"]:
    """Return ``dropout(softmax(Q K^T / sqrt(d))) V`` with keys hidden where ``visible`` is False.

    Raises:
        ValueError: without a generator: a mask must be a function of seed and step.
    """
    if rng is None:
        raise ValueError("dropout in training needs rng (a torch.Generator), got None")
    with torch.autocast(query.device.type, enabled=False):
        if composing():
            return _mixed(query, key, value, visible, p, rng)
        mixed: Tensor = _Attend.apply(query, key, value, visible, p, rng)  # type: ignore[no-untyped-call]
    return mixed


def drop_mask(shape: tuple[int, ...], p: float, rng: torch.Generator) -> tuple[Bool[Tensor, "*shape"], float]:
    """Draw which entries are dropped (True) and return the share kept; ``p`` is taken to 16 bits, four to a draw."""
    dropped = round(p * 2**16)
    count = 1
    for size in shape:
        count *= size
    draws = torch.empty(-(-count // 4), dtype=torch.int64, device=rng.device).random_(-(2**63), None, generator=rng)
    return (draws.view(torch.int16)[:count] < dropped - 2**15).view(shape), 1 - dropped / 2**16


def _probabilities(query: Tensor, key: Tensor, visible: Tensor | None) -> Tensor:
    """Softmax over the visible keys, in float32 or wider."""
    scores = (query / sqrt(query.shape[-1])) @ key.transpose(-2, -1)
    if visible is not None:
        scores.masked_fill_(~visible, -torch.inf)
    return scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32))


def _mixed(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, p: float, rng: torch.Generator) -> Tensor:
    """The same in the open, with the same masks, for torch's transforms."""
    samples, heads, length, _ = query.shape
    parts = []
    for cut in _cuts(samples, heads * length * length, query.device.type):
        probabilities = _probabilities(query[cut], key[cut], None if visible is None else visible[cut])
        mask, kept = drop_mask(tuple(probabilities.shape), p, rng)
        dropped = probabilities.masked_fill(mask.to(query.device), 0).to(value.dtype)
        parts.append(dropped @ value[cut] / kept)
    return torch.cat(parts)


def _cuts(samples: int, scores: int, device: str) -> list[slice]:
    """As many samples at a time as fit, each with ``scores`` values."""
    step = max(1, SCORES_AT_A_TIME * (1 if device == "cpu" else 64) // scores)
    return [slice(first, first + step) for first in range(0, samples, step)]


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, p: float, rng: torch.Generator
    ) -> Tensor:
        samples, heads, length, _ = query.shape
        ctx.cuts = _cuts(samples, heads * length * length, query.device.type)
        mixed, masks = torch.empty_like(query), []
        for cut in ctx.cuts:
            probabilities = _probabilities(query[cut], key[cut], None if visible is None else visible[cut])
            mask, ctx.kept = drop_mask(tuple(probabilities.shape), p, rng)
            masks.append(mask.to(query.device))
            mixed[cut] = probabilities.masked_fill_(masks[-1], 0).to(value.dtype) @ value[cut] / ctx.kept
        ctx.has_padding = visible is not None
        ctx.save_for_backward(query, key, value, *([] if visible is None else [visible]), *masks)
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *rest = ctx.saved_tensors
        visible, masks = (rest[0], rest[1:]) if ctx.has_padding else (None, rest)
        to_query, to_key, to_value = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        grad, scale = (grad / ctx.kept).to(value.dtype), 1 / sqrt(query.shape[-1])
        for cut, mask in zip(ctx.cuts, masks, strict=True):
            probabilities = _probabilities(query[cut], key[cut], None if visible is None else visible[cut])
            to_value[cut] = probabilities.masked_fill(mask, 0).to(value.dtype).transpose(-2, -1) @ grad[cut]
            upstream = (grad[cut] @ value[cut].transpose(-2, -1)).to(probabilities.dtype).masked_fill_(mask, 0)
            upstream.mul_(probabilities)
            scores = torch.addcmul(upstream, upstream.sum(-1, keepdim=True), probabilities, value=-1).to(query.dtype)
            to_query[cut] = scores @ key[cut] * scale
            to_key[cut] = scores.transpose(-2, -1) @ (query[cut] * scale)
        return to_query, to_key, to_value, None, None, None
