"""Files appear whole or not at all: temp file in the same folder, fsync, rename."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from uhn.locks import locked, try_lock

PART = ".part"
"""How the names of temp files end."""


Content = bytes | str | Iterable[bytes]
"""What a file is to hold, whole or piece by piece."""


def write_atomically(path: Path, content: Content) -> None:
    """Write ``content`` to ``path``; a crash at any moment leaves the old file or the new one.

    So does an error that ``content`` raises between its pieces or after the last.

    A new file has the mode that the umask gives it, an old one keeps its own. Of a symbolic link the target is
    written; a device or a pipe is written into.

    Raises:
        OSError: naming the file, if the folder cannot be written or the disk is full; no temp file is left.
    """
    write_together({path: content})


def write_together(contents: Mapping[Path, Content]) -> None:
    """Write several files as :func:`write_atomically` does; none changes before all of them are on the disk.

    They get their names in the given order: whoever sees the last one new sees all of them new.
    """
    path = Path()
    try:
        with ExitStack() as stack:
            ready: dict[Path, Path] = {}
            for path, content in contents.items():
                whole = content.encode() if isinstance(content, str) else content
                data = [whole] if isinstance(whole, bytes) else whole
                if (target := _ordinary(path)) is None:
                    _write_into(path, data)
                else:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    ready[target] = stack.enter_context(_prepared(target, data))
            for path, temporary in ready.items():
                os.replace(temporary, path)
                _sync(path.parent)
        for path in ready:
            remove_leftovers(path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def _prepared(path: Path, data: Iterable[bytes]) -> Iterator[Path]:
    """``data`` on the disk in a temp file beside ``path``, locked as a sign that its writer lives."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
    try:
        with locked(temporary) as handle:
            assert handle is not None
            with os.fdopen(os.dup(handle), "wb") as file:
                for piece in data:
                    file.write(piece)
                file.flush()
                with suppress(FileNotFoundError):
                    os.fchmod(handle, stat.S_IMODE(path.stat().st_mode))
                os.fsync(handle)
            yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _ordinary(path: Path) -> Path | None:
    """The file that takes the place of ``path``: of a link, its target. None for what can only be written into.

    Raises:
        OSError: for what holds no file (a folder, a disk), or a link that leads nowhere.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    if stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
        kind = "folder" if stat.S_ISDIR(mode) else "disk"
        raise OSError(errno.EISDIR, f"wanted a file, got a {kind}")
    while path.is_symlink():
        if path.parent.resolve().is_relative_to("/proc"):  # /dev/stdout: a descriptor, not the name of a file
            return None
        path = path.parent / path.readlink()
    return path if stat.S_ISREG(mode) else None


def _write_into(path: Path, data: Iterable[bytes]) -> None:
    """Append to a device, a pipe or a descriptor; a pipe that nobody reads is an error, not a wait."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    os.set_blocking(handle, True)
    with os.fdopen(handle, "wb") as file:
        for piece in data:
            file.write(piece)


def _sync(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(path: Path) -> None:
    """Remove temp files that killed processes left beside ``path``; those of living ones are locked."""
    for name in os.listdir(path.parent) if path.parent.is_dir() else ():
        if re.fullmatch(rf"\.{re.escape(path.name)}\.\w+{re.escape(PART)}", name):
            with suppress(OSError):  # gone meanwhile, or somebody else's
                handle = os.open(path.with_name(name), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    if try_lock(handle):
                        os.unlink(path.with_name(name))
                finally:
                    os.close(handle)
