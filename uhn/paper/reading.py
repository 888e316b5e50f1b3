"""Reading settings: YAML without duplicate keys and within bounds, and what is wrong said in one line."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from yaml.composer import Composer

WORDS = {"greater_than": "> {gt}", "greater_than_equal": ">= {ge}", "less_than": "< {lt}", "less_than_equal": "<= {le}"}
KINDS = {"int": "a whole number", "float": "a number", "string": "a text", "bool": "true or false", "dict": "a mapping"}

BYTES, DEPTH, NODES = 400_000, 32, 50_000
"""The most that a settings file may have: bytes, values within values, and values once aliases are written out."""

MOST = f"wanted at most {NODES:,} values, {DEPTH} within one another, with aliases written out; got more"


class ConfigError(ValueError):
    """params.yaml, a profile or a name is wrong; the message says where, what was wanted and what was got."""


def read_settings(path: Path | str) -> str:
    """Return the text of a settings file. Raises :class:`ConfigError` if it cannot be read or is too large."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(BYTES + 1)  # the path may be a device that never ends
        if len(content) > BYTES:
            raise ConfigError(f"{path}: wanted at most {BYTES:,} bytes, got more")
        return content.decode("utf-8")
    except FileNotFoundError as error:
        where = "; it stands in a clone of the repository" if Path(path).name == "params.yaml" else ""
        raise ConfigError(f"{path}: wanted a readable file, got: {error.strerror}{where}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: wanted a readable file, got: {error}") from None


def read_yaml(text: str) -> Any:
    """Return what ``text`` holds. Raises :class:`ConfigError` for what is no YAML, or out of bounds."""
    try:
        return yaml.load(text, Loader=UniqueKeys)
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:  # all but the first from tags
        raise ConfigError(f"wanted YAML, got: {' '.join(str(error).split())[:300]}") from None


Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, which takes a fifth of the time, if PyYAML was built with it."""


class UniqueKeys(Parser, Composer):
    """YAML without duplicate keys, without keys that are no single value, and within the bounds above.

    libyaml would compose nodes too, and as deep as they go.
    """

    depth = count = 0

    def __init__(self, stream: str) -> None:
        Parser.__init__(self, stream)
        self.anchors: dict[str, yaml.Node] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.depth == DEPTH or self.count == NODES:
            raise ConfigError(f"line {self.peek_event().start_mark.line + 1}: {MOST}")
        self.depth, self.count = self.depth + 1, self.count + 1
        node = Composer.compose_node(self, parent, index)
        self.depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node = Composer.get_single_node(self)
        values, depth = (0, 0) if node is None else _extent(node, {})
        if values > NODES or depth > DEPTH:
            raise ConfigError(MOST)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(f"line {line}: wanted a single value as key, got a {key_node.id}")
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise ConfigError(
                    f"line {line}: wanted every key once, got {shown(key)} again (first in line {seen[key]})"
                )
            seen[key] = line
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found


def _extent(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Number of values in ``node``, those of an alias each time it stands there, and how deep they go."""
    if isinstance(node, yaml.ScalarNode):
        return 1, 1
    if id(node) not in known:
        known[id(node)] = NODES + 1, DEPTH + 1  # what it counts for inside itself
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        found = [_extent(part, known) for part in parts]
        known[id(node)] = 1 + sum(values for values, _ in found), 1 + max((depth for _, depth in found), default=0)
    return known[id(node)]


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 120, 120
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = 4


def shown(value: object) -> str:
    """Return ``value`` as an error shows it, cut where it is long."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # a whole number with too many digits for Python to write
        return "a number of thousands of digits"


def _path(parts: Iterable[Any]) -> str:
    told = (str(part) for part in parts)
    kept = [part for part in told if not part.startswith(("function-", "literal[", "tuple[", "[key]"))]
    return ".".join(part if part.isprintable() and len(part) <= 120 else shown(part) for part in kept)


def _say(error: Any) -> str:
    """One pydantic error as ``path: wanted …, got …``."""
    kind, context, got = error["type"], error.get("ctx", {}), shown(error["input"])
    path = _path(error["loc"])
    if kind == "extra_forbidden":
        return f"{path}: unknown key"
    if kind == "missing":
        return f"{path}: wanted a value, got none"
    if kind == "value_error":
        return f"{path}: {context['error']}" if path else str(context["error"])
    if kind in WORDS:
        return f"{path}: wanted {WORDS[kind].format(**context)}, got {got}"
    if kind == "literal_error":
        return f"{path}: wanted {context['expected']}, got {got}"
    if kind.endswith("_type") and kind[:-5] in KINDS:
        return f"{path}: wanted {KINDS[kind[:-5]]}, got {got}"
    return f"{path}: {error['msg'][0].lower()}{error['msg'][1:]}, got {got}"


def explain(error: ValidationError, keys: Iterable[str] = ()) -> str:
    """Return what is wrong, the first finding in full, with the number of the others.

    Args:
        error: pydantic's.
        keys: those that there are, of which the nearest is named to one that is unknown.
    """
    found = error.errors(include_url=False)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    unknown = found[0]["type"] == "extra_forbidden"
    close = difflib.get_close_matches(str(found[0]["loc"][-1]), sorted(keys), 1) if unknown else []
    return _say(found[0]) + "".join(f"; did you mean {key}?" for key in close) + more


def near(name: str, known: Iterable[str]) -> str:
    """Return which of ``known`` may have been meant, or else which there are."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1)
    more = f" and {len(names) - 100} more" * (len(names) > 100)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names[:100])}{more}"
