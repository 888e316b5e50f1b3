"""The paper's base models and model sets by name: of which family, for which dataset, with which settings.

Plain data; :func:`uhn.models.zoo` builds the models. What a dataset decides (features, classes, outputs, lengths) is
asked of its declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from uhn.tasks import DATASETS, functions, planetoid
from uhn.tasks.functions import Function
from uhn.tasks.graphs import GraphDataset
from uhn.tasks.texts import TextDataset

FINE_GRID: Final = ("jv", "yv")
"""Functions whose KAN has 10 grid intervals instead of 5."""


@dataclass(frozen=True)
class BaseModel:
    """One model: its family (a key of :data:`uhn.models.FAMILIES`), its dataset, what the builder is told beside."""

    family: str
    dataset: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def _graph(family: str, known: GraphDataset) -> BaseModel:
    heads = {"output_heads": 8 if known.name == "pubmed" else 1} if family == "gat" else {}
    return BaseModel(family, known.name, {"features": known.features, "classes": known.classes, **heads})


def _kan(known: Function) -> tuple[str, BaseModel]:
    grid = 10 if known.name in FINE_GRID else 5
    settings = {"sizes": (2, 5, known.outputs), "grid_size": grid}
    return f"kan-g{grid}-{known.name}", BaseModel("kan", known.name, settings)


def _text(name: str, **settings: Any) -> BaseModel:
    known = DATASETS[name]
    assert isinstance(known, TextDataset)
    return BaseModel("transformer", name, {"classes": known.classes, "max_length": known.length, **settings})


MODELS: Final[Mapping[str, BaseModel]] = {
    "mlp-mnist": BaseModel("mlp", "mnist"),
    "cnn8-mnist": BaseModel("cnn", "mnist", {"stages": (1, 2, 2, 2), "channels": 1}),
    **{f"cnn{3 * n + 2}-cifar10": BaseModel("cnn", "cifar10", {"stages": (1, n, n, n)}) for n in (6, 10, 14, 18)},
    **{f"{f}-{g.name}": _graph(f, g) for g in planetoid.DATASETS for f in ("gcn", "gat")},
    "transformer2-agnews": _text("ag_news"),
    "transformer1-imdb": _text("imdb", feedforward=(2,), dropout=0.4),
    **dict(_kan(known) for known in functions.DATASETS),
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


def models_for(dataset: str) -> tuple[str, ...]:
    """Names of the models that are made for ``dataset``."""
    return tuple(name for name, model in MODELS.items() if model.dataset == DATASETS[dataset].models_of)
