"""Reading what runs left behind: ``metrics.json`` and ``history.csv``, checked before anything is computed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from uhn.paper.names import RunId
from uhn.paper.runs.metrics import read_metrics
from uhn.records import RECORD, check_file, read_record

HISTORY = ("phase", "step", "epoch", "lr", "loss", "metric", "seconds")


@dataclass(frozen=True)
class Run:
    """One run's ``metrics.json``, validated; ``folder`` is where it lies."""

    metrics: Mapping[str, Any]
    folder: Path

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
        path = self.folder / "accepted.json"
        if not path.is_file():
            return None
        return read_record(path)

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

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its resolved settings."""
        return self.metrics["settings"]


def load_run(path: Path) -> Run:
    """Read and check one ``metrics.json``.

    Raises:
        ValueError: saying which file, what was wanted and what was got.
    """
    return Run(read_metrics(path), path.parent)


def load_runs(results: Path, profile: str) -> dict[str, Run]:
    """All finished runs under ``results/<profile>/runs``, by name, in order of name; none if there is no such folder.

    Raises:
        ValueError: if a metrics file is broken or stands under another name.
    """
    root = results / profile / "runs"
    runs: dict[str, Run] = {}
    for path in sorted(root.rglob(RECORD)) if root.is_dir() else []:
        run = load_run(path)
        place = path.parent.relative_to(root).as_posix()
        if run.name != place:
            raise ValueError(f"{path}: holds the run {run.name!r}, but stands at {place!r}")
        runs[run.name] = run
    return runs


def load_history(run: Run) -> list[dict[str, str]]:
    """The rows of a run's ``history.csv``, empty if it has none; numbers are numbers, a metric may be empty.

    Raises:
        ValueError: if it is not the one that the metrics name, columns are missing, or a value is none.
    """
    path = run.folder / "history.csv"
    if not path.is_file():
        return []
    content = path.read_bytes()
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
