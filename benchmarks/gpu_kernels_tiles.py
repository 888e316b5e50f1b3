"""The kernels by themselves, a stage of :mod:`benchmarks.gpu_kernels` each: agreement, and the time of every tile."""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from uhn.kernels import gpu
from uhn.kernels.gpu import GpuKernels, Tile
from uhn.paper.runs.record import hardware
from uhn.sources.trunk import NORM_EPSILON, mlp
from uhn.sources.whole import WholeTail
from uhn.training.precision import autocast, reproducible

CANDIDATES: dict[tuple[str, bool], list[Tile]] = {
    ("forward", True): [Tile(64, 4), Tile(32, 4), Tile(64, 8), Tile(128, 8)],
    ("backward", True): [Tile(32, 4), Tile(64, 8), Tile(32, 8), Tile(64, 4)],
    ("sum", True): [Tile(128, 4, 3, 64), Tile(128, 8, 3, 64), Tile(64, 4, 4, 64), Tile(128, 8, 4, 32)],
    ("forward", False): [Tile(32, 8), Tile(64, 8)],
    ("backward", False): [Tile(32, 8), Tile(64, 8), Tile(16, 4)],
    ("sum", False): [Tile(64, 4, 3, 32), Tile(128, 8, 3, 32), Tile(64, 8, 2, 32)],
}
"""What is compiled and timed; the first are the library's."""

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
ROWS, WIDTH = (92_231, 128) if CUDA else (70, 16)
"""Of Cora's GCN: rows and width of the trunk."""


def described(error: Exception) -> dict[str, Any]:
    places = [f"{f.filename.split('/')[-1]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:600]}", "at": places[-8:]}


