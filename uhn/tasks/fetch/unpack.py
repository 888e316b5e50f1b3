"""Safe unpacking: from a packed file to verified files below the data root.

Members are read as streams, bounded and hashed on the way to a temporary file; only one with its checksum is kept.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from uhn.files import write_atomically
from uhn.tasks.fetch.checksums import CHUNK, ChecksumError, DataError, File, Packing
from uhn.tasks.fetch.packed import opened, tar_members


def join(members: Mapping[str, bytes]) -> bytes:
    """Join files, sorted by name: ``name NUL length NUL content`` each. Their checksum is taken over this."""
    return b"".join(b"%s\0%d\0%s" % (name.encode(), len(members[name]), members[name]) for name in sorted(members))


def _joined(path: Path, pattern: str, file: File) -> bytes:
    """The members of an archive that match; given up as soon as they are more than they must be."""
    found: dict[str, bytes] = {}
    left = file.max_bytes
    for name, stream in tar_members(path):
        if match := re.fullmatch(pattern, name):
            found[match[1]] = stream.read(left + 1)
            left -= len(join({match[1]: found[match[1]]}))
            if left < 0:
                raise ChecksumError(f"{path}: wanted at most {file.max_bytes:,} bytes of {file.path}, got more")
    return join(found)


def contents(path: Path, packing: Packing, members: Mapping[str, File]) -> Iterator[tuple[File, IO[bytes]]]:
    """Yield each wanted file of ``path`` with a stream of its unpacked content; ``members`` maps names to files."""
    if packing == "tar":
        yield from ((members[name], stream) for name, stream in tar_members(path) if name in members)
        return
    ((name, file),) = members.items()
    if packing == "joined":
        yield file, io.BytesIO(_joined(path, name, file))
        return
    with opened(path, packing) as stream:
        yield file, stream  # type: ignore[misc]


def unpack(path: Path, packing: Packing, members: Mapping[str, File], root: Path) -> list[File]:
    """Unpack the wanted ``members`` of ``path`` below ``root`` and return those written, each with its checksum.

    Raises:
        ChecksumError: if a member's content is not what it must be.
        DataError: if the file cannot be read, is truncated or corrupt, unsafe, or lacks a member.
        OSError: if a file cannot be written (for example on a full disk). No half-written file stays.
    """
    written = []
    for file, stream in contents(path, packing, members):
        write_atomically(root / file.path, _checked(stream, file, str(path)))
        written.append(file)
        if len(written) == len(members):
            break
    if missing := sorted({file.path for file in members.values()} - {file.path for file in written}):
        raise DataError(f"{path} holds no {', '.join(missing)}")
    return written


def _checked(stream: IO[bytes], file: File, where: str) -> Iterator[bytes]:
    """Pass a file's content on, piece by piece; a :class:`ChecksumError` in the end, or as soon as it is too much."""
    digest, size = file.hasher(), 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if size > file.max_bytes:
            raise ChecksumError(f"{where}: wanted at most {file.max_bytes:,} bytes of {file.path}, got more")
        digest.update(chunk)
        yield chunk
    file.check(digest.hexdigest(), size, where)
