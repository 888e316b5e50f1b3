"""What a raw file must be: its checksum, how it is checked, where it is found, and what is raised when it differs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Status = Literal["ok", "missing", "changed"]
Packing = Literal["plain", "gzip", "xz", "tar", "joined"]

MB: Final = 1 << 20

MIRROR_VARIABLE = "UHN_DATA_MIRROR"
"""Environment variable naming a mirror: a folder or an http(s) address."""

CHUNK = 1 << 20
"""Bytes handled at a time."""


def brief(said: object, most: int = 160) -> str:
    """Return what somebody else said in one printable line of at most ``most`` characters."""
    line = "".join(c if c.isprintable() else " " for c in str(said)[: 4 * most])
    line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


class DataError(RuntimeError):
    """A dataset could not be obtained, is damaged, or holds what it must not."""


class ChecksumError(DataError):
    """Content does not have the SHA-256 (or MD5) that its declaration gives."""


class UnavailableError(DataError):
    """A dataset is not on this machine and no place has it; ``tried`` holds one line per place."""

    def __init__(self, name: str, what: str, tried: Sequence[str], mirror: str | None = None) -> None:
        self.dataset, self.what, self.tried, self.mirror = name, what, tuple(tried), mirror
        places = "".join(f"\n  - {line}" for line in tried) or "\n  - (no place is known)"
        said = f"dataset {name!r}: {what} could not be obtained. Places tried:{places}\nCure: {cure([name], mirror)}"
        super().__init__(said)

    def __reduce__(self) -> tuple[type, tuple[str, str, tuple[str, ...], str | None]]:
        return type(self), (self.dataset, self.what, self.tried, self.mirror)


def cure(names: Sequence[str], mirror: str | None = None) -> str:
    """What a user can do where datasets are unavailable; ``mirror`` is the one that did not have them."""
    now = f" (it is {mirror}; nothing stands in for what it lacks)" if mirror else ""
    return (
        f"set {MIRROR_VARIABLE}{now} to a folder or an address that has the files, or run "
        f"`uhn data fetch {' '.join(names)}` where there is a network."
    )


@dataclass(frozen=True)
class File:
    """One unpacked file of a dataset.

    Args:
        path: place below the data root, with forward slashes.
        digest: hex digest of the content after unpacking.
        size: exact number of bytes, or None where it is not known (then ``limit`` bounds it).
        algorithm: ``"sha256"``; ``"md5"`` only where nothing but an official MD5 is known.
        limit: upper bound in bytes for files of unknown size.
    """

    path: str
    digest: str
    size: int | None = None
    algorithm: Literal["sha256", "md5"] = "sha256"
    limit: int = 1 << 28

    @property
    def max_bytes(self) -> int:
        """Most bytes that unpacking may write."""
        return self.limit if self.size is None else self.size

    def hasher(self) -> hashlib._Hash:
        """Return a fresh hash object of the kind of the checksum."""
        return hashlib.new(self.algorithm, usedforsecurity=False)

    def digest_of(self, content: bytes) -> str:
        """Return the digest of ``content``."""
        digest = self.hasher()
        digest.update(content)
        return digest.hexdigest()

    def check(self, digest: str, size: int, where: str) -> None:
        """Raise :class:`ChecksumError` unless content of ``size`` bytes with ``digest`` is this file."""
        if self.size is not None and size != self.size:
            raise ChecksumError(f"{where}: wanted {self.size:,} bytes of {self.path}, got {size:,}")
        if digest != self.digest:
            raise ChecksumError(f"{where}: wanted {self.algorithm} {self.digest} of {self.path}, got {digest}")


@dataclass(frozen=True)
class Origin:
    """One place that has one or several files of a dataset.

    Args:
        address: a path below a mirror's root, or an ``https://`` address of the dataset's publisher.
        gives: (path of the file below the data root, name of the member in the archive or ``""``). Of ``"joined"``
            the name is a pattern: all members that match it, by their first group, are one file.
        packing: how the place packs them.
        max_bytes: most bytes that the packed file may have.
    """

    address: str
    gives: tuple[tuple[str, str], ...]
    packing: Packing = "plain"
    max_bytes: int = 512 * MB

    @property
    def official(self) -> bool:
        """True for an address, False for a mirror path."""
        return "://" in self.address


def status(file: File, root: Path) -> Status:
    """Say whether ``file`` lies below ``root`` and has its checksum; reads the whole file."""
    path = root / file.path
    if not path.is_file():
        return "missing"
    if file.size is not None and path.stat().st_size != file.size:
        return "changed"
    digest = file.hasher()
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            digest.update(chunk)
    return "ok" if digest.hexdigest() == file.digest else "changed"


def read_verified(file: File, root: Path) -> bytes:
    """Return the bytes of ``file`` below ``root`` after checking those very bytes against its checksum.

    Raises:
        FileNotFoundError: if the file is not there.
        ChecksumError: if its content differs. A pickle must be loaded from these bytes and from nothing else.
    """
    path = root / file.path
    content = path.read_bytes()
    try:
        file.check(file.digest_of(content), len(content), str(path))
    except ChecksumError as error:
        raise ChecksumError(f"{error}; the file is damaged: delete it or run `uhn data fetch` to replace it") from None
    return content
