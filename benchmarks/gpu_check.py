"""Does the library's form for a GPU work on this one, and how fast is a step? A quick look before anything long.

    python -m benchmarks.gpu_check [EXPERIMENT/METHOD ...] [--steps 30] [--seconds 150] [--precision fp32]

Per row: milliseconds of a training step one by one and recorded as a CUDA graph, the largest relative difference of the
losses of the first 20 steps (recorded against one by one, and against the CPU for rows that a CPU can afford; dropout
draws other masks there), peak memory; where something fails, the error with file and line. Without a GPU it says so and
takes the CPU.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.runs.build import build_distribution, build_phases, build_source, build_tasks
from uhn.paper.settings import RunSettings
from uhn.sources import WeightSource
from uhn.tasks import Task
from uhn.training.loop import Diverged, Loop
from uhn.training.precision import reproducible

ROWS = (
    *("mnist-mlp/uhn", "kan-kv/uhn", "pubmed-gcn/uhn", "cora-gat/uhn", "mnist-cnn8/uhn", "imdb-transformer/uhn"),
    *("recursive-k0/uhn", "recursive-k1/uhn", "mnist-mlp/direct", "mnist-cnn8/direct", "imdb-transformer/direct"),
    *("cifar10-cnn20/uhn", "agnews-transformer/uhn"),
)
"""What is looked at if nothing is named; rows that params.yaml lacks are skipped."""

ON_CPU = ("mnist-mlp/uhn", "kan-kv/uhn", "pubmed-gcn/uhn", "mnist-mlp/direct")
"""Rows whose losses are compared with the CPU's."""

COMPARED = 20
"""Steps whose losses are compared."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description="A quick look at a GPU.")
    parser.add_argument("rows", nargs="*", help="experiment/method (default: one of every kind)")
    parser.add_argument("--steps", type=int, default=30, help="timed steps (default 30)")
    parser.add_argument("--seconds", type=float, default=150, help="start no row after so long (default 150)")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "fp16"))
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--data", type=Path, default=Path("data"))
    options = parser.parse_args(argv)
    started, cuda = time.monotonic(), torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    print(torch.__version__, torch.cuda.get_device_name() if cuda else "no CUDA device: CPU only", flush=True)
    plan = Plan(load_config(Path("params.yaml"), options.profile))
    failed = 0
    for row in options.rows or ROWS:
        if time.monotonic() - started > options.seconds:
            print("time is up before", row)
            break
        try:
            run = next(r for r in plan.runs.values() if f"{r.experiment}/{r.method}" == row)
        except StopIteration:
            print(row, "is not in this plan", flush=True)
            continue
        run = run.model_copy(update={"precision": options.precision})
        try:
            found = look(run, options.data, device, options.steps, against_cpu=cuda and row in ON_CPU)
            print(row, json.dumps(found), flush=True)
        except Exception as error:
            failed += 1
            places = [f"{f.filename.split('/')[-1]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
            print(row, "FAILED", type(error).__name__, " ".join(str(error).split())[:400], places[-8:], flush=True)
        if cuda:
            torch.cuda.empty_cache()
    return 1 if failed else 0


class Enough(Exception):
    """As many steps as were asked for."""


def look(run: RunSettings, data: Path, device: torch.device, steps: int, *, against_cpu: bool) -> dict[str, Any]:
    """Everything about one row."""
    run = run.model_copy(update={"data": run.data.model_copy(update={"stand_in": True})})
    with reproducible(4 if device.type == "cuda" else 1):
        start = time.perf_counter()
        tasks = build_tasks(run, data, torch.device("cpu"))
        there = [task.to(device) for task in tasks]
        found: dict[str, Any] = {"load_s": round(time.perf_counter() - start, 1)}
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        eager, found["one_by_one_ms"], _ = train(run, there, device, steps, capture=False)
        recorded, found["recorded_ms"], found["said"] = train(run, there, device, 2 * steps, capture=True)
        found["steps_differ"] = apart(recorded, eager)
        if device.type == "cuda":
            found["peak_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
        if against_cpu:
            cpu, found["cpu_ms"], _ = train(run, tasks, torch.device("cpu"), COMPARED // 4, capture=False)
            found["cpu_differs"] = apart(cpu, eager)
    return found


def train(
    run: RunSettings,
    tasks: list[Task],
    device: torch.device,
    steps: int,
    *,
    capture: bool,
    wrap: Callable[[WeightSource], WeightSource] | None = None,
) -> tuple[list[float], float, list[str]]:
    """Losses of the first training steps, milliseconds of each of the last third, and what was said on the way."""
    distribution = build_distribution(run, tasks)
    source = build_source(run, distribution).to(device)
    if wrap is not None:
        source = wrap(source)
    phase = next(p for p in build_phases(run, tasks) if p.kind == "train")
    ends: list[float] = []

    def after_step() -> None:
        if len(ends) in (steps - 1 - steps // 3, steps - 1) and device.type == "cuda":
            torch.cuda.synchronize()
        ends.append(time.perf_counter())
        if len(ends) == steps:
            raise Enough

    loop = Loop(
        source,
        distribution,
        [replace(phase, steps=1000, warmup=0, unit=1)],
        seed=run.seed,
        precision=run.precision,
        capture=capture,
        report_at=lambda phase, step: step <= COMPARED,
        after_step=after_step,
    )
    said: list[str] = []
    loop.steps.say = said.append
    losses = []
    try:
        for report in loop:
            losses.append(report.loss)
    except Diverged as diverged:
        losses.append(diverged.report.loss)
    except Enough:
        pass
    last = steps - 1 - steps // 3
    return losses[:COMPARED], round((ends[-1] - ends[last]) * 1e3 / max(1, len(ends) - 1 - last), 3), said


def apart(a: list[float], b: list[float]) -> float:
    """Largest relative difference of two series of losses, as far as both go."""
    return max((abs(x - y) / max(abs(y), 1e-12) for x, y in zip(a, b, strict=False)), default=float("nan"))


if __name__ == "__main__":
    raise SystemExit(main())
