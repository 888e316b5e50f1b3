"""Fetching and verifying datasets: mirror first, then the official addresses, every file against its checksum."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from uhn.files import remove_leftovers, write_atomically
from uhn.tasks import DATASETS
from uhn.tasks.dataset import Dataset
from uhn.tasks.fetch.checksums import (
    MIRROR_VARIABLE,
    ChecksumError,
    DataError,
    File,
    Origin,
    Status,
    UnavailableError,
    status,
)
from uhn.tasks.fetch.download import download, half_of
from uhn.tasks.fetch.locks import locked
from uhn.tasks.fetch.packed import opened
from uhn.tasks.fetch.unpack import unpack

FORGET_S = 6 * 3600.0
"""For how long :func:`ensure` believes that a dataset is unavailable before it tries again."""

log = logging.getLogger("uhn.data")


def fetchable() -> tuple[str, ...]:
    """Names of the datasets that are read from files."""
    return tuple(name for name, known in DATASETS.items() if known.files)


def known_files(name: str) -> Dataset:
    """Return the dataset called ``name``. Raises ``ValueError`` naming the known ones that are read from files."""
    if name not in (names := fetchable()):
        raise ValueError(f"unknown dataset {name!r}; known: {', '.join(names)}")
    return DATASETS[name]


def verify(name: str, root: Path) -> dict[str, Status]:
    """Return the status of each file of dataset ``name`` below ``root``, reading all of it."""
    return {file.path: status(file, root) for file in known_files(name).files}


def present(name: str, root: Path) -> bool:
    """True if every file of ``name`` lies below ``root`` (content is checked when it is read)."""
    return all((root / file.path).is_file() for file in known_files(name).files)


def mirror_from_environment() -> str | None:
    """The mirror named by ``UHN_DATA_MIRROR``, or None. Raises ``ValueError`` for an address that is not http(s)."""
    return _mirror(os.environ.get(MIRROR_VARIABLE, ""))


def _mirror(named: str | None) -> str | None:
    if named is None:
        return mirror_from_environment()
    mirror = named.strip()
    if "://" in mirror:
        try:
            parts = urllib.parse.urlsplit(mirror)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"{MIRROR_VARIABLE} must be a folder or an http(s) address, got {mirror!r}")
    return mirror or None


def fetch(name: str, root: Path, *, mirror: str | None = None) -> list[Path]:
    """Bring every file of dataset ``name`` below ``root`` and return their paths; good files are left alone.

    A complete dataset may lie in a folder that cannot be written.

    Args:
        mirror: folder or http(s) address laid out by mirror paths, ``""`` for none; default: ``UHN_DATA_MIRROR``.

    Raises:
        ValueError: if the dataset is unknown or the mirror's address is not usable.
        UnavailableError: if no place gives a file with its checksum; the message names every place tried.
        DataError: if the disk is full or a file cannot be written. No half-written file stays.
    """
    known, mirror = known_files(name), _mirror(mirror)
    wanting = [file for file in known.files if status(file, root) != "ok"]
    if wanting:
        with locked(root, known.folder):
            _obtain_all(known, wanting, root, mirror)
            _tidy(known, root)
    elif any(path.exists() for path in (_note(name, root), _downloads(known, root))):
        with suppress(DataError, OSError), locked(root, known.folder, wait=False) as free:
            if free:
                _tidy(known, root)
    return [root / file.path for file in known.files]


def _obtain_all(known: Dataset, wanting: list[File], root: Path, mirror: str | None) -> None:
    for file in wanting:
        remove_leftovers(root / file.path)
    for file in wanting:
        state = status(file, root)  # again: another process may have fetched it, or a place before have given both
        if state == "ok":
            continue
        log.info("%s: %s is %s; fetching it", known.name, file.path, state)
        try:
            _obtain(known, file, root, mirror)
        except UnavailableError as error:
            told = {"mirror": mirror, "when": time.time(), "what": error.what, "tried": error.tried}
            with suppress(OSError):
                write_atomically(_note(known.name, root), json.dumps(told))
            with suppress(OSError):
                _downloads(known, root).rmdir()  # if nothing is half done
            raise


def _tidy(known: Dataset, root: Path) -> None:
    """Remove what earlier processes left of a dataset that is complete now; its lock is held."""
    _note(known.name, root).unlink(missing_ok=True)
    shutil.rmtree(_downloads(known, root), ignore_errors=True)
    for file in known.files:
        remove_leftovers(root / file.path)


def ensure(name: str, root: Path, *, mirror: str | None = None) -> None:
    """As :func:`fetch`, but trust files that are there, and a recent failure against the same mirror.

    Many short processes ask for the same data; on a machine without network only the first of them pays for trying.
    """
    if present(name, root):
        return
    mirror = _mirror(mirror)
    try:
        told = json.loads(_note(name, root).read_text())
        if told["mirror"] == mirror and 0 <= time.time() - told["when"] < FORGET_S:
            raise UnavailableError(name, told["what"], told["tried"], mirror)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    fetch(name, root, mirror=mirror)


def _downloads(known: Dataset, root: Path) -> Path:
    return root / ".downloads" / known.folder


def _note(name: str, root: Path) -> Path:
    return root / ".unavailable" / f"{name}.json"


def _places(origin: Origin, mirror: str | None) -> Iterator[str | Path]:
    if origin.official:
        yield origin.address
    elif mirror:
        yield f"{mirror.rstrip('/')}/{origin.address}" if "://" in mirror else Path(mirror) / origin.address


def _obtain(known: Dataset, file: File, root: Path, mirror: str | None) -> None:
    tried = [] if mirror else [f"no mirror: {MIRROR_VARIABLE} is not set"]
    for origin in known.origins:
        if file.path not in dict(origin.gives):
            continue
        for place in _places(origin, mirror):
            try:
                _take(known, origin, place, root)
                return
            except DataError as error:
                tried.append(str(error) if str(place) in str(error) else f"{place}: {error}")
            except OSError as error:  # what a place says or holds is a DataError, so this is about writing
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise DataError(f"no room for {root / file.path}: {os.strerror(error.errno)}") from error
                raise DataError(f"cannot write below {root}: {error.strerror or error}") from error
    raise UnavailableError(known.name, file.path, tried, mirror)


def _take(known: Dataset, origin: Origin, place: str | Path, root: Path) -> None:
    """Take from one place every file that it gives and that is not already good."""
    files = {file.path: file for file in known.files}
    members = {member: files[path] for path, member in origin.gives if status(files[path], root) != "ok"}
    if isinstance(place, Path):
        _refuse_web_page(place, str(place))
        unpack(place, origin.packing, members, root)
        return
    folder = _downloads(known, root)
    for resumed in (half_of(place, folder).exists(), False):
        packed = download(place, folder, origin.max_bytes)
        try:
            _refuse_web_page(packed, place)
            unpack(packed, origin.packing, members, root)
            return
        except DataError as error:
            if not resumed:  # else the half that lay here may have been the wrong one
                raise type(error)(str(error).replace(str(packed), place)) from None
        finally:
            packed.unlink(missing_ok=True)


def _refuse_web_page(path: Path, where: str) -> None:
    with opened(path, "plain") as stream:
        head = stream.read(256).lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        raise ChecksumError(f"{where}: a web page instead of data")
