"""Metrics files as runs leave them: the writer's own record, with the values that a test asks for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorded import lay, left, member

from uhn.paper.budget import PaperRun, run_steps
from uhn.paper.report.book import Book
from uhn.paper.runs.identity import resolved
from uhn.paper.runs.results import Run, load_runs
from uhn.paper.settings import RunSettings
from uhn.tasks import DATASETS

GENERATOR = {
    "hidden": 64,
    "blocks": 2,
    "index_frequencies": 1024,
    "structure_frequencies": 32,
    "structure": False,
    "encoding": "gff",
    "scale": 100.0,
}


def metrics(
    experiment: str = "mnist-mlp",
    method: str = "direct",
    seed: int = 21962,
    value: float | None = 0.98,
    *,
    kind: str = "real",
    full: bool = True,
    rows: dict[str, int] | None = None,
    generator: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A metrics record of a run at the paper's budget (``full``) or at a tenth of its steps."""
    dataset = experiment.removeprefix("kan-") if experiment.startswith("kan-") else experiment.split("-")[0]
    rmse = experiment.startswith("kan-")
    steps = 4000 if rmse else 23_500
    uhn = method == "uhn"
    base = left()
    own = {
        "name": f"{experiment}/{method}/seed-{seed}",
        "experiment": experiment,
        "method": method,
        "seed": seed,
        "tasks": [{"dataset": dataset, "model": "m", "probability": 1.0}],
        "validate_split": False,
        "generator": (generator or GENERATOR) if uhn else None,
        "init": {"steps": 100 if uhn else 0, "lr": 2e-4, "warmup": 0},
        "train": {"lr": 2e-4, "epochs": 100, "steps": None, "warmup": 5, "batch_size": 256, "clip": None},
    }
    settings = lay(base["settings"], own)
    sizes = {"train": 1000, "val": 0, "test": 1000} if rmse else {"train": 60_000, "val": 0, "test": 10_000}
    target = 254 if rmse else 118_282
    record: dict[str, Any] = {
        "name": settings["name"],
        "experiment": experiment,
        "method": method,
        "seed": seed,
        "status": "finished" if value is not None else "diverged",
        "metric": "rmse" if rmse else "accuracy",
        "value": value,
        "validation": None,
        "train_loss": 0.01,
        "identity": f"{seed:064x}",
        "settings": settings,
        "settings_hash": f"{seed + 1:064x}",
        "data": [{"name": dataset, "fingerprint": "f" * 64, "kind": kind, "detail": "d", "rows": rows or sizes}],
        "target_std": 0.5 if rmse else None,
        "chance": None if rmse else 0.1,
        "scored_rows": (rows or sizes)["test"],
        "majority": None if rmse else 0.1135,
        "parameters": {"target": target, "trainable": 148_353 if uhn else target, "frozen": 10_260 if uhn else 0},
        "budget": {"init_steps": 100 if uhn else 0, "train_steps": steps if full else steps // 10, "epochs": 100},
        "code": {"commit": "abcdef0123456789", "dirty": False, "digest": "c" * 64},
        "taken_from": None,
        "wall_time_s": 12.5,
        "resumed": 0,
        "hardware": lay(
            base["hardware"],
            {"machine": "x86_64", "processor": "cpu", "cores": 2, "threads": 2, "device": "cpu", "memory_gib": 8.0},
        ),
        "software": lay(base["software"], {"python": "3.11", "torch": "2.13", "uhn": "0.1"}),
        "finished_at": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    return lay(lay(base, record), changes)


def planned(run: RunSettings, value: float | None = 0.98, **changes: Any) -> dict[str, Any]:
    """The record that a run of these settings leaves: its rows and steps are those that they ask for."""
    data = []
    for task in run.tasks:
        known = DATASETS[task.dataset]
        left = known.rows(validate=run.validate_split and not known.full_batch)
        train = min(left, run.data.train_rows or known.train_rows)
        rows = {"train": train, "val": 0, "test": min(known.test_rows, run.data.test_rows or known.test_rows)}
        data.append({"name": task.dataset, "fingerprint": "f" * 64, "kind": "real", "detail": "d", "rows": rows})
    steps = run_steps(run) - run.init.steps
    own = {
        "settings": resolved(run).model_dump(mode="json"),
        "data": data,
        "budget": {"init_steps": run.init.steps, "train_steps": steps, "epochs": run.train.epochs},
    }
    return metrics(run.experiment, run.method, run.seed, value, **own | changes)


@dataclass(frozen=True)
class Full(PaperRun):
    """Three seeds of what :func:`metrics` leaves at the full budget, its number of steps included."""

    @property
    def steps(self) -> int:
        return 4000 if self.settings.experiment.startswith("kan-") else 23_500


def papers(runs: Iterable[Run]) -> dict[str, PaperRun]:
    """Records of :func:`metrics` as the paper's, by group of ``runs``."""
    groups = {run.id.group: metrics(run.id.experiment, run.id.source) for run in runs if run.id.source != "toy"}
    return {key: Full(RunSettings.recorded(record["settings"]), 3) for key, record in groups.items()}


def opened(results: Path, profile: str = "quick", **more: Any) -> Book:
    """What is found below ``results``, held against :func:`papers`."""
    runs = load_runs(results, profile)
    return Book(profile, runs, **{"paper": papers(runs.values())} | more)


def history(steps: int = 40, scale: float = 1.0) -> str:
    """A history with ten initialisation steps, then training."""
    lines = ["phase,step,epoch,lr,loss,metric,seconds"]
    lines += [f"init,{s},0,0.0002,{scale / (s + 1):.6f},,0.1" for s in range(10)]
    for s in range(steps):
        metric = f"{1 - 1 / (s + 2):.4f}" if s % 10 == 9 else ""
        lines.append(f"train,{s},{s // 10},0.0002,{2 * scale / (s + 1):.6f},{metric},0.1")
    return "\n".join(lines) + "\n"


def leave(results: Path, *records: dict[str, Any], profile: str = "quick", text: str | None = None) -> Path:
    """Write records where runs leave them; returns ``results``."""
    for record in records:
        folder = results / profile / "runs" / record["name"]
        folder.mkdir(parents=True, exist_ok=True)
        if "values" in record:
            whole = member(None, metric=record["metric"])
            record = record | {"values": {name: lay(whole, entry) for name, entry in record["values"].items()}}
        (folder / "metrics.json").write_text(json.dumps(record))
        (folder / "history.csv").write_text(text or history(scale=1 + record["seed"] % 7))
    return results
