"""``uhn metrics`` and ``uhn restore``: what goes to DVC, and how a clone gets it back."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from uhn.files import write_atomically
from uhn.paper.commands.run import add_profile, plan_of
from uhn.paper.config import ConfigError
from uhn.paper.plan import Plan
from uhn.paper.runs.identity import same_settings
from uhn.paper.runs.metrics import read_metrics
from uhn.records import RECORD


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn metrics``."""
    add_profile(parser)
    parser.add_argument("--out", type=Path, required=True, help="the file")
    parser.add_argument("--curves", type=Path, metavar="FOLDER", help="write a CSV of losses per experiment there")
    parser.set_defaults(handler=write_metrics)


def add_restore(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn restore``."""
    add_profile(parser)
    parser.add_argument("--no-pull", action="store_true", help="the files are here already (after dvc checkout)")
    parser.set_defaults(handler=restore_results)


ARGUMENTS = {"metrics": add_metrics, "restore": add_restore}


def pipeline_file(profile: str) -> Path:
    """Where the pipeline of a profile stands."""
    return Path("dvc.yaml") if profile == "quick" else Path("pipelines") / profile / "dvc.yaml"


def summary(plan: Plan, results: Path) -> dict[str, Any]:
    """Return experiment → method → value (mean over the finished seeds), std (n - 1), seeds and diverged seeds; without
    seeds that were trained under other settings than the plan's.

    A run of several tasks has no value of its own: ``tasks`` holds one a task. A model set's also has ``seen`` and
    ``unseen``.
    """
    finished: dict[tuple[str, str], list[dict[str, Any]]] = {}
    diverged: dict[tuple[str, str], int] = {}
    for run in plan.runs.values():
        path = results / "runs" / run.name / RECORD
        if path.is_file():
            metrics = read_metrics(path)
            if not same_settings(metrics["settings"], run):
                continue
            key = (run.experiment, run.method)
            finished.setdefault(key, [])
            diverged.setdefault(key, 0)
            if metrics["status"] == "finished":
                finished[key].append(metrics)
            else:
                diverged[key] += 1
    found: dict[str, Any] = {}
    for (experiment, method), seeds in finished.items():
        entry: dict[str, Any] = {"seeds": len(seeds), "diverged": diverged[experiment, method]}
        values = [metrics["value"] for metrics in seeds if metrics["value"] is not None]
        if values:
            entry["value"] = fmean(values)
        if len(values) > 1:
            entry["std"] = stdev(values)
        found.setdefault(experiment, {})[method] = entry | _parts([metrics.get("values", {}) for metrics in seeds])
    return found


def _parts(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means of each task of a run of several, or of the seen and the unseen members of a model set, over seeds."""
    tasks: dict[str, list[float]] = {}
    splits: dict[str, list[float]] = {}
    for values in seeds:
        for name, value in values.items():
            if value["seen"] is None:
                tasks.setdefault(name, []).append(value["value"])
            else:
                splits.setdefault("seen" if value["seen"] else "unseen", []).append(value["value"])
    found: dict[str, Any] = {split: fmean(scores) for split, scores in splits.items()}
    return found | ({"tasks": {name: fmean(scores) for name, scores in tasks.items()}} if tasks else {})


def write_metrics(args: argparse.Namespace) -> int:
    """Write the summary."""
    plan = plan_of(args)
    text = json.dumps(summary(plan, args.results / plan.profile), indent=2, sort_keys=True)
    write_atomically(args.out, text + "\n")
    print(args.out)
    if args.curves:
        for experiment, curve in curves(plan, args.results / plan.profile).items():
            write_atomically(args.curves / f"{experiment}.csv", curve)
        print(args.curves)
    return 0


def curves(plan: Plan, results: Path) -> dict[str, str]:
    """By experiment, the losses of its first seed as CSV, its sources one after the other: for ``dvc plots``.

    The template ``.dvc/plots/phases.json`` draws initialisation (of a chain: each level) and training apart: each
    counts its own steps, and their losses are of different things.
    """
    found: dict[str, str] = {}
    for run in plan.runs.values():
        history = results / "runs" / run.name / "history.csv"
        if run.seed == plan.config.seeds(run.experiment)[0] and history.is_file():
            head, *rows = history.read_text(encoding="utf-8").splitlines()
            text = found.setdefault(run.experiment, f"source,{head}\n")
            found[run.experiment] = text + "".join(f"{run.method},{row}\n" for row in rows)
    return found


def restore_results(args: argparse.Namespace) -> int:
    """Pull, make sure that everything is as committed, then mark it as up to date for Snakemake.

    A clone's files have arbitrary times and no record of what made them; without the mark most jobs would run again.
    """
    plan = plan_of(args)
    pipeline = pipeline_file(plan.profile)
    if not pipeline.is_file():
        raise ConfigError(f"wanted the pipeline {pipeline}, got none")
    if not pipeline.with_name("dvc.lock").is_file():
        raise ConfigError(f"wanted {pipeline.with_name('dvc.lock')} (committed after `dvc repro`), got none")
    dvc = [sys.executable, "-m", "dvc"]
    # the data's stages stand in the quick profile's pipeline: another profile's need them as dependencies
    steps = [] if args.no_pull else [("dvc pull", [*dvc, "pull", "--with-deps", str(pipeline)])]
    steps.append(("dvc status", [*dvc, "status", "-q", str(pipeline)]))
    touch = ["tables", "--cores", "1", "--touch", "--forceall", "--config", f"profile={plan.profile}"]
    steps.append(("snakemake --touch", [sys.executable, "-m", "snakemake", *touch]))
    for name, command in steps:
        if code := subprocess.run(command, check=False).returncode:
            print(f"uhn restore: {name} failed with exit code {code}; nothing was marked", file=sys.stderr)
            return 1
    print("restored: nothing has to run again")
    return 0
