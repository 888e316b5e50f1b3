"""Whole training steps of Table 1's rows, ours against the authors' arithmetic: ``python -m benchmarks.steps``.

One process, a step of one side after a step of the other, in full precision and in bfloat16; data of the right
shape may stand in. Rows are written as they come, and those measured before on this machine with this code stand.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.readme import steps_text, write_section
from benchmarks.rows import Row, conditions, read_csv, same_conditions, write_csv
from benchmarks.training import loop
from uhn.models import zoo
from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.runs.build import build_tasks
from uhn.paper.settings import RunSettings
from uhn.training.precision import reproducible

HERE = Path(__file__).parent
SIDES = ("ours", "authors")
COPIES = 3
"""How often the dense form holds its features at once: phases, cosines and sines, and both in one."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    plan, path, now = Plan(load_config(options.params, options.profile)), options.output / "steps.csv", conditions(1)
    runs = {run.experiment: run for run in plan.runs.values() if run.method == "uhn"}
    rows = dict.fromkeys(plan.run(name).experiment for name in plan.tables["table01"])
    found = [row for row in read_csv(path) if same_conditions(row, now)]
    for name in options.rows or rows:
        for precision in ("fp32", "bf16"):
            if any((row["row"], row["precision"]) == (name, precision) for row in found):
                continue
            with reproducible(1):
                found.append(measured(runs[name], precision, options) | now)
            print(f"{name} {precision}: {found[-1]}", flush=True)
            found.sort(key=lambda row: [*rows, row["row"]].index(row["row"]))
            write_csv(path, found)
    if found and options.output.resolve() == (HERE / "results").resolve():
        write_section(HERE / "README.md", "steps", steps_text(found))
    return 0


def measured(settings: RunSettings, precision: str, options: argparse.Namespace) -> Row:
    """Median processor seconds of a step of either side after its first, and how far their first losses are apart."""
    settings = settings.model_copy(update={"data": settings.data.model_copy(update={"stand_in": True})})
    tasks = build_tasks(settings, options.data, torch.device("cpu"))
    weights, generator = zoo(settings.tasks[0].model).num_params, settings.generator
    assert generator is not None
    dense = COPIES * weights * 2 * generator.index_frequencies * 4
    sides = SIDES if dense <= options.gigabytes * 1e9 else SIDES[:1]
    loops = {side: loop(settings, tasks, side, options.steps + 1, precision) for side in sides}
    times: dict[str, list[float]] = {side: [] for side in sides}
    losses: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(options.steps + 1):
        for side, reports in loops.items():
            start = time.process_time()
            losses[side].append(next(reports).loss)
            times[side].append(time.process_time() - start)
    row: Row = {"row": settings.experiment, "precision": precision, "weights": weights, "steps": options.steps}
    for side in sides:
        own = times[side][1:]
        row |= {f"{side}_s": statistics.median(own), f"{side}_low_s": min(own), f"{side}_high_s": max(own)}
    if len(sides) > 1:
        row["speedup"] = row["authors_s"] / row["ours_s"]
        row["loss_difference"] = abs(losses["ours"][0] / losses["authors"][0] - 1)
    return row


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="experiments (default: Table 1)")
    parser.add_argument("--profile", default="paper", help="profile of params.yaml (default paper)")
    parser.add_argument("--params", type=Path, default=HERE.parent / "params.yaml")
    parser.add_argument("--data", type=Path, default=HERE.parent / "data", help="data folder (default data)")
    parser.add_argument("--steps", type=int, default=5, help="timed steps a side, after one more (default 5)")
    parser.add_argument("--gigabytes", type=float, default=6, help="memory for the dense form; else it is left out")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for the csv file")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
