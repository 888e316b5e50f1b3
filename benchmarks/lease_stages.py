"""The stages of a rented quarter of an hour (see :mod:`benchmarks.lease`): each runs in a process of its own."""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_check
from benchmarks.cases import Case, case
from benchmarks.sides import Straightforward
from uhn.files import write_atomically
from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.runs.build import build_distribution, build_tasks
from uhn.paper.runs.identity import resolved
from uhn.paper.runs.jobs import run_all
from uhn.paper.runs.queue import Queue, work_off
from uhn.paper.runs.record import hardware
from uhn.paper.runs.stacked import execute_stack, stacks
from uhn.paper.settings import RunSettings
from uhn.sources import UniversalHypernetwork, WeightSource
from uhn.tasks.fetch.checksums import DataError
from uhn.training.interrupts import Stopped
from uhn.training.precision import autocast, reproducible

MODELS = ("kan-g5", "gcn-pubmed", "mlp-mnist", "cnn8-mnist", "gcn-cora")
"""Generated on the CPU and on the GPU and compared, cheapest first."""

STEPS = 30
"""Timed steps of a row, ten of them behind the others."""


def run(options: argparse.Namespace) -> int:
    """Run the stage that ``options.stage`` names, ``kind:detail``."""
    options.end = time.monotonic() + (options.seconds if options.end is None else options.end - time.time())
    kind, _, detail = options.stage.partition(":")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return STAGES[kind](options, detail, device)


