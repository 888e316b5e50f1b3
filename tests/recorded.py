"""A run's record, made by hand, for tests that need one which no training left."""

from __future__ import annotations

from typing import Any


def member(value: float, seen: bool | None = None, **changes: Any) -> dict[str, Any]:
    """What a record says of one of its tasks, or of one model of a set."""
    return {"value": value, "metric": "accuracy", "parameters": 10, "seen": seen} | changes


def recorded(name: str, *, value: float | None = None, status: str = "finished", **changes: Any) -> dict[str, Any]:
    """A whole record of the run ``name``, a trial or not; ``changes`` replace some of it."""
    parts = name.split("/")
    experiment, method = parts[1:3] if parts[0] == "sweeps" else parts[:2]
    found = {
        "schema": 1,
        "name": name,
        "experiment": experiment,
        "method": method,
        "seed": int(name.rpartition("-")[2]),
        "status": status,
        "metric": "rmse",
        "value": value,
        "identity": "i",
        "settings": {},
        "settings_hash": "s",
        "data": [{"name": "d", "fingerprint": "f", "kind": "real", "detail": "", "rows": {"train": 1}}],
        "parameters": {"target": 1, "trainable": 1, "frozen": 0},
        "budget": {"init_steps": 0, "train_steps": 1},
        "code": {"commit": None, "dirty": False, "digest": "c"},
        "hardware": {},
    }
    return found | changes
