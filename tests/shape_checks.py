"""The checker that the tests put on every function of the packages of tensors: an int may stand for a float."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_check = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check calls of ``function``, but not constructors: settings check themselves, and tests see how."""
    return function if function.__name__ == "__init__" else _check(function)
