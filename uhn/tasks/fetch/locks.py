"""One process at a time where several would write the same files below a data root."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from uhn import locks
from uhn.tasks.fetch.checksums import DataError

log = logging.getLogger("uhn.data")


@contextmanager
def locked(root: Path, name: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock ``name`` below ``root``, if need be once another process is done with it.

    Yields:
        Whether it is held; always, unless ``wait`` is False.

    Raises:
        DataError: if ``root`` cannot be written.
    """
    path = root / ".locks" / f"{name}.lock"
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            free = stack.enter_context(locks.locked(path, wait=False)) is not None
            if wait and not free:
                log.info("waiting for another process that has %s", path)
                free = stack.enter_context(locks.locked(path)) is not None
        except OSError as error:
            raise DataError(f"cannot write below {root}: {error}") from error
        yield free