def note(options: argparse.Namespace, device: torch.device, **found: Any) -> None:
    """Append a line to the timings, whole or not at all, and show it."""
    machine = {"processor": hardware(device)["processor"], "torch": torch.__version__}
    line = json.dumps(found | machine)
    with (options.out / "timings.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line, flush=True)


def fetch(options: argparse.Namespace, detail: str, device: torch.device) -> int:
    """Bring the data here that the carried folder has."""
    from uhn.paper.cli import main

    return main(["data", "fetch", "--allow-missing", "--root", str(options.data)])


def agreement(options: argparse.Namespace, precision: str, device: torch.device) -> int:
    """Weights and gradients of whole generators on this device against the CPU's float32."""
    for name in MODELS[:1] if device.type == "cpu" else MODELS:
        if time.monotonic() > options.end - 3:
            break
        with reproducible(1):
            wanted, got = generated(case(name), torch.device("cpu"), "fp32"), generated(case(name), device, precision)
        apart = [float((a - b).norm() / b.norm().clamp_min(1e-30)) for a, b in zip(got, wanted, strict=True)]
        found = {"weights": apart[0], "worst_gradient": max(apart[1:])}
        note(options, device, what="agreement", model=name, precision=precision, **found)
    return 0


def generated(chosen: Case, device: torch.device, precision: str) -> list[torch.Tensor]:
    """Weights of a model and the gradients of the generator's parameters, in float64 on the CPU."""
    generator = chosen.generator().to(device)
    with autocast(precision, device):
        flat = generator(chosen.spec).float()
    grads = torch.autograd.grad(flat, list(generator.parameters()), chosen.upstream().to(device))
    return [t.detach().cpu().double() for t in (flat, *grads)]


def check(options: argparse.Namespace, precision: str, device: torch.device) -> int:
    """Losses of the first steps, recorded, one by one and on the CPU, of a few rows."""
    rows = options.rows or ["kan-kv/uhn", "mnist-mlp/uhn"]
    arguments = [
        *rows,
        "--steps",
        "24",
        "--seconds",
        str(options.end - time.monotonic() - 10),
        "--precision",
        precision,
    ]
    return gpu_check.main([*arguments, "--profile", options.profile, "--data", str(options.data)])


def steps(options: argparse.Namespace, side: str, device: torch.device) -> int:
    """Whole training steps of every row: ours | dense features, eager, fp16 | the same compiled."""
    plan = Plan(load_config(options.params, options.profile))
    rows = {f"{r.experiment}/{r.method}": r for name in plan.tables["table01"] for r in [plan.run(name)]}
    costs: dict[str, dict[str, float]] = {}
    for row, settings in rows.items():
        if (options.rows and row not in options.rows) or (side != "ours" and settings.method != "uhn"):
            continue
        if time.monotonic() > options.end - 5:
            print("time is up before", row, flush=True)
            break
        found: dict[str, Any] = {"what": "step", "row": row, "side": side}
        try:
            found |= timed(settings, side, options.data, device)
        except Exception as error:  # one row must not cost the others
            places = [f"{f.filename.split('/')[-1]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
            found |= {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", "at": places[-5:]}
        note(options, device, **found)
        if side == "ours" and "ms" in found:
            costs[row] = dict.fromkeys(("init", "train"), found["ms"] / 1e3)
            content = {"hardware": hardware(device), "seconds_per_step": costs}
            path = options.results / options.profile / "costs.json"
            write_atomically(path, json.dumps(content, indent=1, sort_keys=True) + "\n")
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return 0


def timed(settings: RunSettings, side: str, data: Path, device: torch.device) -> dict[str, Any]:
    """Milliseconds of a training step of one side, and the first losses."""
    settings = resolved(settings.model_copy(update={"data": settings.data.model_copy(update={"stand_in": True})}))
    wrap: Callable[[WeightSource], WeightSource] | None = None
    if side != "ours":
        settings = settings.model_copy(update={"precision": "fp16" if device.type == "cuda" else "bf16"})
        spec = build_distribution(settings, build_tasks(settings, data, torch.device("cpu"))).members[0][1]

        def wrap(source: WeightSource) -> WeightSource:
            assert isinstance(source, UniversalHypernetwork)
            plain = Straightforward(source, spec)
            if side == "compiled":
                plain.compile()
            return plain

    with reproducible(1):
        tasks = build_tasks(settings, data, device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        losses, milliseconds, said = gpu_check.train(settings, tasks, device, STEPS, capture=side == "ours", wrap=wrap)
        found: dict[str, Any] = {
            "ms": milliseconds,
            "losses": losses[:3],
            "precision": settings.precision,
            "said": said,
        }
        if device.type == "cuda":
            found["peak_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return found


def work(options: argparse.Namespace, detail: str, device: torch.device) -> int:
    """Make missing runs, cheapest first; several of these share them."""
    plan = Plan(load_config(options.params, options.profile), options.results / options.profile)
    assert plan.results is not None
    results, folder, missing = plan.results, options.work / plan.profile, set[str]()
    end = options.end - 4  # a running step and its files must fit in

    def train_them(runs: Sequence[RunSettings]) -> None:
        settings = runs[0]
        if time.monotonic() >= end:
            raise Stopped
        if missing & {task.dataset for task in settings.tasks}:
            return
        try:
            run_all(
                [runs],
                lambda stack: execute_stack(stack, results=results, work=folder, data_root=options.data, deadline=end),
                results=results / "runs",
                work=folder,
                wait=False,
            )
        except DataError as error:
            print(f"{settings.name}: {' '.join(str(error).split())[:300]}", flush=True)
            missing.update(task.dataset for task in settings.tasks)
        except ValueError as error:
            print(f"{settings.name}: {' '.join(str(error).split())[:300]}", flush=True)
        except torch.OutOfMemoryError as error:
            print(f"{settings.name}: {str(error).splitlines()[0]}; this process makes room for the others", flush=True)
            raise Stopped from None

    reference = Path("results/reference") / plan.profile
    waiting = [run for table in options.tables if table in plan.tables for run in Queue.of(plan, reference, table).runs]
    if options.precision:
        waiting = [run.model_copy(update={"precision": options.precision}) for run in waiting]
    waiting.sort(key=lambda run: first_of(f"{run.experiment}/{run.method}", options.first))
    work_off(stacks({run.name: run for run in waiting}.values()), train_them)
    return 0


def first_of(row: str, first: list[str]) -> int:
    """Place of a row among those that come first, behind all of them if it is not among them."""
    return next((place for place, name in enumerate(first) if row == name), len(first))


STAGES = {"fetch": fetch, "agreement": agreement, "check": check, "steps": steps, "work": work}
