"""Learning-rate schedule: linear warm-up, then a cosine to zero (section 4.1), as a pure function of the unit."""

from __future__ import annotations

import math


def multiplier(unit: int, total: int, warmup: int = 0) -> float:
    """Return the factor of the base rate during ``unit`` (counted from 0) of ``total`` with ``warmup`` units.

    Unit t < W: (t + 1) / (W + 1); later 0.5 (1 + cos(pi (t - W) / max(T - W, 1))).

    Raises:
        ValueError: for a negative warm-up or a unit outside ``[0, total)``.
    """
    if warmup < 0 or not 0 <= unit < total:
        raise ValueError(f"schedule wants 0 <= unit < total and warmup >= 0, got unit {unit} of {total}, {warmup}")
    if unit < warmup:
        return (unit + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (unit - warmup) / max(total - warmup, 1)))
