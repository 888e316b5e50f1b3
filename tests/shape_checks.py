"""How the tests check the types and shapes of every function of the packages of tensors, at a cost that they can bear.

Checking all made a training step four times as long: a function within another was compiled anew whenever that one was
called. It is checked where it is first made in a test, and any other for one call of every kind per test: other shapes
or types of tensors, other numbers, other objects make another kind. Where no tensor is declared, types and texts do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype
from torch import Tensor

_types = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int may stand for a float
_jaxtyped = jaxtyping.jaxtyped

SEEN: set[Any] = set()
"""What was checked in this test: functions with the kinds of their calls, and the code of functions within others."""


check = _types
"""What the import hook names as the checker of types."""


def jaxtyped(*, typechecker: Any) -> Callable[[Any], Any]:
    """Stand in for the decorator that the import hook of jaxtyping puts on every function and class."""

    def decorate(checked: Any) -> Any:
        if isinstance(checked, type) or checked.__name__ == "__init__":
            return checked  # no constructor: settings check themselves, and tests see how
        if "<locals>" in checked.__qualname__:
            if checked.__code__ in SEEN:
                return checked
            SEEN.add(checked.__code__)
        return _sparingly(checked, typechecker)

    return decorate


def _sparingly(plain: Callable[..., Any], typechecker: Any) -> Callable[..., Any]:
    checked: Callable[..., Any] | None = None  # made at the first call: most functions of a module see none
    kind_of = _whole_kind if "Tensor" in str(plain.__annotations__) else _type

    @functools.wraps(plain)
    def call(*args: Any, **keywords: Any) -> Any:
        nonlocal checked
        kind = (plain, *map(kind_of, args), *((name, kind_of(value)) for name, value in keywords.items()))
        if kind in SEEN:
            return plain(*args, **keywords)
        checked = checked or _jaxtyped(plain, typechecker=typechecker)
        result = checked(*args, **keywords)
        SEEN.add(kind)
        return result

    return call


def _whole_kind(value: Any) -> Any:
    match value:
        case Tensor():
            return value.shape, value.dtype
        case tuple() | list():
            return type(value), *map(_whole_kind, value)
        case dict():
            return dict, *((key, _whole_kind(each)) for key, each in value.items())
        case int() | str() | None:
            return type(value), value
        case float():
            return float
    return type(value), id(value)


def _type(value: Any) -> Any:
    match value:
        case tuple() | list():
            return type(value), frozenset(map(type, value))
        case dict():
            return dict, frozenset(map(type, value)), frozenset(map(type, value.values()))
        case str():
            return value  # it may have to be one of several
    return type(value)
