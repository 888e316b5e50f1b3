"""The paper's base models and model sets by name: of which family, for which dataset, with which settings.

Plain data that imports nothing, so that a plan can check names and what goes together without torch;
:func:`uhn.models.zoo` builds the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

FUNCTIONS: Final = (
    "ellipj", "ellipkinc", "ellipeinc", "jv", "yv", "kv", "iv", "lpmv0", "lpmv1", "lpmv2",
    "sph_harm01", "sph_harm11", "sph_harm02", "sph_harm12", "sph_harm22",
)  # fmt: skip
"""The special functions of Table 11, in its order."""

FINE_GRID: Final = ("jv", "yv")
"""Functions whose KAN has 10 grid intervals instead of 5."""

CITATION: Final = {"cora": (1433, 7), "citeseer": (3703, 6), "pubmed": (500, 3)}
"""Features and classes of the citation graphs."""


@dataclass(frozen=True)
class BaseModel:
    """One model: its family (a key of :data:`uhn.models.FAMILIES`), its dataset, what the builder is told beside."""

    family: str
    dataset: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def _graph(family: str, name: str) -> BaseModel:
    features, classes = CITATION[name]
    heads = {"output_heads": 8 if name == "pubmed" else 1} if family == "gat" else {}
    return BaseModel(family, name, {"features": features, "classes": classes, **heads})


def _kan(name: str) -> tuple[str, BaseModel]:
    grid, sizes = (10 if name in FINE_GRID else 5), (2, 5, 4 if name == "ellipj" else 1)
    return f"kan-g{grid}-{name}", BaseModel("kan", name, {"sizes": sizes, "grid_size": grid})


MODELS: Final[Mapping[str, BaseModel]] = {
    "mlp-mnist": BaseModel("mlp", "mnist"),
    "cnn8-mnist": BaseModel("cnn", "mnist", {"stages": (1, 2, 2, 2), "channels": 1}),
    **{f"cnn{3 * n + 2}-cifar10": BaseModel("cnn", "cifar10", {"stages": (1, n, n, n)}) for n in (6, 10, 14, 18)},
    **{f"{family}-{name}": _graph(family, name) for name in CITATION for family in ("gcn", "gat")},
    "transformer2-agnews": BaseModel("transformer", "ag_news", {"classes": 4}),
    "transformer1-imdb": BaseModel(
        "transformer", "imdb", {"classes": 2, "feedforward": (2,), "max_length": 512, "dropout": 0.4}
    ),
    **dict(_kan(name) for name in FUNCTIONS),
}
"""The models that are trained (C.2, D.1, F.1)."""

GENERATED: Final[Mapping[str, Any]] = {"structure_frequencies": 32, "index_frequencies": 1024}
"""Of the generated hypernetwork between a root and a model, ``uhn-generated``: the root must have the same."""

MODEL_SETS: Final = {
    "cnn-depth": "cifar10",
    "cnn-width": "cifar10",
    "cnn-depth-width": "cifar10",
    "transformer": "ag_news",
    "mlp": "mnist",
}
"""Dataset of each sampled family (see :data:`uhn.models.sets.SETS`)."""

SAME_MODELS: Final = {"ag_news_30k": "ag_news"}
"""Datasets that take the models of another."""


def models_for(dataset: str) -> tuple[str, ...]:
    """Names of the models that are made for ``dataset``."""
    return tuple(name for name, model in MODELS.items() if model.dataset == SAME_MODELS.get(dataset, dataset))
