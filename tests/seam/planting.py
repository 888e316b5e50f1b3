"""How a defect is planted: a function replaced wherever it was imported, or settings changed before a build."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from uhn.paper.runs import build, members
from uhn.paper.settings import RunSettings

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]

BUILDERS = (build.build_tasks, build.build_distribution, build.build_source, build.build_phases, members.members_of)
"""What turns settings into the parts of a run; each takes them first."""


def put(patch: Patch, old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Put ``new`` in the place of a function, whoever has imported it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("uhn.") and getattr(module, old.__name__, None) is old:
            patch.setattr(module, old.__name__, new)


def with_settings(change: Callable[[RunSettings], RunSettings]) -> Plant:
    """Whatever is built is built from other settings than those of the run."""

    def plant(patch: Patch) -> None:
        for old in BUILDERS:
            put(patch, old, lambda run, *rest, old=old: old(change(run), *rest))

    return plant


def taken_for(key: str, value: Any) -> Plant:
    """A setting is ignored: everybody has this value."""
    return with_settings(lambda run: changed(run, key.split("."), value))


def changed(settings: Any, key: Sequence[str], value: Any) -> Any:
    if settings is None:
        return None
    if len(key) > 1:
        value = changed(getattr(settings, key[0]), key[1:], value)
    elif callable(value):
        value = value(getattr(settings, key[0]))
    return settings.model_copy(update={key[0]: value})
