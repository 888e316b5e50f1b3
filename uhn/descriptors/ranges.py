"""Descriptor ranges and their normalisation (Eq 9). Ranges come from specs, never from data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from uhn import vocabulary as voc
from uhn.descriptors.blocks import index_blocks
from uhn.descriptors.structure import structure_tokens
from uhn.models import CATEGORICAL
from uhn.models.spec import ModelSpec, one_spec, several_specs

EPSILON = 1e-5
"""Added under the root of Eq 9, so that a constant field becomes exactly 0."""

LARGEST = 1e12
"""No descriptor goes beyond it."""

STRUCTURE_NAMES = tuple(field.name for field in voc.STRUCTURE_FIELDS)


@dataclass(frozen=True)
class Ranges:
    """Minimum and maximum of each of the 10 index fields and 29 structure fields."""

    index_min: tuple[float, ...]
    index_max: tuple[float, ...]
    structure_min: tuple[float, ...]
    structure_max: tuple[float, ...]

    def __post_init__(self) -> None:
        for what, size in (("index", len(voc.INDEX_FIELDS)), ("structure", len(voc.STRUCTURE_FIELDS))):
            low, high = getattr(self, f"{what}_min"), getattr(self, f"{what}_max")
            if len(low) != size or len(high) != size:
                raise ValueError(f"Ranges.{what} needs {size} minima and maxima, got {len(low)} and {len(high)}")
            if not all(isinstance(v, int | float) and math.isfinite(v) for v in (*low, *high)):
                raise ValueError(f"Ranges.{what} needs finite numbers, got {low!r:.100} and {high!r:.100}")
            if any(a > b for a, b in zip(low, high, strict=True)):
                raise ValueError(f"Ranges.{what}: a minimum exceeds its maximum: {low} > {high}")

    @classmethod
    def fitted(cls, spec: ModelSpec) -> Ranges:
        """The ranges that ``spec`` itself spans; Algorithm 1's statistics in the single-model setting."""
        one_spec(spec, "Ranges.fitted")
        lows, highs = [], []
        for block in index_blocks(spec):
            low = list(block.constants)
            high = list(block.constants)
            for position, size in block.axes:
                high[position] = size - 1
            lows.append(low)
            highs.append(high)
        tokens = structure_tokens(spec)
        return cls(
            tuple(float(min(column)) for column in zip(*lows, strict=True)),
            tuple(float(max(column)) for column in zip(*highs, strict=True)),
            tuple(tokens.amin(0).tolist()),
            tuple(tokens.amax(0).tolist()),
        )

    @classmethod
    def declared(cls, specs: Iterable[ModelSpec], categorical: Mapping[str, Iterable[str]] | None = None) -> Ranges:
        """The union over ``specs``, widened for categorical options that their family declares.

        Args:
            specs: every model of a setting, or the extreme members of its sampling ranges.
            categorical: family name → local fields whose whole set of categories counts, used or not; by default
                what the families of :mod:`uhn.models` declare.
        """
        categorical = CATEGORICAL if categorical is None else categorical
        specs = several_specs(specs, "Ranges.declared")
        if not specs:
            raise ValueError("Ranges.declared needs at least one spec, got none")
        whole = cls.union(cls.fitted(spec) for spec in specs)
        low, high = list(whole.structure_min), list(whole.structure_max)
        sizes = {field.name: field.categories for field in voc.LOCAL_FIELDS}
        for spec in specs:
            for name in categorical.get(spec.family, ()):
                position = len(voc.GLOBAL_NAMES) + voc.LOCAL_NAMES.index(name)
                codes = sizes[name]
                if codes is None:
                    raise ValueError(f"family {spec.family!r} declares {name!r}, which is not categorical")
                low[position] = min(low[position], min(codes))
                high[position] = max(high[position], max(codes))
        return cls(whole.index_min, whole.index_max, tuple(map(float, low)), tuple(map(float, high)))

    @classmethod
    def union(cls, parts: Iterable[Ranges]) -> Ranges:
        """Element-wise minimum of minima and maximum of maxima."""
        parts = list(parts)
        if not parts:
            raise ValueError("Ranges.union needs at least one part, got none")
        return cls(
            tuple(map(min, zip(*(p.index_min for p in parts), strict=True))),
            tuple(map(max, zip(*(p.index_max for p in parts), strict=True))),
            tuple(map(min, zip(*(p.structure_min for p in parts), strict=True))),
            tuple(map(max, zip(*(p.structure_max for p in parts), strict=True))),
        )

    def outside(self, spec: ModelSpec, *, structure: bool = True) -> list[str]:
        """Say which fields of ``spec`` leave the ranges, e.g. ``"layer_idx 0..31 is outside 0..25"``; none: ``[]``."""
        own = Ranges.fitted(spec)
        kinds = [("index", voc.INDEX_NAMES)] + ([("structure", STRUCTURE_NAMES)] if structure else [])
        found = []
        for what, names in kinds:
            limits = zip(
                names,
                getattr(own, f"{what}_min"),
                getattr(own, f"{what}_max"),
                getattr(self, f"{what}_min"),
                getattr(self, f"{what}_max"),
                strict=True,
            )
            found += [
                f"{what} field {name} {a:g}..{b:g} is outside {low:g}..{high:g}"
                for name, a, b, low, high in limits
                if a < low or b > high
            ]
        return found

    def normalise_index(self, values: Tensor) -> Float64[Tensor, "N 10"]:
        """Eq 9 on index rows ``[N, 10]``, in float64."""
        return normalise(values, self.index_min, self.index_max)

    def normalise_structure(self, values: Tensor) -> Float64[Tensor, "L 29"]:
        """Eq 9 on structure tokens ``[L, 29]``, in float64."""
        return normalise(values, self.structure_min, self.structure_max)

    def to_json(self) -> dict[str, list[float]]:
        """Plain JSON values; ``Ranges(**{k: tuple(v)})`` is the inverse, see :meth:`from_json`."""
        return {name: list(getattr(self, name)) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, data: Any) -> Ranges:
        """Inverse of :meth:`to_json`. Raises ``ValueError`` naming the keys wanted and got, or a value that is none."""
        if not isinstance(data, Mapping) or set(data) != set(cls.__dataclass_fields__):
            got = sorted(map(str, data)) if isinstance(data, Mapping) else type(data).__name__
            raise ValueError(f"ranges have the keys {sorted(cls.__dataclass_fields__)}, got {got}")
        for name, values in data.items():
            numbers = isinstance(values, Sequence) and not isinstance(values, str)
            if not numbers or not all(type(v) in (int, float) and abs(v) <= LARGEST for v in values):
                raise ValueError(f"ranges.{name} wants numbers up to {LARGEST:g}, got {values!r:.100}")
        return cls(**{name: tuple(float(v) for v in values) for name, values in data.items()})


def normalise(values: Tensor, low: Sequence[float], high: Sequence[float]) -> Tensor:
    """``(x - (min + max)/2) / sqrt((max - min)^2 / 12 + 1e-5)`` per column (Eq 9), in float64."""
    minimum = torch.tensor(low, dtype=torch.float64, device=values.device)
    maximum = torch.tensor(high, dtype=torch.float64, device=values.device)
    return (values.double() - (minimum + maximum) / 2) / ((maximum - minimum).square() / 12 + EPSILON).sqrt()
