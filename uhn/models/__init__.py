"""Model families and the zoo: the paper's base models by name.

The import list is the registry of families: one that is not listed here does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, partial
from typing import Final

from uhn.models import feedforward, graph, hypernet, transformer
from uhn.models import kan as kan_family
from uhn.models.forward import Inputs, run, run_parts, unflatten
from uhn.models.spec import ModelSpec, Slot, WeightInfo
from uhn.vocabulary import DatasetType, ModelType

__all__ = [
    "CATEGORICAL",
    "FAMILIES",
    "FORMULAS",
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


FORMULAS: Final = (
    "ellipj",
    "ellipkinc",
    "ellipeinc",
    "jv",
    "yv",
    "kv",
    "iv",
    "lpmv0",
    "lpmv1",
    "lpmv2",
    "sph_harm01",
    "sph_harm11",
    "sph_harm02",
    "sph_harm12",
    "sph_harm22",
)
"""The special functions of Table 11 in its order."""

FINE_GRID: Final = ("jv", "yv")
"""Functions whose KAN has 10 grid intervals instead of 5."""

_CITATION = {"cora": (1433, 7), "citeseer": (3703, 6), "pubmed": (500, 3)}


@cache
def _builders() -> dict[str, Callable[[], ModelSpec]]:
    entries: dict[str, Callable[[], ModelSpec]] = {
        "mlp-mnist": feedforward.mlp,
        "cnn8-mnist": partial(feedforward.cnn, (1, 2, 2, 2), channels=1, dataset=DatasetType.MNIST),
    }
    for depth in (6, 10, 14, 18):
        entries[f"cnn{3 * depth + 2}-cifar10"] = partial(feedforward.cnn, (1, depth, depth, depth))
    for name, (features, classes) in _CITATION.items():
        dataset = DatasetType[name.upper()]
        entries[f"gcn-{name}"] = partial(graph.gcn, features, classes, dataset=dataset)
        heads = 8 if name == "pubmed" else 1
        entries[f"gat-{name}"] = partial(graph.gat, features, classes, output_heads=heads, dataset=dataset)
    entries["transformer2-agnews"] = partial(transformer.transformer, 4)
    entries["transformer1-imdb"] = partial(
        transformer.transformer, 2, (2,), max_length=512, dropout=0.4, dataset=DatasetType.IMDB
    )
    for name in FORMULAS:
        grid, sizes = (10 if name in FINE_GRID else 5), (2, 5, 4 if name == "ellipj" else 1)
        dataset = DatasetType[name.upper()]
        entries[f"kan-g{grid}-{name}"] = partial(kan_family.kan, sizes, grid_size=grid, dataset=dataset)
    entries["uhn-generated"] = hypernet.generated_uhn
    return entries


def zoo_names() -> tuple[str, ...]:
    """Names of the paper's base models."""
    return tuple(_builders())


@cache
def zoo(name: str) -> ModelSpec:
    """Return the paper's base model ``name`` (C.2, D.1, F.1). Raises ``ValueError`` listing the names if unknown."""
    builders = _builders()
    if name not in builders:
        raise ValueError(f"unknown model {name!r}; known: {', '.join(builders)}")
    return builders[name]()
