"""Digests of source code that formatting, comments, docstrings and the version of Python do not change.

Of C, comments and blanks do not.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, NamedTuple

NEWER = {"type_params", "default_value"}
"""Fields that Python 3.11 did not have: they count only where the code uses them."""


def code_digest(files: Iterable[Path]) -> str:
    """Return a SHA-256 over the syntax trees of ``files`` (in order of path) and their names."""
    digest = hashlib.sha256()
    for path in sorted(files):
        form = _plain(path.read_text(encoding="utf-8")) if path.suffix in (".c", ".h") else read_code(path).form
        digest.update(f"{path.name}\n{form}\n".encode())
    return digest.hexdigest()


def _plain(text: str) -> str:
    return " ".join(re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL).split())


class Code(NamedTuple):
    """A module without what does not count, and what it imports of ``uhn`` at its top, by names within it."""

    form: str
    imports: tuple[str, ...]


_known: dict[str, Code] = {}
"""By its text, every module that this process has read: the digests of many packages and runs share it."""


def read_code(path: Path) -> Code:
    """Parse a module, or take what was parsed of the same text before, by this process or another."""
    text = path.read_text(encoding="utf-8")
    if text not in _known:
        _known[text] = _parse(text) if sys.dont_write_bytecode else _kept(text, path)
    return _known[text]


def _kept(text: str, path: Path) -> Code:
    """Parse ``text``, or read what is kept beside Python's own file of the compiled module, and keep it there."""
    kept = Path(cache_from_source(str(path))).with_suffix(".code")
    with suppress(OSError, ValueError):  # there is none, or not a whole one
        stamp, content = kept.read_text(encoding="ascii").split("\n")
        if stamp == _stamp(text, content):
            form, imports = json.loads(content)
            return Code(form, tuple(imports))
    code, part = _parse(text), kept.with_suffix(f".{os.getpid()}")
    content = json.dumps(code)
    try:
        kept.parent.mkdir(exist_ok=True)
        part.write_text(f"{_stamp(text, content)}\n{content}", encoding="ascii")
        part.replace(kept)
    except OSError:  # then Python keeps nothing there either
        with suppress(OSError):
            part.unlink()
    return code


def _stamp(text: str, content: str) -> str:
    """What ``content`` has if it is whole, and what the present code parsed of ``text``."""
    return hashlib.sha256("\0".join((_own(), text, content)).encode()).hexdigest()


@cache
def _own() -> str:
    return Path(__file__).read_text(encoding="utf-8")


def _parse(text: str) -> Code:
    tree = ast.parse(text)
    found = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    imports = (name.removeprefix("uhn.") for name in found if name.startswith("uhn."))
    return Code(canonical(tree), tuple(sorted({*imports})))


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
    if isinstance(node, str):
        return repr(node) if node.isascii() or not _is_young(node) else ascii(node)
    if isinstance(node, list):
        return f"[{', '.join(map(canonical, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name in node._fields:
        value: Any = getattr(node, name, None)
        if value is None:
            if name != "value" or not isinstance(node, ast.Constant | ast.MatchSingleton):
                continue
        elif name == "body" and isinstance(value, list):
            value = [part for part in value if not _is_text(part)]
        elif name == "values" and isinstance(node, ast.JoinedStr):
            value = [part for part in value if not _is_empty(part)]
        elif name in NEWER and not value:
            continue
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
