"""Checks of the arguments that classes of every package take: one sentence with what was wanted and what was got."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
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


def file_path(who: str, value: Any) -> Path:
    """Return ``value`` as a path. Raises ``TypeError`` for what is none: each Python says that in other words."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{who} wants the path of a file, got {value!r:.100}")
    return Path(value)


def whole_index(index: Any) -> int:
    """Return an integer of whatever type as an ``int``. Raises ``TypeError`` for anything else."""
    try:
        if isinstance(index, bool):
            raise TypeError
        return operator.index(index)
    except TypeError:
        raise TypeError(f"weight index must be an integer, got {index!r:.100}") from None


def counts(fields: Any) -> tuple[tuple[str, int], ...]:
    """Fields as sorted (name, count) pairs. Raises ``ValueError`` for anything that they cannot be made of."""
    pairs = (
        list(fields.items() if isinstance(fields, Mapping) else fields) if isinstance(fields, Iterable) else [fields]
    )
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise ValueError(f"ModelSpec.fields wants pairs of a name and an integer, got {pair!r:.100}")
        name, count = pair
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"ModelSpec.fields: {name} must be an integer >= 0, got {count!r:.100}")
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError(f"ModelSpec.fields wants each name once, got {pairs!r:.200}")
    return tuple(sorted((name, int(count)) for name, count in pairs))
