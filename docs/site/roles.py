"""Docstrings name things as Sphinx does, ``:class:`X```, and have one "Example"; the site wants code and "Examples"."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|data|func|meth|mod|attr):`~?([\w.]+)`")


class Roles(griffe.Extension):
    """Replaces the roles in every docstring."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each module, class and function that was read."""
        if obj.docstring:
            text = ROLE.sub(r"`\1`", obj.docstring.value)
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.M)
