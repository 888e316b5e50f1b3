"""The fault farm: how many cases each of its tests tries, and system calls that fail on purpose.

``make faults N=20`` (the environment variable ``UHN_FAULTS``) tries twenty times as many as the suite does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.half_written import HalfWritten

N = int(os.environ.get("UHN_FAULTS", "1"))
"""How many times as long as in the suite; read here and nowhere else."""


def seeds(short: int) -> range:
    """Seeds of a test's random cases: ``short`` of them in the suite, ``N`` times as many in the long version."""
    return range(short * N)


@contextmanager
def failing(call: str, number: int, error: int | None) -> Iterator[list[int]]:
    """Make the ``number``-th call (from 1) of ``fsync``, ``replace``, ``write``, ``mkdir`` or ``link`` fail.

    Args:
        call: name of the call in ``os``; ``write`` stands for writing to a file that ``os.fdopen`` gave.
        number: which of the calls.
        error: its ``errno``; None only counts.

    Yields:
        A list whose one entry is the number of calls so far.
    """
    count, name = [0], "fdopen" if call == "write" else call
    original = getattr(os, name)

    def strike() -> None:
        count[0] += 1
        if error is not None and count[0] == number:
            raise OSError(error, os.strerror(error))

    def wrapped(*args: Any, **keywords: Any) -> Any:
        if call == "write":
            return HalfWritten(original(*args, **keywords), strike)
        strike()
        return original(*args, **keywords)

    setattr(os, name, wrapped)
    try:
        yield count
    finally:
        setattr(os, name, original)
