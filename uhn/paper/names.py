"""The one pattern for names: they become folders, rules, wildcards and words of a shell's command line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from uhn.paper.reading import ConfigError, shown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def checked_name(name: str) -> str:
    """Return ``name``. Raises ``ValueError`` unless it may be one."""
    if not NAME.fullmatch(name):
        wanted = "wanted a name of at most 100 letters, digits, - and _, the first a letter or digit"
        raise ValueError(f"{wanted}, got {shown(name)}")
    return name


Name = Annotated[str, AfterValidator(checked_name)]
"""Name of a profile, an experiment, a job, a table or a list of seeds in params.yaml."""


def told_apart(where: str, names: Iterable[str]) -> None:
    """Raise :class:`ConfigError` for two names that would be one to rules (- and _) or to some disks (a and A)."""
    seen: dict[str, str] = {}
    for name in dict.fromkeys(names):
        other = seen.setdefault(name.replace("-", "_").lower(), name)
        if other != name:
            raise ConfigError(f"{where}.{name}: wanted more than case, - and _ to tell it from {other}")
