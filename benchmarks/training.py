"""Training steps a second, ours against the straightforward generator: ``python -m benchmarks.training``.

A run of the paper is trained twice at once, from the same seed with the same batches, a step of one side after a step
of the other: whole steps of the library's one loop, with base model, loss and optimiser. Their losses are compared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.readme import training_text, write_section
from benchmarks.rows import Row, conditions, write_csv
from benchmarks.sides import Authors, Straightforward
from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.runs.build import build_distribution, build_phases, build_source, build_tasks
from uhn.paper.settings import RunSettings
from uhn.sources import UniversalHypernetwork
from uhn.tasks import Task
from uhn.training.loop import Loop, Report
from uhn.training.precision import reproducible

HERE = Path(__file__).parent
SIDES = ("ours", "straightforward")
OTHERS = {"straightforward": Straightforward, "authors": Authors}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    settings = Plan(load_config(options.params, options.profile)).run(options.run)
    with reproducible(options.threads):
        tasks = build_tasks(settings, options.data, torch.device("cpu"))
        loops = [loop(settings, tasks, side, options.steps + 1) for side in SIDES]
        steps = timed(loops, options.steps, options.output / "training_steps.csv")
    rows = [row | conditions(options.threads) for row in summary(steps, settings, tasks[0])]
    write_csv(options.output / "training.csv", rows)
    for row in rows:
        print(f"{row['side']}: {row['step_s']:.4g} s a step, {row['rate']:.3g} steps a second")
    print(f"losses differ by at most {rows[0]['loss_difference']:.2e} of their value over {len(steps)} steps")
    if options.output.resolve() == (HERE / "results").resolve():
        write_section(HERE / "README.md", "training", training_text(rows))
    return 0


def loop(
    settings: RunSettings, tasks: Sequence[Task], side: str, steps: int, precision: str = "fp32"
) -> Iterator[Report]:
    """The run's training phase on one side, a report a step.

    Raises:
        ValueError: if the run is not a UHN's or has fewer than ``steps`` steps.
    """
    distribution = build_distribution(settings, tasks)
    source = build_source(settings, distribution)
    phases = [phase for phase in build_phases(settings, tasks) if phase.kind == "train"]
    if not isinstance(source, UniversalHypernetwork) or phases[0].steps < steps:
        raise ValueError(f"wanted a uhn run of {steps} steps, got {source.kind} {settings.name}, {phases[0].steps}")
    if side != "ours":
        source = OTHERS[side](source, distribution.members[0][1])
    trained = Loop(
        source, distribution, phases, seed=settings.seed, precision=precision, report_at=lambda phase, step: True
    )
    return iter(trained)


def timed(loops: Sequence[Iterator[Report]], count: int, path: Path) -> list[Row]:
    """Wall and processor time and loss of ``count + 1`` steps of either side, a row a step; written as they come."""
    found: list[Row] = []
    for number in range(count + 1):
        row: Row = {"step": number}
        for side, reports in zip(SIDES, loops, strict=True):
            start, processor = time.perf_counter(), time.process_time()
            report = next(reports)
            wall, busy = time.perf_counter() - start, time.process_time() - processor
            row |= {f"{side}_s": wall, f"{side}_cpu_s": busy, f"{side}_loss": report.loss}
        found.append(row)
        write_csv(path, found)
        if number == 0:
            minutes = count * sum(row[f"{side}_s"] for side in SIDES) / 60
            print(f"{count} steps a side, about {minutes:.1f} minutes", flush=True)
    return found


def summary(steps: Sequence[Row], settings: RunSettings, task: Task) -> list[Row]:
    """A row a side; the first step, which makes factors and buffers, counts for the losses but not for the times."""
    pairs = [(row["ours_loss"], row["straightforward_loss"]) for row in steps]
    shared = {
        "run": settings.name,
        "data": f"{task.name}, {task.provenance.kind}",
        "steps": len(steps) - 1,
        "loss_difference": max(abs(a - b) / abs(b) for a, b in pairs),
    }
    rows = []
    for side in SIDES:
        wall = [row[f"{side}_s"] for row in steps[1:]]
        median = statistics.median(wall)
        times = {"step_s": median, "step_low_s": min(wall), "step_high_s": max(wall), "rate": 1 / median}
        times["step_cpu_s"] = statistics.median(row[f"{side}_cpu_s"] for row in steps[1:])
        losses = {"first_loss": steps[0][f"{side}_loss"], "last_loss": steps[-1][f"{side}_loss"]}
        rows.append({"side": side, **times, **losses, **shared})
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="mnist-mlp/uhn/seed-21962", help="a run of one model by a UHN")
    parser.add_argument("--profile", default="paper", help="profile of params.yaml (default paper)")
    parser.add_argument("--params", type=Path, default=HERE.parent / "params.yaml")
    parser.add_argument("--data", type=Path, default=HERE.parent / "data", help="data folder (default data)")
    parser.add_argument("--steps", type=int, default=50, help="timed steps a side, after one more (default 50)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default 2)")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for the csv files")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
