"""Safe unpacking: from a packed file to verified files below the data root.

Nothing is extracted by name: members are read as streams, checked, written to a temporary file, hashed on the way,
and only a file with its pin is renamed into place. A link, a device or a member that points outside is an error.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from uhn.data.pins import CHUNK, DataError, File, PinError

Packing = Literal["plain", "gzip", "xz", "tar", "reviews"]

MAX_ARCHIVE_BYTES = 1 << 30
"""Most bytes that an archive may unpack to, wanted or not."""

REVIEW = re.compile(r"aclImdb/((?:train|test)/(?:pos|neg)/[0-9]+_[0-9]+\.txt)")
"""Members of the IMDB archive that are labelled reviews."""


class UnsafeArchiveError(DataError):
    """An archive holds a link, a device, an escaping or absolute member, or unpacks to too much."""


class Limited(io.RawIOBase):
    """A readable stream that refuses to give more than ``limit`` bytes."""

    def __init__(self, stream: IO[bytes], limit: int, where: str) -> None:
        self.stream, self.left, self.limit, self.where = stream, limit, limit, where

    def readable(self) -> bool:
        """True, as :mod:`io` asks."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes."""
        data = self.stream.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise UnsafeArchiveError(f"{self.where} unpacks to more than {self.limit:,} bytes")
        return data


def opened(path: Path) -> IO[bytes]:
    """Open a plain, gzip or xz file for reading by its first bytes."""
    with path.open("rb") as handle:
        head = handle.read(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return lzma.open(path, "rb") if head == b"\xfd7zXZ\x00" else path.open("rb")


def tar_members(path: Path, limit: int = MAX_ARCHIVE_BYTES) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield (name, stream) of the regular files in a tar archive, packed or not.

    Raises:
        UnsafeArchiveError: at a member that is a link, a device or points outside, and beyond ``limit`` bytes.
    """
    with opened(path) as raw, tarfile.open(fileobj=Limited(raw, limit, str(path)), mode="r|") as archive:
        for member in archive:
            parts = PurePosixPath(member.name).parts
            if member.name.startswith(("/", "\\")) or ".." in parts or "\\" in member.name or ":" in member.name:
                raise UnsafeArchiveError(f"{path}: member {member.name!r} points outside the archive's folder")
            if not (member.isfile() or member.isdir()):
                raise UnsafeArchiveError(
                    f"{path}: member {member.name!r} is a link or a device; only files are allowed"
                )
            if member.isfile() and (stream := archive.extractfile(member)) is not None:
                yield str(PurePosixPath(member.name)), stream


def pack_reviews(reviews: Mapping[str, bytes]) -> bytes:
    """Join reviews, sorted by name: ``name NUL length NUL content`` each. The IMDB pin is taken over this."""
    return b"".join(b"%s\0%d\0%s" % (name.encode(), len(reviews[name]), reviews[name]) for name in sorted(reviews))


def contents(path: Path, packing: Packing, members: Mapping[str, File]) -> Iterator[tuple[File, IO[bytes]]]:
    """Yield each wanted file of ``path`` with a stream of its unpacked content; ``members`` maps names to files."""
    if packing == "tar":
        yield from ((members[name], stream) for name, stream in tar_members(path) if name in members)
        return
    (file,) = members.values()
    if packing == "reviews":
        found = {match[1]: stream.read() for name, stream in tar_members(path) if (match := REVIEW.fullmatch(name))}
        yield file, io.BytesIO(pack_reviews(found))
        return
    with {"plain": Path.open, "gzip": gzip.open, "xz": lzma.open}[packing](path, "rb") as stream:  # type: ignore[operator]
        yield file, stream


def unpack(path: Path, packing: Packing, members: Mapping[str, File], root: Path) -> list[File]:
    """Unpack the wanted ``members`` of ``path`` below ``root`` and return those written, each with its pin.

    Raises:
        PinError: if a member's content is not what is pinned.
        DataError: if the file is truncated or corrupt, unsafe, or lacks a member.
        OSError: if a file cannot be written (for example on a full disk). No half-written file stays.
    """
    written = []
    try:
        for file, stream in contents(path, packing, members):
            store(stream, file, root, str(path))
            written.append(file)
            if len(written) == len(members):
                break
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{path} is truncated or corrupt: {error or type(error).__name__}") from None
    if missing := sorted({file.path for file in members.values()} - {file.path for file in written}):
        raise DataError(f"{path} holds no {', '.join(missing)}")
    return written


def store(stream: IO[bytes], file: File, root: Path, where: str) -> None:
    """Write ``stream`` to its place below ``root``: temporary file, pin, fsync, rename."""
    target = root / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        digest, size = file.hasher(), 0
        with os.fdopen(descriptor, "wb") as out:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > file.max_bytes:
                    raise PinError(f"{where}: wanted at most {file.max_bytes:,} bytes of {file.path}, got more")
                digest.update(chunk)
                write(out, chunk)
            out.flush()
            os.fsync(out.fileno())
        file.check(digest.hexdigest(), size, where)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def write(out: IO[bytes], chunk: bytes) -> None:
    """Write one chunk (a function of its own so that tests can fill the disk)."""
    out.write(chunk)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
