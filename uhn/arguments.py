"""Checks of the arguments that classes of every package take: one sentence with what was wanted and what was got."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def integer(who: str, name: str, value: Any, least: int | None = None) -> int:
    """Return ``value``. Raises ``ValueError`` unless it is an integer, of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        bound = "" if least is None else f" >= {least}"
        raise ValueError(f"{who} wants {name} to be an integer{bound}, got {value!r:.100}")
    return value


def above_zero(who: str, name: str, value: Any) -> float:
    """Return ``value``. Raises ``ValueError`` unless it is a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 < value < math.inf):
        raise ValueError(f"{who} wants {name} to be a finite number > 0, got {value!r:.100}")
    return value


def yes_or_no(who: str, name: str, value: Any) -> bool:
    """Return ``value``. Raises ``ValueError`` unless it is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{who} wants {name} to be True or False, got {value!r:.100}")
    return value


def integers(who: str, name: str, values: Any, least: int) -> tuple[int, ...]:
    """Return ``values`` as a tuple. Raises ``ValueError`` unless it is a sequence of integers of at least ``least``."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError(f"{who} wants {name} to be a sequence of integers, got {values!r:.100}")
    return tuple(integer(who, f"each of {name}", value, least) for value in values)
