"""Snakemake's default storage, such as a bucket: each machine has local copies of what a job reads and writes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from uhn.paper.config import ConfigError


def link_to_storage(settings: Any, names: Iterable[str]) -> None:
    """Have ``names``, files and folders of the working directory, be those of the storage on this machine.

    Args:
        settings: Snakemake's settings of storage: its default provider and prefix, and where local copies lie.
        names: what the commands read and write under these names.

    Raises:
        ConfigError: for a name that stands for something here already.
    """
    prefix = (settings.default_storage_prefix or "").partition("://")[2].strip("/")
    store = Path(settings.local_storage_prefix) / settings.default_storage_provider / prefix
    for path in map(Path, names):
        target = store / path
        target.parent.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.suffix:
            target.mkdir(exist_ok=True)
        if not path.is_symlink():
            with suppress(FileExistsError):  # another process has just made it
                path.symlink_to(os.path.relpath(target, path.parent))
        if path.resolve() != target.resolve():
            raise ConfigError(
                f"wanted no {path} of this machine beside a storage, got one that is no copy of the storage's: "
                "move it away, or start in a clone of its own"
            )
