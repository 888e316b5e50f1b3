"""Weight sources. A file of this folder that holds a class with a ``kind`` is a method (see :mod:`uhn.methods`)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from uhn.methods import methods, sources
from uhn.sources.base import OneSpecSource, WeightSource
from uhn.sources.chunked import ChunkedHypernetwork
from uhn.sources.direct import Direct
from uhn.sources.ha import HaHypernetwork
from uhn.sources.universal import UniversalHypernetwork


def source_class(kind: str) -> type[WeightSource]:
    """The class of a kind of source. Raises ``ValueError`` for an unknown kind."""
    if kind not in sources():
        raise ValueError(f"unknown weight source kind {kind!r}; there are {', '.join(sources())}")
    module, name = sources()[kind]
    cls: type[WeightSource] = getattr(import_module(module), name)
    return cls


SOURCES: Final[Mapping[str, type[WeightSource]]] = {kind: source_class(kind) for kind in methods()}
"""Every method's class by name."""

__all__ = [
    "SOURCES",
    "ChunkedHypernetwork",
    "Direct",
    "HaHypernetwork",
    "OneSpecSource",
    "UniversalHypernetwork",
    "WeightSource",
    "source_class",
]
