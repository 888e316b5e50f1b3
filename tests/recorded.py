"""Records of runs: what the writer left of a tiny run, trained once per process, with a test's own values in it.

A key that the writer does not leave is refused, so that no test reads what no run says.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from uhn.paper.config import load_config
from uhn.paper.runs.execute import execute
from uhn.paper.settings import TaskSettings

PARAMS = Path(__file__).parents[1] / "params.yaml"


@cache
def _left() -> str:
    """``metrics.json`` of a run on two functions, whose data need no files."""
    run = load_config(PARAMS, "smoke").resolve("kan-kv", "uhn", 21962)
    names = ("kv", "ellipj")
    tasks = tuple(TaskSettings(dataset=name, model=f"kan-g5-{name}", probability=0.5) for name in names)
    with TemporaryDirectory() as place, redirect_stdout(io.StringIO()):
        results, work, data = (Path(place) / name for name in ("results", "work", "data"))
        execute(run.model_copy(update={"tasks": tasks}), results=results, work=work, data_root=data)
        return (results / "runs" / run.name / "metrics.json").read_text(encoding="utf-8")


def left() -> dict[str, Any]:
    """A record that may be changed: of schema 1, which has neither digests nor a checksum, and of one task."""
    found: dict[str, Any] = json.loads(_left()) | {"schema": 1}
    for key in ("files", "checksum", "values"):
        del found[key]
    found["data"] = found["data"][:1]
    found["settings"]["tasks"] = found["settings"]["tasks"][:1]
    return found


def lay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``below`` with the values of ``above``, none of which it may lack; ``values`` stands in some records."""
    if unknown := set(above) - set(below) - {"values"}:
        raise KeyError(f"no run says {', '.join(sorted(unknown))}")
    return {**below, **above}


def member(value: float | None, seen: bool | None = None, **changes: Any) -> dict[str, Any]:
    """What a record says of one of its tasks, or of one model of a set."""
    one = json.loads(_left())["values"]["kv"]
    mine = {"value": value, "metric": "accuracy", "parameters": 10, "seen": seen}
    return lay(one | {"target_std": None, "scored_rows": None}, mine | changes)


def recorded(name: str, *, value: float | None = None, status: str = "finished", **changes: Any) -> dict[str, Any]:
    """A whole record of the run ``name``, a trial or not; ``changes`` replace some of it."""
    parts = name.split("/")
    experiment, method = parts[1:3] if parts[0] == "sweeps" else parts[:2]
    own = {"name": name, "experiment": experiment, "method": method, "seed": int(name.rpartition("-")[2])}
    return lay(left(), own | {"status": status, "value": value, "metric": "rmse"} | changes)
