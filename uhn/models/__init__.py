"""Model families and the zoo: the paper's base models by name.

The import list is the registry of families: one that is not listed here does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Final

from uhn.models import feedforward, graph, hypernet, transformer
from uhn.models import kan as kan_family
from uhn.models.base_models import GENERATED, MODELS
from uhn.models.forward import Inputs, run, run_parts, unflatten
from uhn.models.spec import ModelSpec, Slot, WeightInfo
from uhn.tasks import DATASETS
from uhn.vocabulary import ModelType

__all__ = [
    "CATEGORICAL",
    "FAMILIES",
    "Family",
    "Inputs",
    "ModelSpec",
    "Slot",
    "WeightInfo",
    "categorical",
    "run",
    "run_parts",
    "unflatten",
    "zoo",
    "zoo_names",
]


@dataclass(frozen=True)
class Family:
    """A model family: its builder, its code, and the local fields that are declared over their whole enumeration."""

    name: str
    model_type: ModelType
    build: Callable[..., ModelSpec]
    categorical: Mapping[str, type[IntEnum]]


def _families(*families: Family) -> dict[str, Family]:
    names = [family.name for family in families]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"model families must have different names, got {', '.join(repeated)} more than once")
    return dict(zip(names, families, strict=True))


FAMILIES: Final[Mapping[str, Family]] = _families(
    Family("mlp", ModelType.CNN, feedforward.mlp, feedforward.CATEGORICAL),
    Family("cnn", ModelType.CNN, feedforward.cnn, feedforward.CATEGORICAL),
    Family("gcn", ModelType.GCN, graph.gcn, graph.GCN_CATEGORICAL),
    Family("gat", ModelType.GAT, graph.gat, graph.GAT_CATEGORICAL),
    Family("transformer", ModelType.TRANSFORMER, transformer.transformer, transformer.CATEGORICAL),
    Family("kan", ModelType.KAN, kan_family.kan, kan_family.CATEGORICAL),
    Family("hypernet", ModelType.RECURSIVE, hypernet.generated_uhn, hypernet.CATEGORICAL),
)


CATEGORICAL: Final[Mapping[str, Mapping[str, type[IntEnum]]]] = {
    name: family.categorical for name, family in FAMILIES.items()
}
"""Family → the local fields that it declares over their whole enumeration (B.4)."""


def categorical(family: str) -> Mapping[str, type[IntEnum]]:
    """Local fields that ``family`` declares over their whole enumeration (B.4). Raises ``ValueError`` if unknown."""
    if family not in FAMILIES:
        raise ValueError(f"unknown model family {family!r}; known: {', '.join(FAMILIES)}")
    return FAMILIES[family].categorical


def zoo_names() -> tuple[str, ...]:
    """Names of the paper's base models."""
    return (*MODELS, "uhn-generated")


def zoo(name: str) -> ModelSpec:
    """Return the paper's base model ``name`` (C.2, D.1, F.1).

    Raises:
        TypeError: if it is no name.
        ValueError: listing the names if it is unknown.

    Example:
        >>> uhn.zoo("mlp-mnist")
        ModelSpec(mlp, 3 layers, 118,282 weights)
    """
    if not isinstance(name, str):
        raise TypeError(f"zoo wants the name of a model, got {type(name).__name__}")
    if name not in zoo_names():
        raise ValueError(f"unknown model {name!r}; known: {', '.join(zoo_names())}")
    return _built(name)


@cache
def _built(name: str) -> ModelSpec:
    if name == "uhn-generated":
        return hypernet.generated_uhn(**GENERATED)
    model = MODELS[name]
    return FAMILIES[model.family].build(**model.settings, dataset=DATASETS[model.dataset].code)
