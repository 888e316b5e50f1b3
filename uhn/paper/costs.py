"""What a plan costs: seconds per step, from finished runs, or else from a few steps timed on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch

from uhn.files import write_atomically
from uhn.paper.budget import train_steps
from uhn.paper.names import group_name
from uhn.paper.runs.build import build_distribution, build_phases, build_source, build_tasks
from uhn.paper.runs.identity import resolved
from uhn.paper.runs.metrics import read_metrics
from uhn.paper.runs.record import hardware
from uhn.paper.runs.results import archived_runs
from uhn.paper.settings import RunSettings
from uhn.records import RECORD, read_record
from uhn.sources import WeightSource
from uhn.training.distributions import OneModel, SpecDistribution
from uhn.training.loop import Diverged, Loop, Phase
from uhn.training.precision import pick_device, reproducible

FILE = "costs.json"
"""Timed seconds per step below a profile's results, by ``experiment/method`` and phase."""

Seconds = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Cost:
    """Seconds per step, by ``experiment/method`` and phase (``init``, ``train``); nothing where nobody has measured."""

    seconds: Seconds

    @classmethod
    def known(cls, results: Path, settings: Iterable[RunSettings]) -> Cost:
        """Read wall times of finished runs below a profile's results, and timed steps where there are none.

        A run that another kind of device made (a GPU, where this machine has none) says nothing about this machine.
        """
        found: dict[str, list[float]] = {}
        archived = archived_runs(results)
        for run in settings:
            try:
                kept = archived.get(run.name)
                metrics = kept.metrics if kept else read_metrics(results / "runs" / run.name / RECORD)
                steps = metrics["budget"]["init_steps"] + metrics["budget"]["train_steps"]
                if metrics["hardware"]["device"] == pick_device(run.compute.device).type:
                    found.setdefault(group(run), []).append(metrics["wall_time_s"] / steps)
            except (ValueError, KeyError, TypeError, ZeroDivisionError):
                continue
        measured = {key: dict.fromkeys(("init", "train"), median(values)) for key, values in found.items()}
        return cls(read_costs(results) | measured)

    def hours(self, runs: Iterable[RunSettings]) -> float | None:
        """Return the hours of ``runs`` one after another, none if one of them has no measurement."""
        total = 0.0
        for run in runs:
            seconds = self.seconds.get(group(run))
            if seconds is None:
                return None
            train = train_steps(run.tasks[0].dataset, run.train, run.data, validate=run.validate_split)
            total += seconds["train"] * train + seconds["init"] * run.init.steps
        return total / 3600


def group(run: RunSettings) -> str:
    """Runs whose steps cost the same."""
    return group_name(run.experiment, run.method)


def read_costs(results: Path) -> Seconds:
    """Return what :func:`measure` wrote, empty if there is nothing that can be read."""
    try:
        found = read_record(results / FILE).get("seconds_per_step")
    except ValueError:
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {key: phases for key, phases in entries if isinstance(phases, dict) and _timed_whole(phases)}


def timed_on(results: Path) -> str:
    """The machine of what :func:`measure` wrote, empty if there is nothing that can be read."""
    try:
        machine = read_record(results / FILE)["hardware"]
        return f"{machine['processor']} ({machine['device']}, cores: {machine['cores']})"
    except (ValueError, KeyError, TypeError):
        return ""


def _timed_whole(phases: dict[str, object]) -> bool:
    times = [phases.get(kind) for kind in ("init", "train")]
    return all(isinstance(value, int | float) and 0 <= value < 1e9 for value in times)


def measure(runs: Iterable[RunSettings], results: Path, data: Path, repeats: int = 1) -> None:
    """Time steps of one run of every group and write ``costs.json`` after each, so that an interruption loses little.

    Evaluation and set-up are not in it. Groups that are in the file already are left alone.

    Args:
        runs: settings of the runs.
        results: folder of the profile.
        data: folder of the data.
        repeats: timed steps of each phase, after one that is not timed.

    Raises:
        ValueError: for settings that cannot be run here.
    """
    waiting = {group(run): run for run in runs if run.score == "test"}
    costs = read_costs(results)
    for number, (key, run) in enumerate(waiting.items(), 1):
        if key not in costs:
            device = pick_device(run.compute.device)
            costs[key] = seconds_per_step(run, data, device, repeats)
            content = {"hardware": hardware(device), "seconds_per_step": costs}
            write_atomically(results / FILE, json.dumps(content, indent=1, sort_keys=True) + "\n")
        print(f"[{number}/{len(waiting)}] {key}: {costs[key]['train']:.3g} s per step", flush=True)


def seconds_per_step(run: RunSettings, data: Path, device: torch.device, repeats: int) -> dict[str, float]:
    """Seconds per step of each phase of a run; of several tasks the mean under their probabilities.

    Where the data are unavailable, a stand-in of the same shape takes their place: it costs the same. Of a chain's
    initialisation the last level is timed, the most expensive.
    """
    run = run.model_copy(update={"data": run.data.model_copy(update={"stand_in": True})})
    with reproducible(run.compute.threads):
        tasks = build_tasks(run, data, device)
        whole = build_distribution(run, tasks)
        source = build_source(run, whole).to(device)
        phases = {phase.kind: phase for phase in build_phases(run, tasks)}
        parts: list[tuple[float, SpecDistribution]] = [(1.0, whole)]
        if len(tasks) > 1:
            shares = (task.probability for task in run.tasks)
            parts = [(p, OneModel(*member)) for p, member in zip(shares, whole.members, strict=True)]
        found = {"init": 0.0, "train": 0.0}
        for kind, phase in phases.items():
            found[kind] = sum(p * _timed(source, part, phase, run, repeats) for p, part in parts)
    return found


def _timed(source: WeightSource, distribution: SpecDistribution, phase: Phase, run: RunSettings, repeats: int) -> float:
    ends: list[float] = []

    def after_step() -> None:
        if loop.device.type == "cuda":
            torch.cuda.synchronize(loop.device)
        ends.append(time.perf_counter())

    loop = Loop(
        source,
        distribution,
        [replace(phase, steps=repeats + 1, warmup=0)],
        seed=run.seed,
        precision=resolved(run).precision,
        report_at=lambda phase, step: False,
        after_step=after_step,
    )
    try:
        for _ in loop:
            pass
    except Diverged:  # a chain that nobody has initialised: what its last step cost is known all the same
        after_step()
    return (ends[-1] - ends[0]) / repeats
