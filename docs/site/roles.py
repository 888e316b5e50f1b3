"""Docstrings name things as Sphinx does, ``:class:`X```; on the site they are code."""

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
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
