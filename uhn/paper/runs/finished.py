"""Finished runs on disk: written together, and taken for finished only if every file is the one the metrics name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from uhn.files import remove_leftovers, write_together
from uhn.paper.names import FOLDER, RunId
from uhn.paper.runs.jobs import RESULT_FILES, result_files
from uhn.paper.runs.metrics import read_metrics as _read
from uhn.paper.settings import RunSettings
from uhn.records import RECORD, check_file, sealed, to_text
from uhn.training.checkpoint import discard_progress


def write_results(folder: Path, metrics: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """Write a run's files and the metrics that name their digests; return the metrics.

    What was there before stays until all of it is on the disk.
    """
    record = sealed(metrics, files)
    write_together({folder / name: content for name, content in files.items()} | {folder / RECORD: to_text(record)})
    return record


def finished_metrics(settings: RunSettings, folder: Path, identity: str) -> dict[str, Any] | None:
    """Metrics of a finished run of this identity whose files are all there and unaltered, else None."""
    metrics = read_metrics(folder)
    if metrics.get("identity") != identity:
        return None
    try:
        for name in result_files(settings.name)[:-1]:
            check_file(metrics, folder / name, (folder / name).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        print(f"{settings.name}: {error}", flush=True)
        return None
    return metrics


def read_metrics(folder: Path) -> dict[str, Any]:
    """A run's metrics, empty if there are none that can be read."""
    try:
        return _read(folder / RECORD)
    except ValueError as error:
        if (folder / RECORD).exists():
            print(error, flush=True)
        return {}


def put_back(settings: RunSettings, kept: Path, folder: Path, identity: str) -> dict[str, Any] | None:
    """Copy a kept result of this identity to its place and return its metrics; None if there is none."""
    metrics = finished_metrics(settings, kept, identity)
    if metrics is not None:
        write_together({folder / name: (kept / name).read_bytes() for name in result_files(settings.name)})
    return metrics


def take_over(settings: RunSettings, runs: Path, identity: str) -> dict[str, Any] | None:
    """Give a trial the result of a finished trial of the same sweep that has its identity; None if there is none.

    The metrics keep everything that was measured, and say which run they were taken from.
    """
    for path in sorted((runs / FOLDER / RunId.parse(settings.name).group).rglob(RECORD)):
        donor = finished_metrics(settings, path.parent, identity)
        if donor is None:
            continue
        taken = donor["taken_from"] or donor["name"]
        own = settings.model_dump(mode="json")
        metrics = donor | {"name": settings.name, "settings": own, "taken_from": taken}
        files = {"history.csv": (path.parent / "history.csv").read_bytes()}
        return write_results(runs / settings.name, metrics, files)
    return None


def clean_up(folder: Path, progress: Path, identity: str) -> None:
    """Remove the progress of a finished run, and what killed processes left half written."""
    discard_progress(progress, identity)
    for name in RESULT_FILES:
        remove_leftovers(folder / name)
