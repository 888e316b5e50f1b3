"""From a run's settings to the classes behind it, and to the modules that define them."""

from __future__ import annotations

from uhn.models import FAMILIES, zoo
from uhn.models.spec import ModelSpec
from uhn.sources import SOURCES
from uhn.sources.chain import Chain
from uhn.vocabulary import TaskType


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
    names |= {module for spec in specs for module in TASK_PARTS.get(TaskType(spec.task_type), ())}
    if model_set is not None:
        names.add("uhn.models.sets")
    return {name.removeprefix("uhn.") for name in names}


def modules_of_spec(spec: ModelSpec) -> set[str]:
    """Modules that define the layers and the family of ``spec``."""
    return {type(layer).__module__ for layer in spec.layers} | {FAMILIES[spec.family].build.__module__}


TASK_PARTS = {
    TaskType.IMAGE: ("data.images", "tasks.rows", "tasks.splits"),
    TaskType.GRAPH: ("data.citation", "data.graphs", "tasks.graph", "tasks.full"),
    TaskType.TEXT: ("data.text", "data.tokens", "tasks.rows", "tasks.splits"),
    TaskType.FORMULA: ("data.formulas", "tasks.full", "tasks.splits"),
}
"""Modules that read a kind of data and turn it into batches."""
