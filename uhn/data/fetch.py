"""Fetching and verifying datasets: mirror first, then the official addresses, every file against its pin."""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from uhn.data.download import DownloadError, download
from uhn.data.entries import ENTRIES, Entry, Source
from uhn.data.pins import DataError, File, PinError, Status, UnavailableError, status
from uhn.data.unpack import unpack
from uhn.files import write_atomically

MIRROR_VARIABLE = "UHN_DATA_MIRROR"
"""Environment variable naming a mirror: a folder or an http(s) address."""

FORGET_S = 6 * 3600.0
"""For how long :func:`ensure` believes that a dataset cannot be had before it tries again."""

LOCK_S = 3600.0
"""For how long a process waits for another one that is fetching the same dataset."""

log = logging.getLogger("uhn.data")


def entries() -> Mapping[str, Entry]:
    """Every dataset that can be fetched, by name."""
    return ENTRIES


def entry_of(name: str) -> Entry:
    """Return the entry called ``name``. Raises ``ValueError`` naming the known ones."""
    if name not in ENTRIES:
        raise ValueError(f"unknown dataset {name!r}; known: {', '.join(ENTRIES)}")
    return ENTRIES[name]


def verify(name: str, root: Path) -> dict[str, Status]:
    """Return the status of each file of dataset ``name`` below ``root``, reading all of it."""
    return {file.path: status(file, root) for file in entry_of(name).files}


def present(name: str, root: Path) -> bool:
    """True if every file of ``name`` lies below ``root`` (content is checked when it is read)."""
    return all((root / file.path).is_file() for file in entry_of(name).files)


def mirror_from_environment() -> str | None:
    """The mirror named by ``UHN_DATA_MIRROR``, or None. Raises ``ValueError`` for an address that is not http(s)."""
    mirror = os.environ.get(MIRROR_VARIABLE, "").strip()
    if "://" in mirror and not mirror.startswith(("http://", "https://")):
        raise ValueError(f"{MIRROR_VARIABLE} must be a folder or an http(s) address, got {mirror!r}")
    return mirror or None


def fetch(name: str, root: Path, *, mirror: str | None = None) -> list[Path]:
    """Bring every file of dataset ``name`` below ``root`` and return their paths; good files are left alone.

    Args:
        mirror: folder or http(s) address laid out by mirror paths, ``""`` for none; default: ``UHN_DATA_MIRROR``.

    Raises:
        ValueError: if the dataset is unknown or the mirror's address is not usable.
        UnavailableError: if no place gives a file with its pin; the message names every place tried.
        DataError: if the disk is full or a file cannot be written. No half-written file stays.
    """
    entry, mirror = entry_of(name), mirror if mirror is not None else mirror_from_environment()
    note = _note(name, root)
    with _locked(name, root):
        for file in entry.files:
            state = status(file, root)
            if state == "ok":
                continue
            log.info("%s: %s is %s; fetching it", name, file.path, state)
            try:
                _obtain(entry, file, root, mirror)
            except UnavailableError as error:
                told = {"mirror": mirror, "when": time.time(), "what": error.what, "tried": error.tried}
                write_atomically(note, json.dumps(told))
                raise
        note.unlink(missing_ok=True)
    return [root / file.path for file in entry.files]


def ensure(name: str, root: Path, *, mirror: str | None = None) -> None:
    """As :func:`fetch`, but trust files that are there, and a recent failure against the same mirror.

    Many short processes ask for the same data; on a machine without network only the first of them pays for trying.
    """
    if present(name, root):
        return
    mirror = mirror if mirror is not None else mirror_from_environment()
    try:
        told = json.loads(_note(name, root).read_text())
        if told["mirror"] == mirror and 0 <= time.time() - told["when"] < FORGET_S:
            raise UnavailableError(name, told["what"], list(told["tried"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    fetch(name, root, mirror=mirror)


@contextmanager
def _locked(name: str, root: Path) -> Iterator[None]:
    """Keep a second process from writing the same files at once; the system drops the lock if the process dies."""
    folder = root / ".locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock", timeout=LOCK_S)
        lock.acquire()
    except Timeout:
        raise DataError(f"another process has held {folder / name}.lock for {LOCK_S:.0f} s; is it stuck?") from None
    except OSError as error:
        raise DataError(f"cannot write below {root}: {error}") from error
    try:
        yield
    finally:
        lock.release()


def _note(name: str, root: Path) -> Path:
    return root / ".unavailable" / f"{name}.json"


def _places(source: Source, mirror: str | None) -> Iterator[str | Path]:
    if source.official:
        yield source.address
    elif mirror:
        yield f"{mirror.rstrip('/')}/{source.address}" if "://" in mirror else Path(mirror) / source.address


def _obtain(entry: Entry, file: File, root: Path, mirror: str | None) -> None:
    tried = [] if mirror else [f"no mirror: {MIRROR_VARIABLE} is not set"]
    for source in entry.sources:
        if file.path not in dict(source.gives):
            continue
        for place in _places(source, mirror):
            try:
                _take(entry, source, place, root)
                return
            except DownloadError as error:
                tried.append(str(error))
            except DataError as error:
                tried.append(str(error) if str(place) in str(error) else f"{place}: {error}")
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise DataError(f"no room for {root / file.path}: {error.strerror}") from error
                if isinstance(place, Path) and error.filename == str(place):
                    tried.append(f"{place}: {error.strerror}")
                else:
                    raise DataError(f"cannot write below {root}: {error}") from error
    raise UnavailableError(entry.name, file.path, tried)


def _take(entry: Entry, source: Source, place: str | Path, root: Path) -> None:
    """Take from one place every file that it gives and that is not already good."""
    files = {file.path: file for file in entry.files}
    members = {member: files[path] for path, member in source.gives if status(files[path], root) != "ok"}
    if isinstance(place, Path):
        _refuse_web_page(place, str(place))
        unpack(place, source.packing, members, root)
        return
    packed = download(place, root / ".downloads", source.max_bytes)
    try:
        _refuse_web_page(packed, place)
        unpack(packed, source.packing, members, root)
    except DataError as error:
        raise type(error)(str(error).replace(str(packed), place)) from None
    finally:
        packed.unlink(missing_ok=True)


def _refuse_web_page(path: Path, where: str) -> None:
    with path.open("rb") as handle:
        head = handle.read(256).lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        raise PinError(f"{where}: a web page instead of data")
