"""One archive of a profile's results, for a repository such as Zenodo: a zip that is an RO-Crate 1.1.

It holds what is kept of a profile (records, histories, tables, figures, settings), the code, the versions of the
packages, the licence and, if asked for, the weights; ``ro-crate-metadata.json`` lists every file with its SHA-256.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import mimetypes
import platform
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from uhn.paper.report.reference import keep
from uhn.paper.report.render import PARAMS, open_book, render
from uhn.paper.runs.checkout import ROOT, commit, git, in_words
from uhn.paper.runs.jobs import result_files
from uhn.paper.runs.results import Run, load_runs

METADATA = "ro-crate-metadata.json"
ENVIRONMENT, CODE, WEIGHTS = "environment.txt", "code.zip", "weights"
ABOUT = ("LICENSE", "CITATION.cff", "constraints.txt")
MOST_BYTES, MOST_FILES = 20 * 2**30, 100_000
"""The most that an archive may hold once unpacked."""

DRAWN = (".png", ".svg")
"""Figures: matplotlib's, which another version of it may draw otherwise."""


def write_crate(results: Path, profile: str, params: Path, target: Path, *, weights: bool = False) -> int:
    """Write the archive of ``results/<profile>`` and return how many runs it holds.

    Args:
        results: folder of all profiles.
        profile: which of them.
        params: settings that name the planned runs.
        target: the zip; what stood there is replaced once the new one is whole.
        weights: whether the trained generators go in, too.

    Raises:
        ValueError: without finished runs, or without weights that were asked for.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as place:
        crate = Path(place) / "crate"
        keep(results, profile, params, crate)
        runs = load_runs(crate, profile)
        if weights:
            _copy_weights(results / profile / "runs", runs, crate / WEIGHTS)
        for name in ABOUT:
            if (ROOT / name).is_file():
                shutil.copyfile(ROOT / name, crate / name)
        found = sorted({f"{d.name}=={d.version}" for d in importlib.metadata.distributions()}, key=str.lower)
        (crate / ENVIRONMENT).write_text("\n".join([f"# Python {platform.python_version()}", *found, ""]))
        if commit()["commit"]:
            git("archive", "--format=zip", f"--output={crate / CODE}", "HEAD")
        files = sorted(path for path in crate.rglob("*") if path.is_file())
        described = _described(profile, runs, {path.relative_to(crate).as_posix(): path for path in files})
        (crate / METADATA).write_text(json.dumps(described, indent=1, sort_keys=True) + "\n")
        whole = Path(place) / "whole.zip"
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in [crate / METADATA, *files]:
                # no time of its own: the same results give the same archive
                entry = zipfile.ZipInfo(path.relative_to(crate).as_posix())
                entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:
                    shutil.copyfileobj(source, sink)
        whole.replace(target)
    return len(runs)


def _copy_weights(source: Path, runs: Mapping[str, Run], target: Path) -> None:
    for run in runs.values():
        weights, *_ = result_files(run.name)
        path = source / run.name / weights
        if not path.is_file():
            raise ValueError(f"--weights: wanted {path}, got none; kept results have no weights")
        (target / run.name).mkdir(parents=True)
        shutil.copyfile(path, target / run.name / weights)


def _described(profile: str, runs: Mapping[str, Run], files: Mapping[str, Path]) -> dict[str, Any]:
    """The metadata: the whole, the software that made it, every file."""
    newest = max(str(run["finished_at"]) for run in runs.values())
    hours = sum(float(run["wall_time_s"]) for run in runs.values()) / 3600
    code = commit()
    version = importlib.metadata.version("uhn")
    graph: list[dict[str, Any]] = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Universal Hypernetworks for Arbitrary Models: results of the profile {profile} of uhn",
            "description": f"{len(runs)} runs of {hours:.1f} hours with their records, training curves and settings, "
            f"and the tables and figures made of them. `uhn verify` checks the archive and renders them again.",
            "datePublished": newest,
            "license": {"@id": "https://spdx.org/licenses/MIT"},
            "isBasedOn": {"@id": "https://arxiv.org/abs/2604.02215"},
            "mainEntity": {"@id": f"{profile}/report.html"},
            "mentions": {"@id": "#rendering"},
            "hasPart": [{"@id": name} for name in files],
        },
        {"@id": "https://spdx.org/licenses/MIT", "@type": "CreativeWork", "name": "MIT licence"},
        {
            "@id": "https://arxiv.org/abs/2604.02215",
            "@type": "ScholarlyArticle",
            "name": "Universal Hypernetworks for Arbitrary Models",
        },
        {
            "@id": "#uhn",
            "@type": "SoftwareApplication",
            "name": "uhn",
            "softwareVersion": f"{version}, {in_words(code)}",
        },
        {"@id": "#rendering", "@type": "CreateAction", "instrument": {"@id": "#uhn"}, "result": {"@id": "./"}},
    ]
    for name, path in files.items():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        size = str(path.stat().st_size)
        graph.append({"@id": name, "@type": "File", "encodingFormat": kind, "contentSize": size, "sha256": digest})
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


@dataclass(frozen=True)
class Crate:
    """An unpacked archive whose files are all as its metadata say."""

    folder: Path
    profile: str
    software: str
    files: tuple[str, ...]

    @property
    def runs(self) -> dict[str, Run]:
        """Its runs by name."""
        return load_runs(self.folder, self.profile)


def read_crate(path: Path, folder: Path) -> Crate:
    """Unpack an archive into an empty folder and check every file.

    Raises:
        ValueError: for what is no such archive, a file that is missing, unlisted, too much, or not as listed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _unpacked(archive, path, folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path}: wanted a zip that `uhn archive` wrote, got: {error}") from None


