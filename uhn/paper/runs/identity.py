"""A run's identity: its settings, its data and the code that makes it.

The code digest is taken over the modules that the run's own classes come from (its layers, family, source, task) and
over the shared core; comments, docstrings and formatting do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from uhn.models import zoo
from uhn.paper.runs.digest import code_digest, read_code
from uhn.paper.runs.parts import classes_of
from uhn.paper.settings import RunSettings
from uhn.training.precision import pick_precision

ROOT = Path(__file__).parents[2]

NOT_IDENTITY = {"name", "experiment", "checkpoint_seconds", "evaluate_every"}
"""Settings that cannot change a result: names, and how often progress is saved or looked at."""

YOUNGER = ("options", "path_only")
"""Settings that came later: left out where they say nothing, so that the hashes of older runs stand."""

WITHIN = {"compute": {"kernel", "cache_mib", "stack"}}
"""Likewise: kernels and stacks change last bits; a finished run says which it took, and an unfinished one goes on by
the same. What the cache does not hold is formed again, in the same bits."""

CORE = (
    "vocabulary",
    "randomness",
    "layers.base",
    "layers.functional",
    "layers.inputs",
    "models.spec",
    "models.forward",
    "models.wiring",
    "sources.base",
    "tasks.base",
    "tasks.load",
    "training.loop",
    "training.distributions",
    "training.matching",
    "training.precision",
    "training.schedule",
    "training.evaluate",
    "paper.runs.build",
    "paper.runs.members",
)
"""Modules that every run goes through."""

CHOSEN = ("layers", "models", "sources", "tasks", "files")
"""Packages whose other modules count only for the runs that use them: an import from the core does not pull them in,
nor one from another package; a chosen module's import from its own package does. How files are written never counts."""


def resolved(settings: RunSettings) -> RunSettings:
    """The settings with the precision that ``auto`` stands for where they are to be run: on this machine."""
    device = settings.compute.device
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return settings.model_copy(update={"precision": pick_precision(settings.precision, torch.device(name))})


def as_made(present: RunSettings, precision: str | None) -> RunSettings:
    """The settings with the precision of a result, if ``auto`` left it open: whichever machine made it."""
    left_open = present.precision == "auto" and precision in ("fp32", "bf16")
    return present.model_copy(update={"precision": precision}) if left_open else present


def settings_hash(settings: RunSettings) -> str:
    """SHA-256 of what decides the result, without names and captions: two runs that agree here are the same run."""
    settings = resolved(settings)
    found = settings.model_dump(mode="json", exclude={**dict.fromkeys(NOT_IDENTITY, True), **WITHIN})
    return _hash({name: value for name, value in found.items() if value or name not in YOUNGER})


def same_settings(recorded: Mapping[str, Any], present: RunSettings) -> bool:
    """Whether a run that left ``recorded`` was trained under ``present``: names and captions aside, and the device and
    its threads, which change the last bits.

    Hashes of older records are of other sets of keys: a key that they lack is taken for its default.
    """
    aside = {key: getattr(present, key) for key in (*NOT_IDENTITY, "compute")}
    try:
        then = RunSettings.recorded({**recorded, **aside})
    except ValidationError:
        return False
    return settings_hash(then) == settings_hash(as_made(present, then.precision))


def run_identity(settings: RunSettings, fingerprints: Iterable[str]) -> str:
    """SHA-256 of the settings, the data's fingerprints and the code digest."""
    return _hash([settings_hash(settings), sorted(fingerprints), source_digest(settings)])


def source_digest(settings: RunSettings) -> str:
    """Digest of the code that makes this run's result, and of the models that its names stand for."""
    kinds = tuple(sorted({(task.dataset, task.model) for task in settings.tasks}))
    models = sorted(
        {zoo(model).hash for _, model in kinds} | ({zoo("uhn-generated").hash} if settings.depth else set())
    )
    names = modules_of(settings.method, kinds, settings.depth > 0, settings.model_set)
    return _hash([models, [[name, file_digest(name)] for name in sorted(names)]])


@cache
def modules_of(method: str, kinds: tuple[tuple[str, str], ...], chain: bool, model_set: str | None) -> frozenset[str]:
    """Names (within ``uhn``) of the modules behind a run, found from the classes that it uses."""
    roots = {name for name in classes_of(method, kinds, chain=chain, model_set=model_set)} | set(CORE)
    found: set[str] = set()
    waiting = sorted(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [n for n in imports_of(name) if n in roots or _counts(n, name)]
    return frozenset(name for name in found if not name.startswith("paper.") or name in CORE)


def _counts(imported: str, importer: str) -> bool:
    """Whether an import makes a module part of every run that the importer is part of."""
    package = imported.split(".")[0]
    if package not in CHOSEN:
        return True
    helper = importer not in CORE and importer.split(".")[0] == package and "." in imported
    return helper and not imported.startswith("tasks.fetch")  # the data's fingerprint stands for how they came here


@cache
def imports_of(name: str) -> tuple[str, ...]:
    """Modules of ``uhn`` that a module imports at its top, by its syntax tree."""
    return tuple(n for n in read_code(_path(name)).imports if _path(n).is_file())


@cache
def file_digest(name: str) -> str:
    """Digest of one module, with the kernels beside it that it compiles; many runs share it."""
    path = _path(name)
    compiled = ("*.[ch]", "triton_*.py") if name.startswith("kernels") else ()
    return code_digest([path, *(file for pattern in compiled for file in path.parent.glob(pattern))])


def _path(name: str) -> Path:
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
