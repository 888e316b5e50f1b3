"""How the tests check the types and shapes of every function of the packages of tensors, at a cost that they can bear.

Checking all made a training step four times as long: a function within another was compiled anew whenever that one was
called. It is checked where it is first made in a test, and any other for one call of every kind per test: other shapes
or types of tensors, other numbers, other objects make another kind. Of a function that is called with ever other
numbers, the first kinds are enough.
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

SEEN: dict[Any, set[Any]] = {}
"""What was checked in this test: the kinds of calls by function, and the code of functions within others."""

MOST = 100
"""Kinds of calls of a function that are checked per test."""


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the types of ``function``, but not of constructors: settings check themselves, and tests see how."""
    return function if function.__name__ == "__init__" else _types(function)


def jaxtyped(*, typechecker: Any) -> Callable[[Any], Any]:
    """Stand in for the decorator that the import hook of jaxtyping puts on every function and class."""

    def decorate(checked: Any) -> Any:
        if isinstance(checked, type):
            return _jaxtyped(checked, typechecker=typechecker)
        if "<locals>" in checked.__qualname__:
            if checked.__code__ in SEEN:
                return checked
            SEEN[checked.__code__] = set()
        return _sparingly(checked, _jaxtyped(checked, typechecker=typechecker))

    return decorate


def _sparingly(plain: Callable[..., Any], checked: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def call(*args: Any, **keywords: Any) -> Any:
        kinds = SEEN.setdefault(plain, set())
        if len(kinds) >= MOST:
            return plain(*args, **keywords)
        kind = (*map(_kind, args), *((name, _kind(value)) for name, value in keywords.items()))
        if kind in kinds:
            return plain(*args, **keywords)
        result = checked(*args, **keywords)
        kinds.add(kind)
        return result

    return call


def _kind(value: Any) -> Any:
    match value:
        case Tensor():
            return value.shape, value.dtype
        case tuple() | list():
            return type(value), *map(_kind, value)
        case dict():
            return dict, *((key, _kind(each)) for key, each in value.items())
        case int() | str() | None:
            return type(value), value
        case float():
            return float
    return type(value), id(value)