def _unpacked(archive: zipfile.ZipFile, path: Path, folder: Path) -> Crate:
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries.values()) > MOST_BYTES:
        raise ValueError(f"{path}: wanted at most {MOST_FILES:,} files and {MOST_BYTES >> 30} GiB, got more")
    if METADATA not in entries:
        raise ValueError(f"{path}: wanted {METADATA} in it, got none")
    listed, profile, software = read_metadata(archive.read(METADATA), str(path))
    if odd := sorted({*listed} ^ ({*entries} - {METADATA})):
        raise ValueError(f"{path}: {odd[0]} is {'listed and missing' if odd[0] in listed else 'not listed'}")
    for name, told in listed.items():
        _unpack_one(archive, entries[name], told, path, folder)
    return Crate(folder, profile, software, tuple(listed))


def read_metadata(content: bytes, place: str) -> tuple[dict[str, Mapping[str, Any]], str, str]:
    """What an archive's metadata say of each of its files, its profile, and the code that wrote it.

    Raises:
        ValueError: naming ``place``, if they are not an archive's.
    """
    try:
        graph = json.loads(content)["@graph"]
        listed = {str(each["@id"]): each for each in graph if each.get("@type") == "File"}
        root = next(each for each in graph if each["@id"] == "./")
        profile = str(root["mainEntity"]["@id"]).split("/")[0]
        software = next(str(each["softwareVersion"]) for each in graph if each["@id"] == "#uhn")
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise ValueError(f"{place}: {METADATA} is not one of `uhn archive`: {error!r:.100}") from None
    return listed, profile, software


def _unpack_one(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, told: Mapping[str, Any], path: Path, folder: Path
) -> None:
    name = PurePosixPath(entry.filename)
    if name.is_absolute() or ".." in name.parts or not re.fullmatch(r"[\w./ +=-]+", entry.filename):
        raise ValueError(f"{path}: wanted plain names inside the archive, got {entry.filename!r:.100}")
    target, digest = folder / name, hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("xb") as sink:
        while block := source.read(1 << 20):
            digest.update(block)
            sink.write(block)
    if digest.hexdigest() != told.get("sha256"):
        raise ValueError(f"{path}: {name} is not as {METADATA} lists it: its checksum is another")


def rendered_again(crate: Crate, folder: Path) -> tuple[int, list[str]]:
    """Render everything of an archive again, with this code; how many files came out, and which are not the same."""
    book = open_book(crate.folder, crate.profile, crate.folder / crate.profile / PARAMS, present=False)
    made = [path.relative_to(folder).as_posix() for path in render(["all"], book, folder) if path.suffix != ".html"]
    return len(made), [
        name
        for name in made
        if not (crate.folder / name).is_file() or (crate.folder / name).read_bytes() != (folder / name).read_bytes()
    ]
