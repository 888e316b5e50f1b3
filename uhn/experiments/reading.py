"""Reading settings: YAML without duplicate keys, and what is wrong said in one line."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable
from typing import Any

import yaml
from pydantic import ValidationError

WORDS = {"greater_than": "> {gt}", "greater_than_equal": ">= {ge}", "less_than": "< {lt}", "less_than_equal": "<= {le}"}
KINDS = {"int": "a whole number", "float": "a number", "string": "a text", "bool": "true or false", "dict": "a mapping"}


class ConfigError(ValueError):
    """params.yaml, a profile or a name is wrong; the message says where, what was wanted and what was got."""


class UniqueKeys(yaml.SafeLoader):
    """YAML without duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if key in seen:
                raise ConfigError(f"line {line}: wanted every key once, got {key!r} again (first in line {seen[key]})")
            seen[key] = line
        return super().construct_mapping(node, deep)


def _say(error: Any) -> str:
    """One pydantic error as ``path: wanted …, got …``."""
    kind, context, got = error["type"], error.get("ctx", {}), error["input"]
    path = ".".join(
        str(part) for part in error["loc"] if not str(part).startswith(("function-", "literal[", "tuple[", "[key]"))
    )
    if kind == "extra_forbidden":
        return f"{path}: unknown key"
    if kind == "missing":
        return f"{path}: wanted a value, got none"
    if kind == "value_error":
        return f"{path}: {context['error']}" if path else str(context["error"])
    if kind in WORDS:
        return f"{path}: wanted {WORDS[kind].format(**context)}, got {got!r}"
    if kind == "literal_error":
        return f"{path}: wanted {context['expected']}, got {got!r}"
    if kind.endswith("_type") and kind[:-5] in KINDS:
        return f"{path}: wanted {KINDS[kind[:-5]]}, got {got!r}"
    return f"{path}: {error['msg'][0].lower()}{error['msg'][1:]}, got {got!r}"


def explain(error: ValidationError) -> str:
    """Return what is wrong, the first finding in full, with the number of the others."""
    found = error.errors(include_url=False)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return _say(found[0]) + more


def near(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"
