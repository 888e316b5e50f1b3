"""Weight sources. The list below is the registry: a source that is not in it is in no file and no params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from uhn.sources.base import OneSpecSource, WeightSource
from uhn.sources.chain import Chain
from uhn.sources.chunked import ChunkedHypernetwork
from uhn.sources.direct import Direct
from uhn.sources.ha import HaHypernetwork
from uhn.sources.universal import UniversalHypernetwork


def registry(*classes: type[WeightSource]) -> dict[str, type[WeightSource]]:
    """Classes by kind. Raises ``ValueError`` if two have the same."""
    found: dict[str, type[WeightSource]] = {}
    for cls in classes:
        if (other := found.setdefault(cls.kind, cls)) is not cls:
            names = f"{other.__name__} and {cls.__name__}"
            raise ValueError(f"weight sources must have different kinds, got {cls.kind!r} of {names}")
    return found


SOURCES: Final[Mapping[str, type[WeightSource]]] = registry(
    Chain,
    ChunkedHypernetwork,
    Direct,
    HaHypernetwork,
    UniversalHypernetwork,
)

__all__ = [
    "SOURCES",
    "Chain",
    "ChunkedHypernetwork",
    "Direct",
    "HaHypernetwork",
    "OneSpecSource",
    "UniversalHypernetwork",
    "WeightSource",
]
