"""Reading packed files that somebody else made: plain, gzip, xz and tar, as streams, nothing extracted by name.

What such a file may cost is bounded (the bytes it unpacks to, its members and their headers, the memory of its
decoder), and every way in which it can fail is a :class:`~uhn.tasks.fetch.checksums.DataError`.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from uhn.tasks.fetch.checksums import CHUNK, DataError, Packing, brief

MAX_ARCHIVE_BYTES = 1 << 30
"""Most bytes that an archive may unpack to, wanted or not."""

MAX_MEMBERS = 250_000
"""Most members of an archive (IMDB's has 100,000)."""

MAX_HEADER_BYTES = 1 << 20
"""Most bytes that the headers of one member may have."""

XZ_MEMORY = 128 << 20
"""Most bytes of memory that an xz file may ask for; ``xz -9`` takes 65 MiB."""


class UnsafeArchiveError(DataError):
    """An archive holds a link, a device, a hole, an escaping or absolute member, or unpacks to too much."""


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn whatever reading ``where`` raises into a :class:`DataError`; nobody has the list of what decoders raise."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        if error.errno is None:  # a decoder's own
            raise DataError(f"{where} is truncated or corrupt: {brief(error)}") from None
        raise DataError(f"{where}: {error.strerror}") from None
    except Exception as error:
        raise DataError(f"{where} is truncated or corrupt: {brief(error) or type(error).__name__}") from None


class Limited(io.RawIOBase):
    """A readable stream that refuses to give more than ``limit`` bytes, and fails by :func:`reading` alone."""

    def __init__(self, stream: IO[bytes], limit: int, where: str) -> None:
        self.stream, self.limit, self.where, self.left = stream, limit, where, limit
        self.burst: int | None = None  # most bytes that may be read before it is set again

    def readable(self) -> bool:
        """True, as :mod:`io` asks."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes."""
        most = self.left if self.burst is None else min(self.left, self.burst)
        with reading(self.where):
            data = self.stream.read(min(size, most + 1) if size >= 0 else most + 1)
        if len(data) > most:
            what = f"unpacks to more than {self.limit:,} bytes" if most == self.left else "has a header without end"
            raise UnsafeArchiveError(f"{self.where} {what}")
        self.left -= len(data)
        if self.burst is not None:
            self.burst -= len(data)
        return data


class _Xz(io.RawIOBase):
    """An xz file, decoded within :data:`XZ_MEMORY` (which ``lzma.open`` cannot be told)."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw, self.decoder = raw, self._fresh()

    @staticmethod
    def _fresh() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes (at most :data:`CHUNK`), none at the end."""
        size = CHUNK if size < 0 else min(size, CHUNK)
        while True:
            packed = b""
            if self.decoder.eof:  # another stream may follow, after zeros
                packed = (self.decoder.unused_data or self.raw.read(CHUNK)).lstrip(b"\0")
                if not packed:
                    return b""
                self.decoder = self._fresh()
            elif self.decoder.needs_input and not (packed := self.raw.read(CHUNK)):
                raise EOFError
            if data := self.decoder.decompress(packed, size):
                return data


@contextmanager
def opened(path: Path, packing: Packing) -> Iterator[Limited]:
    """Open a plain, gzip or xz file, for an archive by its first bytes; every error of reading is a DataError."""
    where = str(path)
    with reading(where):
        if path.exists() and not path.is_file():
            raise DataError(f"{where}: wanted a file, got something else")
        file = path.open("rb")
    with file:
        with reading(where):
            head = file.read(6)
            file.seek(0)
        found = "xz" if head == b"\xfd7zXZ\0" else "gzip" if head.startswith(b"\x1f\x8b") else "plain"
        kind = found if packing in ("tar", "joined") else packing
        stream = _Xz(file) if kind == "xz" else gzip.GzipFile(fileobj=file) if kind == "gzip" else file
        yield Limited(stream, MAX_ARCHIVE_BYTES, where)  # type: ignore[arg-type]


def tar_members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield (name, stream) of the regular files in a tar archive, packed or not.

    Raises:
        UnsafeArchiveError: at a member that is a link, a device, sparse or points outside, and beyond the bounds above.
    """
    where = str(path)
    with opened(path, "tar") as raw:
        raw.burst = MAX_HEADER_BYTES
        with reading(where):
            archive = tarfile.open(fileobj=raw, mode="r|")  # noqa: SIM115
        for _ in range(MAX_MEMBERS):
            with reading(where):
                member = archive.next()
            if member is None:
                return
            archive.members = []  # type: ignore[attr-defined]  # kept for random access, a kilobyte each
            archive.pax_headers = {}
            raw.burst = None
            if (stream := _checked(archive, member, where)) is not None:
                yield str(PurePosixPath(member.name)), stream
                while stream.read(CHUNK):
                    pass
            raw.burst = MAX_HEADER_BYTES
        raise UnsafeArchiveError(f"{where} has more than {MAX_MEMBERS:,} members")


def _checked(archive: tarfile.TarFile, member: tarfile.TarInfo, where: str) -> IO[bytes] | None:
    """The content of a regular file, None for a folder."""
    name = brief(repr(member.name))
    parts = PurePosixPath(member.name).parts
    if member.name.startswith(("/", "\\")) or ".." in parts or "\\" in member.name or ":" in member.name:
        raise UnsafeArchiveError(f"{where}: member {name} points outside the archive's folder")
    if member.issparse() or not (member.isfile() or member.isdir()):
        raise UnsafeArchiveError(f"{where}: member {name} is a link or a device or has holes; only files are allowed")
    if member.isdir():
        return None
    with reading(where):
        stream = archive.extractfile(member)
    return None if stream is None else Limited(stream, member.size, where)  # type: ignore[return-value]
