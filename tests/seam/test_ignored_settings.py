"""Every setting of a run ignored in turn: some check of the seam must notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from checks import STATIC
from planting import Patch, taken_for

from uhn.paper.settings import RunSettings, Settings


def of_tasks(**changes: Any) -> Callable[[Any], Any]:
    return lambda tasks: tuple(task.model_copy(update=changes) for task in tasks)


IGNORED: dict[str, tuple[Any, str]] = {
    "method": ("direct", "sources"),
    "seed": (0, "tasks"),
    "tasks.dataset": (of_tasks(dataset="mnist"), "tasks"),
    "tasks.model": (of_tasks(model="mlp-mnist"), "distributions"),
    "tasks.probability": (of_tasks(probability=1 / 6), "distributions"),
    "model_set": (None, "distributions"),
    "members": (None, "unlike"),
    "validate_split": (False, "searches"),
    "score": ("test", "searches"),
    "data.train_rows": (None, "unlike"),
    "data.test_rows": (None, "unlike"),
    "data.stand_in": (False, "unlike"),
    "generator.hidden": (128, "sources"),
    "generator.blocks": (2, "sources"),
    "generator.index_frequencies": (2048, "sources"),
    "generator.structure_frequencies": (32, "unlike"),
    "generator.structure": (False, "sources"),
    "generator.encoding": ("gff", "sources"),
    "generator.scale": (100.0, "unlike"),
    "options": ({"embedding": 64}, "sources"),
    "depth": (0, "phases"),
    "init.steps": (100, "phases"),
    "init.lr": (1e-4, "phases"),
    "init.warmup": (0, "phases"),
    "train.lr": (2e-4, "phases"),
    "train.epochs": (100, "phases"),
    "train.steps": (30_000, "phases"),
    "train.warmup": (0, "phases"),
    "train.batch_size": (256, "unlike"),
    "train.clip": (None, "phases"),
    "compute.kernel": ("auto", "unlike"),
    "compute.cache_mib": (448, "unlike"),
}
"""By setting: what it is taken for, and the check that notices."""

ELSEWHERE = {
    "precision", "evaluate_every", "compute.threads",  # below, in a run
    "compute.device",  # another one takes another machine
    "compute.stack",  # what is trained at once: the tests of durability
    "name", "experiment", "checkpoint_seconds",  # no part of what is built
    "path_only",  # what tables print
}  # fmt: skip


def leaves(model: type[Settings], before: str = "") -> set[str]:
    """Every setting of a run by its path."""
    found = set()
    for name, info in model.model_fields.items():
        inner = [t for t in (info.annotation, *getattr(info.annotation, "__args__", ())) if isinstance(t, type)]
        kinds = [t for t in inner if issubclass(t, Settings)]
        found |= leaves(kinds[0], f"{before}{name}.") if kinds else {f"{before}{name}"}
    return found


def test_every_setting_is_among_the_defects() -> None:
    assert leaves(RunSettings) == {*IGNORED, *ELSEWHERE}


@pytest.mark.parametrize("key", IGNORED)
def test_a_setting_that_is_ignored_is_noticed(key: str, monkeypatch: Patch) -> None:
    value, check = IGNORED[key]
    taken_for(key.split(".")[0] if key.startswith("tasks.") else key, value)(monkeypatch)
    with pytest.raises((AssertionError, ValueError, TypeError)):
        STATIC[check]()