def note(options: argparse.Namespace, **found: Any) -> None:
    """Append a line to ``kernels.jsonl``, whole or not at all, and show it."""
    line = json.dumps({"stage": options.stage} | found | {"processor": hardware(DEVICE)["processor"]})
    with (options.out / "kernels.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line, flush=True)


def noted(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What has been appended so far."""
    path = options.out / "kernels.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


class Case:
    """A trunk with rows of a first layer, and what autograd makes of the same."""

    def __init__(self, width: int, half: bool, rows: int, blocks: int = 2, lines: int = 1) -> None:
        draw = torch.Generator().manual_seed(0)
        square, vector = (width, width), (width,)
        shapes = [vector, (lines, width), *[square, vector] * 2 * blocks, (1, width), (1,)]
        tensors = [torch.randn(shape, generator=draw) for shape in shapes]
        scaled = [(t / width**0.5 if len(t.shape) == 2 else t).to(DEVICE) for t in tensors]
        self.bias, self.features, *self.tail = scaled
        self.kernels, self.half = GpuKernels(half), half
        self.rows = torch.randn(rows, width, generator=draw).to(self.kernels.dtype).to(DEVICE)
        self.upstream = torch.randn(lines, rows, generator=draw).to(DEVICE)
        self.own = WholeTail(self.kernels, self.tail, self.features, self.bias, NORM_EPSILON)
        self.values, self.streams = self.upstream, torch.randn(blocks, rows, width, device=DEVICE)

    def forward(self) -> None:
        self.values, self.streams = self.own.forward(self.rows)

    def backward(self) -> list[Tensor]:
        first = self.own.backward(self.upstream, self.rows, self.streams)
        assert self.own.bias_grad is not None and self.own.structure_grad is not None
        return [self.values, first.float(), self.own.bias_grad, self.own.structure_grad, *self.own.grads]

    def plain(self, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
        """Values and all gradients by autograd; for float32 in the case's precision."""
        given = (self.rows, self.bias, self.features, *self.tail)
        own = [t.detach().to(device, dtype).requires_grad_() for t in given]
        one, zero = torch.ones_like(own[1]), torch.zeros_like(own[1])
        parameters = [part for at in range(3, len(own) - 2, 2) for part in (one, zero, *own[at : at + 2])]
        with autocast("bf16" if self.half and dtype == torch.float32 else "fp32", device):
            values = mlp(own[0] + own[1], own[2], [*parameters, *own[-2:]], several=True)
        found = torch.autograd.grad(values, own, self.upstream.to(device, values.dtype))
        return [values.detach(), *found]


def agreement(options: argparse.Namespace, detail: str) -> None:
    """The kernels and torch's own path on this device against float64 on the CPU."""
    width, half = (int(part) for part in detail.split(":"))
    cases = [(1000, 2, 1), (1, 2, 1), (4097, 2, 1), *([(333, 1, 3)] if half and width == 64 else [])]
    for rows, blocks, lines in cases[: None if CUDA else 1]:
        found: dict[str, Any] = {"what": "agreement", "width": width, "half": half, "rows": rows, "blocks": blocks}
        start = time.monotonic()
        try:
            case = Case(width if CUDA else 16, bool(half), rows if CUDA else 37, blocks, lines)
            case.forward()
            right = case.plain(torch.device("cpu"), torch.float64)
            got, torchs, again = case.backward(), case.plain(DEVICE, torch.float32), case.backward()
            found["kernels"], found["torch"] = apart(got, right), apart(torchs, right)
            found["repeatable"] = all(torch.equal(a, b) for a, b in zip(got, again, strict=True))
        except Exception as error:
            found |= described(error)
        note(options, **found, s=round(time.monotonic() - start, 1))


def apart(got: list[Tensor], right: list[Tensor]) -> list[float]:
    """Relative error of values, the gradient of the rows, and the worst of all gradients."""
    far = [
        float((a.cpu().double() - b.cpu()).norm() / b.norm().clamp(min=1e-30)) for a, b in zip(got, right, strict=True)
    ]
    return [far[0], far[1], max(far[1:])]


def milliseconds(action: Callable[[], object], repeats: int = 12) -> float:
    """Of one call, the best of three series."""
    action()
    best = float("inf")
    for _ in range(3 if CUDA else 1):
        wait()
        start = time.perf_counter()
        for _ in range(repeats if CUDA else 1):
            action()
        wait()
        best = min(best, (time.perf_counter() - start) * 1e3 / (repeats if CUDA else 1))
    return round(best, 4)


def wait() -> None:
    if CUDA:
        torch.cuda.synchronize()


def compile_once(options: argparse.Namespace, detail: str) -> None:
    """Every tile of a kernel once, into Triton's cache on disk; those that fail are noted and tried no more."""
    name, half, *numbers = detail.split(":")[0], detail.split(":")[1] == "1", *detail.split(":")[2:]
    action = actions(half)[name]
    for tile in [CANDIDATES[name, half][int(n)] for n in numbers] or CANDIDATES[name, half]:
        gpu.TILES[name, half] = tile
        found = {"what": "compiled", "kernel": name, "half": half, "tile": asdict(tile)}
        start = time.monotonic()
        try:
            action()
            wait()
            note(options, **found, s=round(time.monotonic() - start, 1))
        except Exception as error:
            note(options, **found, **described(error))


def actions(half: bool) -> dict[str, Callable[[], object]]:
    """What a kernel is timed by."""
    case = Case(WIDTH, half, ROWS)

    def sums() -> None:
        case.kernels.sum_rows(case.rows, case.rows)
        case.kernels.sum_rows(case.rows.float(), case.rows)

    return {"forward": case.forward, "backward": case.backward, "sum": sums}


def tiles(options: argparse.Namespace, detail: str) -> None:
    """Time the tiles, write the best down, then the trunk by torch and by Triton."""
    half, precision = detail == "1", "bf16" if detail == "1" else "fp32"
    with reproducible(1):
        chosen = []
        for name, action in actions(half).items():
            timed = []
            for tile in usable(options, name, half):
                gpu.TILES[name, half] = tile
                try:
                    timed.append((milliseconds(action), tile))
                except Exception as error:
                    note(options, what="tile", kernel=name, half=half, tile=asdict(tile), **described(error))
            if not timed:
                continue
            best = gpu.TILES[name, half] = min(timed, key=lambda pair: pair[0])[1]
            chosen.append((name, half, asdict(best)))
            table = {str(tuple(asdict(tile).values())): ms for ms, tile in timed}
            note(options, what="tile", kernel=name, half=half, ms=table, best=asdict(best))
        path = options.out / "tiles.json"
        before = json.loads(path.read_text()) if path.exists() else []
        path.write_text(json.dumps([entry for entry in before if entry[1] != half] + chosen))
        case = Case(WIDTH, half, ROWS)
        found: dict[str, Any] = {"what": "trunk", "precision": precision, "rows": ROWS, "width": WIDTH}
        found["triton"] = milliseconds(lambda: (case.forward(), case.backward()))
        found["torch"] = milliseconds(lambda: case.plain(DEVICE, torch.float32), 4)
        note(options, **found)


def usable(options: argparse.Namespace, name: str, half: bool) -> list[Tile]:
    """The tiles that a stage before has compiled; all, if none has."""
    done = [
        line["tile"]
        for line in noted(options)
        if line["what"] == "compiled" and (line["kernel"], line["half"]) == (name, half) and "error" not in line
    ]
    return [tile for tile in CANDIDATES[name, half] if asdict(tile) in done] or CANDIDATES[name, half]
