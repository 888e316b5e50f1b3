"""Results that lie elsewhere, put into a results folder: an archive of ``uhn archive``, a folder, an object store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from uhn.extras import needed
from uhn.files import write_atomically, write_together
from uhn.paper.names import RunId
from uhn.paper.report.crate import METADATA, MOST_BYTES, MOST_FILES, WEIGHTS, read_metadata
from uhn.paper.runs.archive import HISTORIES, HISTORY, RECORDS, RUN_FILES, Files, read_archive
from uhn.paper.runs.jobs import result_files
from uhn.paper.runs.metrics import checked
from uhn.records import RECORD, check_file, digest, parse_record

MEASURED = ("facts/", "model-sets/", "sweeps/")
"""What else is brought: what was measured or chosen, but not what a step costs on the machine that made it."""


class Elsewhere:
    """A place that is only read: a folder, a zip, ``s3://bucket/path``, or a zip there.

    Args:
        address: a path, or an address as fsspec knows them; a zip by its ending.

    Raises:
        ValueError: for an address of no known kind, and for more than an archive may hold.
        OSError: where it cannot be reached, or nothing is there.
        ModuleNotFoundError: naming the extra that brings what reads it.
    """

    def __init__(self, address: str) -> None:
        core = needed("fsspec.core", "paper", "uhn restore")
        self.address = address
        with self._told():
            self.system, root = core.url_to_fs(f"zip://::{address}" if address.endswith(".zip") else address)
            found = self.system.find(root, detail=True)
        if not found:
            raise FileNotFoundError(f"{address}: wanted results, got no files there")
        if len(found) > MOST_FILES or sum(int(each["size"] or 0) for each in found.values()) > MOST_BYTES:
            raise ValueError(f"{address}: wanted at most {MOST_FILES:,} files and {MOST_BYTES >> 30} GiB, got more")
        self.paths = {path.removeprefix(root).lstrip("/"): path for path in found}
        self.sums: dict[str, str] = {}
        if METADATA in self.paths:
            listed, *_ = read_metadata(self.read([METADATA])[0], address)
            self.sums = {name: str(told.get("sha256")) for name, told in listed.items()}
            if missing := sorted({*listed} - {*self.paths}):
                raise ValueError(f"{address}: {missing[0]} is listed and missing")

    def read(self, names: Sequence[str]) -> list[bytes]:
        """Contents of files, at once where the place allows it; checked where it lists checksums."""
        with self._told():
            found = self.system.cat([self.paths[name] for name in names]) if names else {}
        contents = [bytes(found[self.paths[name]]) for name in names]
        for name, content in zip(names, contents, strict=True):
            if self.sums and digest(content) != self.sums.get(name):
                raise ValueError(f"{self.address}: {name} is not as {METADATA} lists it: its checksum is another")
        return contents

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Have what libraries of stores raise be errors that the command line knows."""
        try:
            yield
        except ImportError:
            words = f"{self.address} needs s3fs, which is not installed: pip install 'uhn[s3]'"
            raise ModuleNotFoundError(words, name="s3fs") from None
        except (OSError, ValueError, MemoryError):
            raise
        except Exception as error:  # botocore's are of no common kind, and name no place
            raise OSError(f"cannot read {self.address}: {error}") from None


@dataclass(frozen=True)
class Brought:
    """What :func:`bring` did: how many runs it wrote, how many were there, and the names of those without weights."""

    written: int
    there: int
    bare: tuple[str, ...]


