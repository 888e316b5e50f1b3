"""Digests of source code that formatting, comments and docstrings do not change."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path


def code_digest(files: Iterable[Path]) -> str:
    """Return a SHA-256 over the syntax trees of ``files`` (in order of path) and their names."""
    digest = hashlib.sha256()
    for path in sorted(files):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
        digest.update(f"{path.name}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()


def room_digest(*rooms: str) -> str:
    """Return the digest of the modules of some rooms, or single ones: ``room_digest("layers", "vocabulary.py")``."""
    root = Path(__file__).parent.parent
    return code_digest(
        path for room in rooms for path in root.glob(room if room.endswith(".py") else f"{room}/**/*.py")
    )


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
