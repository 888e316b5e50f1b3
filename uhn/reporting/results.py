"""Reading what runs left behind: ``metrics.json`` and ``history.csv``, checked before anything is computed."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uhn.records import RECORD, SCHEMA, check_file, read_record

SCHEMAS = (1, SCHEMA)
STATUSES = ("finished", "diverged")
METRICS = ("accuracy", "rmse")
HISTORY = ("phase", "step", "epoch", "lr", "loss", "metric", "seconds")

_WANTED: dict[str, tuple[type, ...]] = {
    "schema": (int,),
    "name": (str,),
    "experiment": (str,),
    "method": (str,),
    "seed": (int,),
    "status": (str,),
    "metric": (str,),
    "value": (float, int, type(None)),
    "identity": (str,),
    "settings": (dict,),
    "settings_hash": (str,),
    "data": (list,),
    "parameters": (dict,),
    "budget": (dict,),
    "code": (dict,),
    "hardware": (dict,),
}


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
        """``<experiment>/<method>/seed-<seed>``."""
        return str(self.metrics["name"])

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
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"cannot read {path}: {error}") from error
        if not isinstance(note, dict):
            raise ValueError(f"{path}: wanted an object, got {type(note).__name__}")
        return note

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
    data = read_record(path)
    check_metrics(data, path)
    return Run(data, path.parent)


def check_metrics(data: Any, where: Path | str) -> None:
    """Raise ``ValueError`` unless ``data`` is a metrics record of the known schema."""
    if not isinstance(data, dict):
        raise ValueError(f"{where}: a metrics file holds one JSON object, got {type(data).__name__}")
    if missing := [key for key in _WANTED if key not in data]:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    for key, kinds in _WANTED.items():
        if not isinstance(data[key], kinds) or isinstance(data[key], bool):
            names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
            raise ValueError(f"{where}: {key} must be {names}, got {data[key]!r}")
    if data["schema"] not in SCHEMAS:
        raise ValueError(f"{where}: schema must be {' or '.join(map(str, SCHEMAS))}, got {data['schema']}")
    for key, choices in (("status", STATUSES), ("metric", METRICS)):
        if data[key] not in choices:
            raise ValueError(f"{where}: {key} must be one of {', '.join(choices)}, got {data[key]!r}")
    value = data["value"]
    score = data.get("validation") if value is None else value
    if data["status"] == "finished" and not data.get("values") and (score is None or not math.isfinite(score)):
        raise ValueError(f"{where}: a finished run has a finite value, got {score!r}")
    if value is not None and data["metric"] == "accuracy" and not 0 <= value <= 1:
        raise ValueError(f"{where}: an accuracy lies in [0, 1], got {value!r}")
    if data["name"] != f"{data['experiment']}/{data['method']}/seed-{data['seed']}" and not data["name"].startswith(
        "sweeps/"
    ):
        raise ValueError(f"{where}: name {data['name']!r} does not match its experiment, method and seed")


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
    """The rows of a run's ``history.csv``, empty if it has none.

    Raises:
        ValueError: if it is not the one that the metrics name, or columns are missing.
    """
    path = run.folder / "history.csv"
    if not path.is_file():
        return []
    content = path.read_bytes()
    check_file(run.metrics, path, content)
    reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))
    if missing := [name for name in HISTORY if name not in (reader.fieldnames or [])]:
        raise ValueError(f"{path}: missing columns {', '.join(missing)}")
    return list(reader)
