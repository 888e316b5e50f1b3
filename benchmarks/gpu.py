"""The generator step on a GPU under fp16 autocast: ours, straightforward, that compiled; and the machine's ceilings.

    python -m benchmarks.gpu [--seconds 540] [--results benchmarks/results/gpu.jsonl]

Every measurement is a line of the results file; those already there are skipped, so a run that was stopped goes on.
Exit status 0: all done; 3: the time was up, call again. Without a GPU it measures tiny models on the CPU, labelled so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import sides
from benchmarks.cases import MODELS, case
from uhn.paper.runs.record import hardware

UNFINISHED = 3
Job = Callable[[], dict[str, Any]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="Resumable GPU benchmark.")
    parser.add_argument("--seconds", type=float, default=540, help="start nothing new after so long (default 540)")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "gpu.jsonl")
    options = parser.parse_args()
    started = time.monotonic()
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    machine = hardware(device)
    label = {"label": "gpu" if cuda else "cpu, tiny: no GPU here", "processor": machine["processor"]}
    options.results.parent.mkdir(parents=True, exist_ok=True)
    text = options.results.read_text(encoding="utf-8") if options.results.exists() else ""
    done = {tuple(json.loads(line)["key"]) for line in text.splitlines() if line.endswith("}")}
    for name, job in jobs(device):
        key = (label["label"], label["processor"], torch.__version__, *name)
        if key in done:
            continue
        if time.monotonic() - started > options.seconds:
            print(f"time is up before {' '.join(name)}; call again to go on")
            return UNFINISHED
        try:
            found = job()
        except torch.OutOfMemoryError:
            found = {"error": "out of memory"}
        line = json.dumps({"key": key, **label, "torch": torch.__version__, **found})
        with options.results.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)
        if cuda:
            torch.cuda.empty_cache()
    return 0


def jobs(device: torch.device) -> Iterator[tuple[tuple[str, ...], Job]]:
    """(name, measurement) of everything: first the ceilings, then every side of every model."""
    size = 8192 if device.type == "cuda" else 512
    for dtype in (torch.float16, torch.float32) if device.type == "cuda" else (torch.bfloat16, torch.float32):
        yield ("matmul", str(dtype)), partial(matmul, size, dtype, device)
    yield ("copy",), partial(copy, 2**28 if device.type == "cuda" else 2**22, device)
    for model in MODELS if device.type == "cuda" else ("kan-g5",):
        for side in ("ours", "straightforward", "compiled"):
            yield ("step", model, side), partial(step, model, side, device)


def matmul(size: int, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
    """Tera floating-point operations a second of a square product."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    seconds = timed(lambda: a @ b, device)["median_s"]
    return {"what": "matmul", "dtype": str(dtype), "size": size, "tflops": 2 * size**3 / seconds / 1e12}


def copy(elements: int, device: torch.device) -> dict[str, Any]:
    """Bytes read and written a second by a float32 copy."""
    a = torch.ones(elements, device=device)
    b = torch.empty_like(a)
    seconds = timed(lambda: b.copy_(a), device)["median_s"]
    return {"what": "copy", "elements": elements, "gb_per_s": 8 * elements / seconds / 1e9}


def step(model: str, side: str, device: torch.device) -> dict[str, Any]:
    """One side of one model under autocast (fp16 on a GPU, bfloat16 on a CPU)."""
    chosen = case(model)
    found: dict[str, Any] = {"what": "step", "model": model, "side": side, "weights": chosen.spec.num_params}
    memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 12 * 10**9
    if side != "ours" and 2 * chosen.feature_bytes > memory:
        return found | {"skipped": f"features of {chosen.feature_bytes / 1e9:.1f} GB and as much again"}
    if side == "ours":
        run = sides.ours(chosen, device)
    else:
        run = sides.straightforward(chosen, device, compiled=side == "compiled")

    def under_autocast() -> object:
        with torch.autocast(device.type, dtype=torch.float16 if device.type == "cuda" else torch.bfloat16):
            return run()

    start = time.perf_counter()
    under_autocast()
    found["first_s"] = time.perf_counter() - start
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    found |= timed(under_autocast, device)
    if device.type == "cuda":
        found["peak_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
    return found


def timed(action: Callable[[], object], device: torch.device, repeats: int = 15) -> dict[str, float]:
    """Median, smallest and largest seconds of an action, the device awaited each time."""

    def once() -> float:
        start = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    for _ in range(3):
        once()
    found = [once() for _ in range(repeats)]
    return {"median_s": statistics.median(found), "low_s": min(found), "high_s": max(found)}


if __name__ == "__main__":
    raise SystemExit(main())
