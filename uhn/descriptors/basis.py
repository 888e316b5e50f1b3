"""Cosines and sines of one axis in the few dimensions that they span (design: numerics contract)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BASIS_TOLERANCE = 1e-6
"""Largest error of a cosine or sine written in an axis basis."""


def leading_basis(values: Tensor, tolerance: float = BASIS_TOLERANCE) -> tuple[Tensor, Tensor]:
    """Write ``values [n, m]`` (float64) as ``U [n, r] @ V [r, m]`` with the smallest r whose largest error is tiny.

    A randomised range finder with a fixed generator: the spectrum of the cosines of one axis falls faster than
    exponentially beyond its bandwidth, so one pass is exact to ``tolerance`` (checked, not assumed).
    """
    n, m = values.shape
    generator, spread = torch.Generator().manual_seed(0), math.sqrt(n)
    rank = min(n, m, 192)
    while True:
        probe = torch.randn(m, min(rank + 16, m), generator=generator, dtype=torch.float64).to(values.device)
        q = torch.linalg.qr(values @ probe)[0]
        left, singular, right = torch.linalg.svd(q.T @ values, full_matrices=False)
        tail = singular.square().flip(0).cumsum(0).flip(0).sqrt()
        likely = max(1, int((tail > tolerance * math.sqrt(n * m) / 10).sum()))
        for keep in range(likely, len(singular) + 1, 4):
            u, v = q @ left[:, :keep], singular[:keep, None] * right[:keep]
            error = max(float((values[i : i + 512] - u[i : i + 512] @ v).abs().max()) for i in range(0, n, 512))
            if error <= 10 * tolerance or (keep > len(singular) - 4 and rank >= min(n, m)):
                return u * spread, v / spread
        rank = min(2 * rank, n, m)
