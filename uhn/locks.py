"""Locks between processes that a killed process cannot leave behind."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, *, wait: bool = True, shared: bool = False) -> Iterator[int | None]:
    """Hold the file ``path`` (made if missing) open and locked; the system frees it when the process ends.

    Whoever has it may remove or rename the file: the next one gets a lock on a file of its own. On a file system
    without locks everybody gets it.

    Args:
        path: in a folder that exists.
        wait: whether to wait while another process has it.
        shared: hold it together with others that hold it so.

    Yields:
        The file's descriptor, None if another process has it.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            free = try_lock(handle, wait=wait, shared=shared)
            if free is False or _is(path, handle):
                yield None if free is False else handle
                return
        finally:
            os.close(handle)


def try_lock(handle: int, *, wait: bool = False, shared: bool = False) -> bool | None:
    """Lock an open file; return False if another process has it, None where the file system has no locks."""
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK):
            raise
        return None
    return True


def _is(path: Path, handle: int) -> bool:
    """Whether ``path`` is the file that is open as ``handle``."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
