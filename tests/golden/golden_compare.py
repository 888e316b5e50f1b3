"""Reading and comparing golden files: every key is either compared or fails as unknown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pytest

PROPERTY = "golden values"
"""Under which name a test reports how many values it compared."""


class Compared:
    """Counts the values that one file had compared."""

    def __init__(self) -> None:
        self.values = 0

    def equal(self, got: Any, wanted: Any, what: str) -> None:
        """Exact equality of (nested) lists, numbers and strings."""
        self.values += _leaves(wanted)
        assert _plain(got) == _plain(wanted), f"{what}: wanted {_short(wanted)}, got {_short(got)}"

    def close(self, got: Any, wanted: Any, what: str, *, rtol: float = 0.0, atol: float = 0.0) -> None:
        """Element-wise ``|got - wanted| <= atol + rtol |wanted|``, and equal shapes."""
        a, b = np.asarray(_plain(got), dtype=np.float64), np.asarray(wanted, dtype=np.float64)
        self.values += b.size
        assert a.shape == b.shape, f"{what}: wanted shape {b.shape}, got {a.shape}"
        excess = np.abs(a - b) - rtol * np.abs(b) - atol
        worst = int(np.argmax(excess)) if excess.size else 0
        assert np.isfinite(a).all() and (excess <= 0).all(), (
            f"{what}: at flat position {worst} wanted {b.flat[worst]!r}, got {a.flat[worst]!r} ({rtol=}, {atol=})"
        )

    def digest(self, array: np.ndarray, wanted: str, what: str, dtype: str = "<f4") -> None:
        """SHA-256 of the C-order bytes in ``dtype``."""
        self.values += 1
        got = hashlib.sha256(np.ascontiguousarray(array.astype(dtype)).tobytes()).hexdigest()
        assert got == wanted, f"{what}: digest differs (shape {array.shape})"


class Reader:
    """A dictionary that knows which of its keys were read; :meth:`finish` fails on the others."""

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self.data, self.where = data, where
        self.unread = set(data)

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def __getitem__(self, key: str) -> Any:
        if key not in self.data:
            raise AssertionError(f"{self.where}: key {key!r} is missing")
        self.unread.discard(key)
        return self.data[key]

    def part(self, key: str) -> Reader:
        return Reader(self[key], f"{self.where}/{key}")

    def prose(self, *keys: str) -> None:
        """Keys that hold sentences for people, where present."""
        for key in keys:
            if key in self.data:
                assert isinstance(self[key], str), f"{self.where}: {key!r} is not a sentence"

    def finish(self) -> None:
        assert not self.unread, f"{self.where}: keys this harness does not know: {sorted(self.unread)}"


def need(module: str, what: str) -> ModuleType:
    """Import a module of the library; fail with "not built yet" only where it does not exist."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        pytest.fail(f"not built yet: {what} ({module})", pytrace=False)


def draws(seed: int, shape: Iterable[int] | int) -> np.ndarray:
    """``RandomState(seed).standard_normal(shape)``, float64."""
    return np.random.RandomState(seed).standard_normal(tuple(shape) if not isinstance(shape, int) else shape)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    return value


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_leaves, value.values()))
    return sum(map(_leaves, value)) if isinstance(value, list | tuple) else 1


def _short(value: Any) -> str:
    text = repr(_plain(value))
    return text if len(text) < 200 else text[:200] + "…"
