"""The methods that params.yaml may name: every class in ``uhn/sources`` that says ``kind = "…"``.

They are read from the files' syntax trees, because importing them would import torch, and a plan must not. So a new
weight source is one file in ``uhn/sources``; no list elsewhere has to learn of it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "sources"

NOT_METHODS = frozenset({"chain"})
"""Kinds that no run asks for by name: a chain is method ``uhn`` with a depth."""


@cache
def sources() -> Mapping[str, tuple[str, str]]:
    """Module and class of every kind of weight source, in order of module.

    Raises:
        ValueError: if two classes have the same kind.
    """
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(FOLDER.glob("*.py")):
        for cls in ast.parse(path.read_text(encoding="utf-8")).body:
            kind = _kind(cls) if isinstance(cls, ast.ClassDef) else None
            if kind is None or not isinstance(cls, ast.ClassDef):
                continue
            if kind in found:
                other = ".".join(found[kind])
                raise ValueError(f"weight sources must have different kinds, got {kind!r} in {other} and {path.stem}")
            found[kind] = (f"uhn.sources.{path.stem}", cls.name)
    return found


def methods() -> tuple[str, ...]:
    """Every method that a run can have."""
    return tuple(kind for kind in sources() if kind not in NOT_METHODS)


def known_method(name: str) -> str:
    """Return ``name``. Raises ``ValueError`` if no weight source is called so."""
    if name not in methods():
        raise ValueError(f"wanted one of {', '.join(methods())}, got {name!r}")
    return name


@cache
def families_of(method: str) -> tuple[str, ...] | None:
    """Model families that a method can serve, where its class says ``families = ("…",)``; None for all of them."""
    module, name = sources()[method]
    tree = ast.parse((FOLDER / f"{module.rpartition('.')[2]}.py").read_text(encoding="utf-8"))
    body = next(cls for cls in tree.body if isinstance(cls, ast.ClassDef) and cls.name == name)
    return _said(body, "families")


def _kind(cls: ast.ClassDef) -> str | None:
    """The text that the class body assigns to ``kind``."""
    kind = _said(cls, "kind")
    return kind if isinstance(kind, str) else None


def _said(cls: ast.ClassDef, name: str) -> Any:
    """The constant that the class body assigns to ``name``."""
    for line in cls.body:
        match line:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return ast.literal_eval(value)
    return None
