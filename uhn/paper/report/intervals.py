"""Confidence intervals: over seeds, of a difference of means, a ratio of geometric means and several rows; over rows,
of a share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from scipy.special import stdtrit  # the inverse of Student's distribution; scipy.stats takes a second to import

CONFIDENCE = 0.95
"""Of every interval, two-sided."""


@dataclass(frozen=True)
class Interval:
    """A difference or ratio with its confidence interval over seeds; infinite limits where there is one seed."""

    middle: float
    low: float
    high: float
    seeds: int


def wilson(share: float, rows: int) -> tuple[float, float]:
    """The two-sided 95 % interval (Wilson's score) of a probability of which ``share`` was seen in ``rows`` trials."""
    z2 = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) ** 2
    middle = share + z2 / (2 * rows)
    half = math.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows**2)))
    return (middle - half) / (1 + z2 / rows), (middle + half) / (1 + z2 / rows)


def interval(first: Sequence[float], second: Sequence[float], *, ratio: bool) -> Interval:
    """Welch's interval of the difference of two means, of logarithms where ``ratio``.

    Args:
        first: values of one arm's seeds.
        second: of the other's.
        ratio: return ratios of geometric means instead of differences.
    """
    a, b = ([math.log(v) for v in values] if ratio else list(values) for values in (first, second))
    means, squares = [], []
    for values in (a, b):
        mean = math.fsum(values) / len(values)
        means.append(mean)
        spread = math.fsum((v - mean) ** 2 for v in values)
        squares.append(spread / (len(values) - 1) / len(values) if len(values) > 1 else math.inf)
    return _student(means[0] - means[1], squares, [len(a) - 1, len(b) - 1], min(len(a), len(b)), ratio)


def combine(parts: Sequence[Interval], *, ratio: bool) -> Interval:
    """The mean of several comparisons: each row is one draw of what the claim is about; of one row its own interval."""
    if len(parts) == 1:
        return parts[0]
    values = [math.log(p.middle) if ratio else p.middle for p in parts]
    mean, n = math.fsum(values) / len(values), len(values)
    square = math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n
    return _student(mean, [square], [n - 1], min(p.seeds for p in parts), ratio)


def _student(middle: float, squares: Sequence[float], freedom: Sequence[int], seeds: int, ratio: bool) -> Interval:
    back: Callable[[float], float] = math.exp if ratio else float
    total = math.fsum(squares)
    if not math.isfinite(total):
        return Interval(back(middle), 0.0 if ratio else -math.inf, math.inf, seeds)
    if total == 0:
        return Interval(back(middle), back(middle), back(middle), seeds)
    degrees = total**2 / math.fsum(s**2 / n for s, n in zip(squares, freedom, strict=True) if s)
    width = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * math.sqrt(total)
    return Interval(back(middle), back(middle - width), back(middle + width), seeds)
