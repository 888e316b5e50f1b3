"""``uhn run --again``: train finished runs a second time, and say whether the same bits come out."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uhn.paper.config import ConfigError
from uhn.paper.runs.execute import execute
from uhn.paper.runs.identity import as_made, settings_hash
from uhn.paper.runs.jobs import alone, result_files
from uhn.paper.settings import RunSettings
from uhn.records import RECORD, read_record

AGAIN = "again"
"""Folder below a run's folder of ``work/`` for the second training."""

SCORES = ("status", "value", "values", "validation", "train_loss", "identity")
"""What of the metrics is compared."""

MADE_BY = ("kernel", "hardware", "software", "code")
"""What of the metrics may explain a difference."""


def train_again(runs: Sequence[RunSettings], *, results: Path, work: Path, data_root: Path) -> bool:
    """Train runs again beside their results, which stay as they are; return whether all gave the same bits.

    Args:
        runs: settings of finished runs.
        results: folder of the profile.
        work: folder of progress files; a second training that gave other bits stays in ``work/<name>/again``.
        data_root: folder of the data.

    Raises:
        ConfigError: before anything is trained, for a run that has no result of these settings.
        ValueError: for a result that was altered.
    """
    asked = []
    for run in runs:
        path = results / "runs" / run.name / RECORD
        if not path.is_file():
            raise ConfigError(f"--again: wanted a finished run to train again, got no {path}")
        then = read_record(path)
        asked.append(as_made(run, then.get("settings", {}).get("precision")))
        if then.get("settings_hash") != settings_hash(asked[-1]):
            raise ConfigError(f"--again: {path} is of other settings; `uhn run {run.name}` trains it with these")
    same = True
    for run in asked:
        place = work / run.name / AGAIN
        with alone(work, run.name):
            shutil.rmtree(place / "runs", ignore_errors=True)  # of an earlier time; its progress would be this one's
            execute(run, results=place, work=place / "work", data_root=data_root)
            found = differences(results / "runs" / run.name, place / "runs" / run.name, result_files(run.name))
            if not found:
                shutil.rmtree(place)
                print(f"{run.name}: the same bits", flush=True)
            else:
                same = False
                print(f"{run.name}: other bits, kept in {place}: {'; '.join(found)}", flush=True)
    return same


def differences(first: Path, second: Path, files: Sequence[str], scores: Sequence[str] = SCORES) -> list[str]:
    """Say how two results of a run differ: weights, history without its times, scores, and what made them."""
    found = []
    if files[0] != "history.csv" and (first / files[0]).read_bytes() != (second / files[0]).read_bytes():
        found.append(f"{files[0]} differs")
    rows = [_history(folder / "history.csv") for folder in (first, second)]
    if rows[0] != rows[1]:
        row = next(
            (at for at, (one, other) in enumerate(zip(*rows, strict=False)) if one != other), min(map(len, rows))
        )
        found.append(f"history.csv differs from line {row + 1} on")
    then, now = (read_record(folder / RECORD) for folder in (first, second))
    found += [_said(key, then.get(key), now.get(key)) for key in scores if then.get(key) != now.get(key)]
    return found + ([f"made by {_said(key, *pair)}" for key, pair in _made_by(then, now)] if found else [])


def _history(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row[:-1] for row in csv.reader(file)]


def _made_by(then: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, tuple[Any, Any]]]:
    found = []
    for key in MADE_BY:
        one, other = ({"": part} if not isinstance(part, dict) else part for part in (then.get(key), now.get(key)))
        found += [(f"{key} {name}".strip(), (one.get(name), other.get(name))) for name in one | other]
    return [(name, pair) for name, pair in found if pair[0] != pair[1]]


def _said(key: str, then: Any, now: Any) -> str:
    return f"{key} {now}, was {then}"
