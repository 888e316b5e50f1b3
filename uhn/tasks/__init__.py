"""Tasks: a dataset, its loss and metric, and how its rows become the inputs of a model.

The list of modules below is the registry of datasets: one that is not in it does not exist. What needs torch is loaded
when it is first used, so that a plan can ask for the facts of a dataset without.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from uhn.tasks import ag_news, cifar10, functions, imdb, mnist, planetoid
from uhn.tasks.dataset import Dataset

if TYPE_CHECKING:
    from uhn.tasks.base import IGNORED as IGNORED
    from uhn.tasks.base import Batch as Batch
    from uhn.tasks.base import Limits as Limits
    from uhn.tasks.base import Provenance as Provenance
    from uhn.tasks.base import Split as Split
    from uhn.tasks.base import Task as Task
    from uhn.tasks.full import FullBatchTask as FullBatchTask
    from uhn.tasks.image_rows import ImageRows as ImageRows
    from uhn.tasks.load import load_task as load_task
    from uhn.tasks.rows import RowTask as RowTask
    from uhn.tasks.text_rows import TextRows as TextRows

MODULES: Final[tuple[ModuleType, ...]] = (mnist, cifar10, planetoid, ag_news, imdb, functions)


def registry(*modules: ModuleType) -> dict[str, Dataset]:
    """Return the ``DATASETS`` of ``modules`` by name.

    Raises:
        ValueError: for two of one name, or of one code unless one is a part of the other.
    """
    found: dict[str, Dataset] = {}
    codes: dict[int, str] = {}
    for module in modules:
        for known in module.DATASETS:
            if known.name in found:
                raise ValueError(f"datasets must have different names, got {known.name!r} twice")
            if codes.setdefault(int(known.code), known.models_of) != known.models_of:
                other = codes[int(known.code)]
                raise ValueError(f"datasets must have different codes, got {known.code:d} of {other} and {known.name}")
            found[known.name] = known
    return found


DATASETS: Final[Mapping[str, Dataset]] = registry(*MODULES)
"""Every dataset by name."""

_HOMES = {
    **dict.fromkeys(("IGNORED", "Batch", "Limits", "Provenance", "Split", "Task"), "base"),
    "FullBatchTask": "full",
    "RowTask": "rows",
    "ImageRows": "image_rows",
    "TextRows": "text_rows",
    "load_task": "load",
}

__all__ = ["DATASETS", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'uhn.tasks' has no attribute {name!r}")
    return getattr(import_module(f"uhn.tasks.{_HOMES[name]}"), name)
