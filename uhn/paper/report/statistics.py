"""From the values of several seeds to one number with its spread, and how it is printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Statistic:
    """Mean and sample standard deviation (n - 1) over finished seeds.

    Args:
        mean: mean of the finished seeds' values; None if there are none.
        std: sample standard deviation; None for fewer than two.
        n: number of finished seeds.
        diverged: number of seeds that diverged; they enter neither mean nor deviation.
        missing: number of seeds that were planned and have no result.
        other: number of seeds that were trained under other settings than the plan's; they do not enter either.
    """

    mean: float | None
    std: float | None
    n: int
    diverged: int = 0
    missing: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        """Seeds planned."""
        return self.n + self.diverged + self.missing + self.other


def aggregate(values: Sequence[float], *, diverged: int = 0, missing: int = 0, other: int = 0) -> Statistic:
    """Summarise finished seeds. Raises ``ValueError`` for a value that is not finite."""
    if bad := [v for v in values if not math.isfinite(v)]:
        raise ValueError(f"values of finished runs must be finite, got {bad}")
    n = len(values)
    mean = math.fsum(values) / n if n else None
    std = None
    if n > 1 and mean is not None:
        std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Statistic(mean, std, n, diverged, missing, other)


def percent(value: float) -> str:
    """An accuracy in [0, 1] as percent with two decimals."""
    return f"{100 * value:.2f}"


def significant(value: float) -> str:
    """Three significant digits, trailing zeros kept; powers of ten below 0.0001 and from 1,000 on."""
    if value == 0 or 1e-4 <= abs(value) < 999.5:
        return f"{value:#.3g}".rstrip(".")
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def printed(statistic: Statistic, metric: str) -> str:
    """``mean ± std``, ``value (n=1)``, or why there is none."""
    form = percent if metric == "accuracy" else significant
    if statistic.mean is None:
        if statistic.diverged:
            return "diverged"
        return "other settings" if statistic.other else "not run"
    if statistic.std is None:
        return f"{form(statistic.mean)} (n=1)"
    return f"{form(statistic.mean)} ± {form(statistic.std)}"