def bring(place: Elsewhere, profile: str, results: Path) -> Brought:
    """Write the runs of a profile below ``results``, each whole or not at all, and what was measured beside them.

    What is there already, byte for byte, is left alone: a call that was interrupted goes on. Records and files are
    checked as those of a results folder are.

    Args:
        place: an archive, or a results folder, kept or not.
        profile: whose runs.
        results: folder of all profiles.

    Raises:
        ValueError: if it has no run of the profile, another result has the place of one of its runs, or a file was
            altered. Where there are other results, nothing is written.
    """
    runs = _runs(place, profile)
    if not runs:
        found = sorted({name.split("/")[0] for name in place.paths if name.endswith((f"/{RECORDS}", f"/{RECORD}"))})
        raise ValueError(f"{place.address}: wanted runs of the profile {profile}, got {', '.join(found) or 'none'}")
    folder = results / profile
    names = [name for name in sorted(place.paths) if name.startswith(tuple(f"{profile}/{part}" for part in MEASURED))]
    measured = {results / name: content for name, content in zip(names, place.read(names), strict=True)}
    wanted = {folder / "runs" / name / RECORD: files[RECORD] for name, files in runs.items()} | measured
    other = [path for path, content in wanted.items() if path.is_file() and path.read_bytes() != content]
    if other:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        raise ValueError(
            f"wanted nothing else in the place of what {place.address} holds, got another {other[0]}{more}; "
            "nothing was written: remove what is there, or name another folder with --results"
        )
    written, bare = 0, []
    for name, files in runs.items():
        weights = _weights_of(place, profile, name)
        if weights is None and not RunId.parse(name).trial:
            bare.append(name)
        written += _write(place, folder / "runs" / name, files, weights)
    for path, content in measured.items():
        if not path.is_file():
            write_atomically(path, content)
    return Brought(written, len(runs) - written, tuple(bare))


def _write(place: Elsewhere, folder: Path, files: Files, weights: str | None) -> bool:
    """Write a run, the record last, unless all of it is there."""
    record = parse_record(files[RECORD], folder / RECORD)
    if (folder / RECORD).is_file() and (weights is None or _as_named(record, folder / Path(weights).name)):
        return False
    found = {folder / name: content for name, content in files.items() if name != RECORD}
    if weights is not None:
        found[folder / Path(weights).name] = place.read([weights])[0]
    for path, content in found.items():
        check_file(record, path, content)
    write_together(found | {folder / RECORD: files[RECORD]})
    return True


def _as_named(record: Mapping[str, object], path: Path) -> bool:
    try:
        check_file(record, path, path.read_bytes())
    except (ValueError, FileNotFoundError):
        return False
    return True


def _weights_of(place: Elsewhere, profile: str, name: str) -> str | None:
    file = result_files(name)[0]
    return next(
        (path for path in (f"{profile}/runs/{name}/{file}", f"{WEIGHTS}/{name}/{file}") if path in place.paths), None
    )


def _runs(place: Elsewhere, profile: str) -> dict[str, Files]:
    """The small files of its runs by name: from folders of their own, and from an archive's two files."""
    found: dict[str, Files] = {}
    kept = [name for name in (f"{profile}/{RECORDS}", f"{profile}/{HISTORIES}") if name in place.paths]
    with TemporaryDirectory(prefix="uhn-restore-") as folder:
        for name, content in zip(kept, place.read(kept), strict=True):
            write_atomically(Path(folder) / name, content)
        found |= read_archive(Path(folder) / profile)
    start = f"{profile}/runs/"
    small = [name for name in place.paths if name.startswith(start) and Path(name).name in RUN_FILES]
    for path, content in zip(small, place.read(small), strict=True):
        name, _, file = path.removeprefix(start).rpartition("/")
        found[name] = {**found.get(name, {}), file: content}
    whole = {name: files for name, files in sorted(found.items()) if RECORD in files}
    for name, files in whole.items():
        path = Path(f"{place.address}/{start}{name}/{RECORD}")
        record = checked(parse_record(files[RECORD], path), path)
        if record["name"] != str(RunId.parse(name)):
            raise ValueError(f"{path}: holds the run {record['name']!r}, but stands at {name!r}")
        if HISTORY in files:
            check_file(record, path.with_name(HISTORY), files[HISTORY])
    return whole
