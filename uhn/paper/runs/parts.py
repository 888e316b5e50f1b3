"""From a run's settings to the classes behind it, and to the modules that define them."""

from __future__ import annotations

from uhn.models import FAMILIES, zoo
from uhn.models.spec import ModelSpec
from uhn.sources import SOURCES
from uhn.sources.chain import Chain
from uhn.tasks import DATASETS, MODULES
from uhn.tasks.functions import Function
from uhn.tasks.graphs import GraphDataset
from uhn.tasks.images import ImageDataset
from uhn.tasks.texts import TextDataset


def classes_of(
    method: str, kinds: tuple[tuple[str, str], ...], *, chain: bool = False, model_set: str | None = None
) -> set[str]:
    """Modules (within ``uhn``) of the layers, families, source and tasks of a run.

    Args:
        method: key of :data:`uhn.sources.SOURCES`.
        kinds: (dataset, model) of each task.
        chain: whether generated hypernetworks stand between the root and the model.
        model_set: name of a sampled family, or None.
    """
    specs = [zoo(model) for _, model in kinds]
    found = [*SOURCES[method].__mro__]
    if chain:
        specs.append(zoo("uhn-generated"))
        found += Chain.__mro__
    names = {cls.__module__ for cls in found if getattr(cls, "__module__", "").startswith("uhn.")}
    names |= {module for spec in specs for module in modules_of_spec(spec)}
    names |= {module for dataset, _ in kinds for module in modules_of_dataset(dataset)}
    if model_set is not None:
        names.add("uhn.models.sets")
    return {name.removeprefix("uhn.") for name in names}


def modules_of_spec(spec: ModelSpec) -> set[str]:
    """Modules that define the layers and the family of ``spec``."""
    return {type(layer).__module__ for layer in spec.layers} | {FAMILIES[spec.family].build.__module__}


def modules_of_dataset(name: str) -> set[str]:
    """Modules that declare a dataset, read its kind, and turn its rows into batches."""
    known = DATASETS[name]
    own = {module.__name__ for module in MODULES if name in (each.name for each in module.DATASETS)}
    return own | {type(known).__module__} | {f"uhn.tasks.{part}" for part in TASK_PARTS.get(type(known), ())}


TASK_PARTS: dict[type, tuple[str, ...]] = {
    ImageDataset: ("image_rows", "rows", "splits"),
    GraphDataset: ("graph_rows", "full"),
    TextDataset: ("text_rows", "rows", "splits"),
    Function: ("full", "splits"),
}
"""Modules that turn the rows of a kind of dataset into batches."""
