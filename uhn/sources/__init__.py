"""Weight sources. The import list is the registry: a method of params.yaml that is not listed here does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from uhn.sources.base import WeightSource
from uhn.sources.direct import Direct
from uhn.sources.universal import UniversalHypernetwork


def _sources(*classes: type[WeightSource]) -> dict[str, type[WeightSource]]:
    names = [cls.kind for cls in classes]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"weight sources must have different kinds, got {', '.join(repeated)} more than once")
    return dict(zip(names, classes, strict=True))


SOURCES: Final[Mapping[str, type[WeightSource]]] = _sources(Direct, UniversalHypernetwork)

__all__ = ["SOURCES", "Direct", "UniversalHypernetwork", "WeightSource"]
