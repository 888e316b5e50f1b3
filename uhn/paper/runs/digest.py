"""Digests of source code that formatting, comments, docstrings and the version of Python do not change.

Of C, comments and blanks do not.
"""

from __future__ import annotations

import ast
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NEWER = {"type_params", "default_value"}
"""Fields that Python 3.11 did not have: they count only where the code uses them."""


def code_digest(files: Iterable[Path]) -> str:
    """Return a SHA-256 over the syntax trees of ``files`` (in order of path) and their names."""
    digest = hashlib.sha256()
    for path in sorted(files):
        if path.suffix in (".c", ".h"):
            text = re.sub(r"/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
            digest.update(f"{path.name}\n{' '.join(text.split())}\n".encode())
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        digest.update(f"{path.name}\n{canonical(tree)}\n".encode())
    return digest.hexdigest()


def package_digest(*packages: str) -> str:
    """Return the digest of the modules of packages, or of single ones: ``package_digest("layers", "records.py")``."""
    root = Path(__file__).parents[2]
    return code_digest(
        path for package in packages for path in root.glob(package if package.endswith(".py") else f"{package}/**/*.py")
    )


def canonical(node: object) -> str:
    """Return a syntax tree without docstrings as text, the same under every Python from 3.11 on.

    It is what :func:`ast.dump` wrote in 3.11, so that the digests of results from then stand. Later versions of it
    show other fields, and what they write of a string depends on the Unicode tables that they come with.
    """
    if isinstance(node, list):
        return f"[{', '.join(map(canonical, node))}]"
    if not isinstance(node, ast.AST):
        return ascii(node) if isinstance(node, str) and _is_young(node) else repr(node)
    fields = []
    for name in node._fields:
        value: Any = getattr(node, name, None)
        constant = name == "value" and isinstance(node, ast.Constant | ast.MatchSingleton)
        if (value is None and not constant) or (name in NEWER and not value):
            continue
        if name == "body" and isinstance(value, list):
            value = [part for part in value if not _is_text(part)]
        elif name == "values" and isinstance(node, ast.JoinedStr):
            value = [part for part in value if not _is_empty(part)]
        fields.append(f"{name}={canonical(value)}")
    return f"{type(node).__name__}({', '.join(fields)})"


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_empty(node: ast.AST) -> bool:
    """Whether it is the empty text that early releases of Python 3.12 see at the end of a nested f-string."""
    return isinstance(node, ast.Constant) and node.value == ""


def _is_young(text: str) -> bool:
    """Whether a character is newer than the oldest tables that every Python carries: not all of them can print it."""
    return any(unicodedata.ucd_3_2_0.category(character) == "Cn" for character in text)
