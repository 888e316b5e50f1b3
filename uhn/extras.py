"""What `pip install uhn` does not bring: imported when it is needed, and named with its extra where it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def needed(module: str, extra: str, what: str) -> Any:
    """Import an optional module.

    Args:
        module: its name.
        extra: the extra of this package that brings it.
        what: what needs it, for the error.

    Raises:
        ModuleNotFoundError: saying which extra to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        words = f"{what} needs {top}, which is not installed: pip install 'uhn[{extra}]'"
        raise ModuleNotFoundError(words, name=top) from None
