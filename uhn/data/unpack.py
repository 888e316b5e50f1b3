"""Safe unpacking: from a packed file to verified files below the data root.

Members are read as streams, bounded and hashed on the way to a temporary file; only one with its pin gets its name.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from uhn.data.packed import Packing, opened, tar_members
from uhn.data.pins import CHUNK, DataError, File, PinError
from uhn.files import write_atomically

REVIEW = re.compile(r"aclImdb/((?:train|test)/(?:pos|neg)/[0-9]+_[0-9]+\.txt)")
"""Members of the IMDB archive that are labelled reviews."""


def pack_reviews(reviews: Mapping[str, bytes]) -> bytes:
    """Join reviews, sorted by name: ``name NUL length NUL content`` each. The IMDB pin is taken over this."""
    return b"".join(b"%s\0%d\0%s" % (name.encode(), len(reviews[name]), reviews[name]) for name in sorted(reviews))


def _reviews(path: Path, file: File) -> bytes:
    """The packed reviews of an archive; given up as soon as they are more than are pinned."""
    found: dict[str, bytes] = {}
    left = file.max_bytes
    for name, stream in tar_members(path):
        if match := REVIEW.fullmatch(name):
            found[match[1]] = stream.read(left + 1)
            left -= len(pack_reviews({match[1]: found[match[1]]}))
            if left < 0:
                raise PinError(f"{path}: wanted at most {file.max_bytes:,} bytes of {file.path}, got more")
    return pack_reviews(found)


def contents(path: Path, packing: Packing, members: Mapping[str, File]) -> Iterator[tuple[File, IO[bytes]]]:
    """Yield each wanted file of ``path`` with a stream of its unpacked content; ``members`` maps names to files."""
    if packing == "tar":
        yield from ((members[name], stream) for name, stream in tar_members(path) if name in members)
        return
    (file,) = members.values()
    if packing == "reviews":
        yield file, io.BytesIO(_reviews(path, file))
        return
    with opened(path, packing) as stream:
        yield file, stream  # type: ignore[misc]


def unpack(path: Path, packing: Packing, members: Mapping[str, File], root: Path) -> list[File]:
    """Unpack the wanted ``members`` of ``path`` below ``root`` and return those written, each with its pin.

    Raises:
        PinError: if a member's content is not what is pinned.
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
    """Pass a file's content on, piece by piece; a :class:`PinError` in the end, or as soon as it is too much."""
    digest, size = file.hasher(), 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if size > file.max_bytes:
            raise PinError(f"{where}: wanted at most {file.max_bytes:,} bytes of {file.path}, got more")
        digest.update(chunk)
        yield chunk
    file.check(digest.hexdigest(), size, where)
