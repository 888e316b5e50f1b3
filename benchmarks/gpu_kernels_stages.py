"""The stages of :mod:`benchmarks.gpu_kernels`, each in a process of its own: here those that are whole steps."""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks import gpu_check
from benchmarks.gpu_kernels import interpret
from benchmarks.gpu_kernels_tiles import (
    CANDIDATES,
    CUDA,
    DEVICE,
    WIDTH,
    agreement,
    compile_once,
    described,
    note,
    noted,
    tiles,
    wait,
)
from uhn.kernels import gpu
from uhn.kernels.gpu import Tile
from uhn.paper.config import load_config
from uhn.paper.plan import Plan
from uhn.paper.runs.build import build_distribution, build_phases, build_source, build_tasks
from uhn.paper.runs.identity import resolved
from uhn.paper.settings import RunSettings
from uhn.training.loop import Loop
from uhn.training.precision import reproducible
from uhn.training.stack import Stack, Together, forward

STEPPED = ("mnist-mlp", "mnist-cnn8", "citeseer-gcn", "agnews-transformer", "cora-gcn", "pubmed-gcn", "cora-gat")
STEPPED += ("citeseer-gat", "pubmed-gat")
PROFILED = ("mnist-mlp", "mnist-cnn8", "citeseer-gcn", "agnews-transformer")

LIBRARY, BEST = dict(gpu.TILES), dict(gpu.TILES)

FUSED = "fused" if CUDA else "auto"

SEEDS, STACKED_STEPS, BOTH = (21962, 59358, 78117), 300 if CUDA else 24, 20


def run(options: argparse.Namespace) -> int:
    """Run the stage that ``options.stage`` names, ``kind:detail``."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))  # even in the middle of a compiler
    kind, _, detail = options.stage.partition(":")
    if not CUDA:
        os.environ["TRITON_INTERPRET"] = "1"
        torch.set_num_threads(1)
        if kind in ("agreement", "compile", "tiles"):
            interpret(setattr)
            gpu.TILES.update({key: Tile(16, 4, 1, 16) for key in gpu.TILES})
            CANDIDATES.update({key: [Tile(16, 4, 1, 16), Tile(32, 4, 1, 16)] for key in CANDIDATES})
    if kind not in ("fetch", "compile", "agreement") and (options.out / "tiles.json").exists():
        chosen = json.loads((options.out / "tiles.json").read_text())
        BEST.update({(name, half): Tile(**tile) for name, half, tile in chosen})
    started = time.monotonic()
    try:
        STAGES[kind](options, detail)
    except Exception as error:
        note(options, what=kind, detail=detail, **described(error))
    print(f"{options.stage}: {time.monotonic() - started:.1f} s", flush=True)
    return 0


def fetch(options: argparse.Namespace, detail: str) -> None:
    """Bring the data here that the carried folder has."""
    from uhn.paper.cli import main

    if os.environ.get("UHN_DATA_MIRROR"):
        main(["data", "fetch", "--allow-missing", "--root", str(options.data)])


def rows_of(options: argparse.Namespace, names: tuple[str, ...]) -> list[RunSettings]:
    """The rows' settings, without dropout data of their own; rows that the profile lacks are left out."""
    plan = Plan(load_config(options.params, options.profile))
    found = {f"{run.experiment}/{run.method}": run for run in reversed(plan.runs.values())}
    wanted = [resolved(found[f"{name}/uhn"]) for name in names if f"{name}/uhn" in found]
    return [run.model_copy(update={"data": run.data.model_copy(update={"stand_in": True})}) for run in wanted]


def through(run: RunSettings, kernel: str, precision: str) -> RunSettings:
    compute = run.compute.model_copy(update={"kernel": kernel})
    return run.model_copy(update={"compute": compute, "precision": precision})


def tiled(run: RunSettings) -> None:
    """Take the tiles that were the best, where they were timed; at another width the library's, compiled already."""
    gpu.TILES.update(BEST if run.generator.hidden == WIDTH else LIBRARY)


