"""How the tests check the types and shapes of every function of the packages of tensors, at a cost that they can bear.

Checking all made a training step four times as long: a function within another was compiled anew whenever that one was
called. It is checked where it is first made in a test, and any other for one call of every kind per test: other shapes
or types of tensors, other numbers, other objects make another kind.
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
            SEEN.add(checked.__code__)
        return _sparingly(checked, _jaxtyped(checked, typechecker=typechecker))

    return decorate


def _sparingly(plain: Callable[..., Any], checked: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def call(*args: Any, **keywords: Any) -> Any:
        kind = (plain, *map(_kind, args), *((name, _kind(value)) for name, value in keywords.items()))
        if kind in SEEN:
            return plain(*args, **keywords)
        result = checked(*args, **keywords)
        SEEN.add(kind)
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
