"""What a run leaves behind about itself: value, settings, data, code, parameters, time and hardware."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import torch

from uhn.paper.runs.checkout import commit
from uhn.paper.runs.identity import settings_hash, source_digest
from uhn.paper.runs.members import Member, mean_score
from uhn.paper.settings import RunSettings
from uhn.sources.base import WeightSource
from uhn.training.machine import machine, processor


def record(
    settings: RunSettings,
    identity: str,
    members: Sequence[Member],
    source: WeightSource,
    *,
    status: str,
    scores: Sequence[float],
    steps: Sequence[tuple[str, int]],
    train_loss: float | None,
    seconds: float,
    resumed: int,
    device: torch.device,
    path: str,
) -> dict[str, Any]:
    """Return what ``metrics.json`` says, digests apart; ``value`` is the test score, null in a sweep or if diverged."""
    task, spec = members[0].task, members[0].spec
    mean = mean_score(members, scores)
    split: Literal["val", "test"] = "val" if settings.score == "validation" else "test"
    tasks = {m.task.name: m.task for m in members}
    scored = {name: each.scored(split) for name, each in tasks.items()}
    finite = train_loss is not None and train_loss == train_loss and abs(train_loss) != float("inf")
    values = {
        m.name: {
            "value": score,
            "metric": m.task.metric,
            "parameters": m.spec.num_params,
            "seen": m.seen,
            "target_std": m.task.target_std,
            "chance": m.task.chance,
            "scored_rows": scored[m.task.name][0],
            "majority": scored[m.task.name][1],
        }
        for m, score in zip(members, scores, strict=False)
    }
    found = {
        "name": settings.name,
        "experiment": settings.experiment,
        "method": settings.method,
        "seed": settings.seed,
        "status": status,
        "metric": task.metric,
        "value": mean if settings.score == "test" else None,
        "validation": mean if settings.score == "validation" else None,
        "train_loss": train_loss if finite else None,
        "identity": identity,
        "settings": settings.model_dump(mode="json"),
        "settings_hash": settings_hash(settings),
        "data": [vars(each.provenance) for each in tasks.values()],
        "target_std": task.target_std,
        "chance": task.chance,
        "scored_rows": scored[task.name][0],
        "majority": scored[task.name][1],
        "parameters": {"target": spec.num_params, **source.parameter_counts()},
        "budget": {
            "init_steps": sum(n for kind, n in steps if kind == "init"),
            "train_steps": sum(n for kind, n in steps if kind == "train"),
            "epochs": settings.train.epochs,
        },
        "code": {**commit(), "digest": source_digest(settings)},
        "taken_from": None,
        "wall_time_s": round(seconds, 3),
        "resumed": resumed,
        "kernel": path,
        "hardware": hardware(device),
        "software": {name: _version(name) for name in ("uhn", "torch", "torch-geometric", "numpy", "scipy")}
        | {"python": platform.python_version()},
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return found | ({"values": values} if len(members) > 1 else {})


def hardware(device: torch.device) -> dict[str, Any]:
    """The machine, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": platform.machine(),
        "processor": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "capability": machine(device)["capability"],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device.type,
        "memory_gib": round(memory, 1),
    }


@cache
def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