def steps(options: argparse.Namespace, detail: str) -> None:
    """Whole steps, recorded as graphs, by torch alone and through the kernels; and how far the losses are apart."""
    for run in rows_of(options, STEPPED):
        with reproducible(1):
            try:
                tasks = build_tasks(run, options.data, DEVICE)
            except Exception as error:
                note(options, what="step", row=run.name, **described(error))
                continue
            for precision in ("bf16", "fp32") if run.experiment == "mnist-mlp" else ("bf16",):
                if time.time() > options.end - 4:
                    print("time is up before", run.name, flush=True)
                    return
                found: dict[str, Any] = {"what": "step", "row": run.name, "precision": precision}
                losses: dict[str, list[float]] = {}
                for kernel in ("eager", FUSED):
                    if CUDA:
                        torch.cuda.empty_cache()
                        torch.cuda.reset_peak_memory_stats()
                    tiled(run)
                    try:
                        own = through(run, kernel, precision)
                        losses[kernel], ms, said = gpu_check.train(own, tasks, DEVICE, 30 if CUDA else 3, capture=True)
                        found |= {f"{kernel}_ms": ms, f"{kernel}_said": said, f"{kernel}_losses": losses[kernel][:3]}
                        if CUDA:
                            found[f"{kernel}_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
                    except Exception as error:
                        found[kernel] = described(error)
                if len(losses) == 2:
                    found["apart"] = [gpu_check.apart(losses[FUSED][:n], losses["eager"][:n]) for n in (1, 5, BOTH)]
                note(options, **found)


@dataclass
class Counted:
    """Called after each step; raises :class:`gpu_check.Enough` after the last."""

    steps: int
    then: Callable[[], object]

    def __call__(self) -> None:
        wait()
        self.then()
        self.steps -= 1
        if self.steps == 0:
            raise gpu_check.Enough


def profile(options: argparse.Namespace, detail: str) -> None:
    """The largest kernels of one step of a few rows."""
    from torch.profiler import ProfilerActivity, schedule
    from torch.profiler import profile as profiler

    for run in rows_of(options, PROFILED):
        if time.time() > options.end - 4:
            print("time is up before", run.name, flush=True)
            return
        try:
            with reproducible(1):
                tasks = build_tasks(run, options.data, DEVICE)
                distribution = build_distribution(run, tasks)
                tiled(run)
                own = through(run, FUSED, "bf16")
                source = build_source(own, distribution).to(DEVICE)
                phase = next(p for p in build_phases(run, tasks) if p.kind == "train")
                kind = ProfilerActivity.CUDA if CUDA else ProfilerActivity.CPU
                with profiler(activities=[kind], schedule=schedule(wait=3, warmup=1, active=2)) as seen:
                    after = Counted(6, seen.step)
                    phases = [replace(phase, steps=1000, warmup=0, unit=1)]
                    given: dict[str, Any] = {"seed": run.seed, "precision": "bf16", "capture": False}
                    with suppress(gpu_check.Enough):
                        for _ in Loop(source, distribution, phases, after_step=after, **given):
                            pass
            kernels: dict[str, list[float]] = {}
            for event in seen.events() or ():
                there = event.device_type == torch.autograd.DeviceType.CUDA
                took = event.time_range.elapsed_us() if CUDA else event.self_cpu_time_total
                if there == CUDA and not event.name.startswith("ProfilerStep"):
                    entry = kernels.setdefault(event.name[:110], [0.0, 0])
                    entry[0], entry[1] = entry[0] + took / 2, entry[1] + 1
            table = sorted(kernels.items(), key=lambda item: -item[1][0])
            total = sum(entry[0] for entry in kernels.values())
            top = [(name, round(us, 1), count / 2) for name, (us, count) in table[:20]]
            note(options, what="profile", row=run.name, total_us=round(total, 1), us_and_calls=top)
        except Exception as error:
            note(options, what="profile", row=run.name, **described(error))


def seeded(options: argparse.Namespace) -> list[RunSettings]:
    run = rows_of(options, ("mnist-mlp",))[0]
    tiled(run)
    return [through(run, "auto", "bf16").model_copy(update={"seed": seed}) for seed in SEEDS]


def trained(options: argparse.Namespace, runs: list[RunSettings]) -> tuple[list[list[float]], float]:
    """Losses of the first steps of runs, as a stack if they are several, and steps per second of the last half."""
    with reproducible(1):
        tasks = [build_tasks(run, options.data, DEVICE) for run in runs]
        distributions = [build_distribution(run, own) for run, own in zip(runs, tasks, strict=True)]
        sources = [build_source(run, own).to(DEVICE) for run, own in zip(runs, distributions, strict=True)]
        phase = next(p for p in build_phases(runs[0], tasks[0]) if p.kind == "train")
        ends: list[float] = []

        def after() -> None:
            if len(ends) in (STACKED_STEPS // 2, STACKED_STEPS - 1):
                wait()
            ends.append(time.perf_counter())
            if len(ends) == STACKED_STEPS:
                raise gpu_check.Enough

        given: dict[str, Any] = {"seed": runs[0].seed, "precision": "bf16", "after_step": after}
        given |= {"report_at": lambda phase, step: step <= BOTH}
        phases = [replace(phase, steps=100_000, warmup=0, unit=1)]
        if len(runs) == 1:
            loop = Loop(sources[0], distributions[0], phases, **given)
        else:
            joint = Together(tuple(own[0] for own in tasks), SEEDS, distributions[0].members[0][1])
            loop = Loop(Stack(sources), joint, phases, forward=forward, **given)
        losses = []
        with suppress(gpu_check.Enough):
            for report in loop:
                losses.append(list(report.each or (report.loss,)))
    half = STACKED_STEPS // 2
    return losses, (len(ends) - 1 - half) / (ends[-1] - ends[half])


def alone(options: argparse.Namespace, detail: str) -> None:
    """One of three runs at once, each in its process."""
    losses, rate = trained(options, [seeded(options)[int(detail)]])
    note(
        options, what="alone", seed=SEEDS[int(detail)], steps_per_s=round(rate, 1), losses=[each[0] for each in losses]
    )


def stack(options: argparse.Namespace, detail: str) -> None:
    """The same three as one program, compared with what the others have left."""
    losses, rate = trained(options, seeded(options))
    found: dict[str, Any] = {"what": "stack", "runs": len(SEEDS), "steps_per_s": round(rate, 1), "losses": losses[:3]}
    before = {line["seed"]: line for line in noted(options) if line.get("what") == "alone" and "seed" in line}
    for number, seed in enumerate(SEEDS):
        if seed in before:
            own = [each[number] for each in losses]
            found[f"apart_{seed}"] = [gpu_check.apart(own[:n], before[seed]["losses"][:n]) for n in (1, 5, BOTH)]
    found["all_alone_per_s"] = [line["steps_per_s"] for line in before.values()]
    note(options, **found)


STAGES: dict[str, Callable[[argparse.Namespace, str], None]] = {
    "fetch": fetch,
    "agreement": agreement,
    "compile": compile_once,
    "tiles": tiles,
    "steps": steps,
    "profile": profile,
    "alone": alone,
    "stack": stack,
}
