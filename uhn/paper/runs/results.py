"""Reading what runs left behind: ``metrics.json`` and ``history.csv``, checked before anything is computed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from uhn.paper.names import RunId
from uhn.paper.runs.archive import ACCEPTED, Files, archive_texts, parse_archive
from uhn.paper.runs.archive import HISTORY as HISTORY_FILE
from uhn.paper.runs.metrics import checked, read_metrics
from uhn.paper.settings import RunSettings
from uhn.records import RECORD, check_file, parse_record

HISTORY = ("phase", "step", "epoch", "lr", "loss", "metric", "seconds")


@dataclass(frozen=True)
class Run:
    """One run's ``metrics.json``, validated; ``folder`` is where it lies, or would lie if it were not archived."""

    metrics: Mapping[str, Any]
    folder: Path
    archived: Files | None = None

    def __getitem__(self, key: str) -> Any:
        return self.metrics[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of an optional key."""
        return self.metrics.get(key, default)

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.metrics["name"])

    @cached_property
    def id(self) -> RunId:
        """What its name says."""
        return RunId.parse(self.name)

    @property
    def finished(self) -> bool:
        """False for a run that diverged."""
        return bool(self.metrics["status"] == "finished")

    @property
    def accepted(self) -> Mapping[str, Any] | None:
        """The note that its result stands for newer code (``accepted.json``), if somebody left one."""
        content = self.content(ACCEPTED)
        return None if content is None else parse_record(content, self.folder / ACCEPTED)

    def content(self, name: str) -> bytes | None:
        """What stands in one of its files, None if there is none."""
        if self.archived is not None:
            return self.archived.get(name)
        path = self.folder / name
        return path.read_bytes() if path.is_file() else None

    @property
    def outcome(self) -> str:
        """Its status and value in words: a trial's on validation rows; those of its tasks if their metrics differ."""
        if not self.finished:
            return "diverged"
        if (validation := self.get("validation")) is not None:
            return f"finished, validation {self['metric']} {validation:.6g}"
        values = {"": self.metrics} if self["value"] is not None else self.get("values", {})
        told = (f"{name} {each['metric']} {each['value']:.6g}".lstrip() for name, each in values.items())
        return ", ".join(["finished", *told])

    @cached_property
    def history(self) -> list[dict[str, str]]:
        """See :func:`load_history`."""
        return _read_history(self)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its resolved settings."""
        return self.metrics["settings"]

    @cached_property
    def resolved(self) -> Mapping[str, Any]:
        """Its settings, with defaults for those that an older record lacks; as they stand if other code wrote them."""
        try:
            return RunSettings.recorded(self.settings).model_dump(mode="json")
        except ValidationError:
            return self.settings


def load_run(path: Path) -> Run:
    """Read and check one ``metrics.json``.

    Raises:
        ValueError: saying which file, what was wanted and what was got.
    """
    return Run(read_metrics(path), path.parent)


def load_runs(results: Path, profile: str) -> dict[str, Run]:
    """All finished runs under ``results/<profile>``, archived or in folders, by name, in order of name.

    Raises:
        ValueError: if a metrics file is broken or stands under another name.
    """
    root = results / profile / "runs"
    runs = archived_runs(results / profile)
    for path in sorted(root.rglob(RECORD)) if root.is_dir() else []:
        run = load_run(path)
        place = path.parent.relative_to(root).as_posix()
        if run.name != place:
            raise ValueError(f"{path}: holds the run {run.name!r}, but stands at {place!r}")
        runs[run.name] = run
    return dict(sorted(runs.items()))


def archived_runs(folder: Path) -> dict[str, Run]:
    """The archived runs of a profile's folder, by name. Raises ``ValueError`` for a broken record."""
    return dict(_archived(folder, *archive_texts(folder)))


@lru_cache(maxsize=8)
def _archived(folder: Path, records: str, rows: str) -> dict[str, Run]:
    """The runs of an archive's two texts; a page over all profiles asks for those of each several times."""
    runs = {}
    for name, files in parse_archive(folder, records, rows).items():
        path = folder / "runs" / name / RECORD
        runs[name] = Run(checked(parse_record(files[RECORD], path), path), path.parent, files)
    return runs


def load_history(run: Run) -> list[dict[str, str]]:
    """The rows of a run's ``history.csv``, empty if it has none; numbers are numbers, a metric may be empty.

    Raises:
        ValueError: if it is not the one that the metrics name, columns are missing, or a value is none.
    """
    return run.history


def _read_history(run: Run) -> list[dict[str, str]]:
    path, content = run.folder / HISTORY_FILE, run.content(HISTORY_FILE)
    if content is None:
        return []
    check_file(run.metrics, path, content)
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        if missing := [name for name in HISTORY if name not in (reader.fieldnames or [])]:
            raise ValueError(f"missing columns {', '.join(missing)}")
        rows = list(reader)
        for row in rows:
            _check_row(row)
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}: {error}") from None
    if len({len(row["metric"].split()) for row in rows if row["metric"]}) > 1:
        raise ValueError(f"{path}: wanted as many metrics in every row that has any")
    return rows


def _check_row(row: dict[str, str]) -> None:
    """Raise ``ValueError`` unless each column of a history holds what its readers take it for."""
    if None in row or None in row.values():
        raise ValueError(f"wanted {len(HISTORY)} columns in every row, got others")
    if row["phase"] not in ("init", "train"):
        raise ValueError(f"phase must be init or train, got {row['phase']!r:.100}")
    for name in HISTORY[1:]:
        for text in row[name].split() if name == "metric" else [row[name]]:
            try:
                float(text)
            except ValueError:
                raise ValueError(f"{name} must be a number, got {text!r:.100}") from None
