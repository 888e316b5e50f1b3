"""The Triton kernels on a real GPU, unattended: are they right, how fast in which tiles, and what a whole step gains.

    MODULE=benchmarks.gpu_kernels benchmarks/lease.sh 195          # or: python -m benchmarks.gpu_kernels --seconds 195

Stages are processes with an end of their own (:mod:`benchmarks.gpu_kernels_stages`). The first come together, since
compiling is their time: agreement with float64, and every tile once. Then alone on the card: tiles are timed and the
best are written down for what follows; whole steps with and without; the largest kernels of a step; runs in a stack.
Everything is a line of ``kernels.jsonl`` as it is found. Without a GPU tiny sizes are interpreted on the CPU.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

STAGES: tuple[tuple[float, tuple[str, ...]], ...] = (
    (
        60,
        (
            "fetch",
            *(f"agreement:{width}:{half}" for half in (1, 0) for width in (128, 64)),
            *(f"compile:backward:{half}:{tile}" for half, tiles in ((1, 4), (0, 3)) for tile in range(tiles)),
            *(f"compile:forward:{half}:{tile}" for half, tiles in ((1, 4), (0, 2)) for tile in range(tiles)),
            *(f"compile:sum:{half}:{tile}" for half, tiles in ((1, 4), (0, 3)) for tile in range(tiles)),
        ),
    ),
    (18, ("tiles:1",)),
    (18, ("tiles:0",)),
    (48, ("steps",)),
    (20, ("profile",)),
    (13, ("alone:0", "alone:1", "alone:2")),
    (16, ("stack",)),
)
"""Most seconds of each, and the processes that run side by side."""


def main(argv: Sequence[str] | None = None) -> int:
    found = argparse.ArgumentParser(prog="python -m benchmarks.gpu_kernels", description=__doc__.splitlines()[0])
    found.add_argument("--seconds", type=float, default=195, help="all that there is (default 195)")
    found.add_argument("--out", type=Path, default=Path("lease-out"), help="folder of kernels.jsonl and tiles.json")
    found.add_argument("--data", type=Path, default=Path("data"))
    found.add_argument("--params", type=Path, default=Path("params.yaml"))
    found.add_argument("--profile", default="paper", help="profile of params.yaml (default paper)")
    found.add_argument("--stage", default="", help=argparse.SUPPRESS)
    found.add_argument("--end", type=float, help=argparse.SUPPRESS)
    options = found.parse_args(argv)
    if options.stage:
        from benchmarks import gpu_kernels_stages

        return gpu_kernels_stages.run(options)
    options.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + options.seconds - 4
    for seconds, names in STAGES:
        together(options, names, min(end, time.monotonic() + seconds))
    return 0


def together(options: argparse.Namespace, names: Sequence[str], end: float) -> None:
    """Run processes side by side until all are done or ``end`` has come."""
    left = end - time.monotonic()
    if left < 4:
        print("time is up before", *names, flush=True)
        return
    print(f"{time.strftime('%H:%M:%S')} {' '.join(names)}: {left:.0f} s", flush=True)
    shared = [f"--{name}={getattr(options, name)}" for name in ("out", "data", "params", "profile")]
    command = [sys.executable, "-m", "benchmarks.gpu_kernels", *shared, f"--end={time.time() + left}"]
    running = []
    for name in names:
        own = dict(os.environ)
        if not name.startswith("alone"):  # through the daemon one's fault is everybody's, and a profiler sees nothing
            own.pop("CUDA_MPS_PIPE_DIRECTORY", None)
        running.append(subprocess.Popen([*command, f"--stage={name}"], env=own))
    for process in running:
        for limit, number in ((end, signal.SIGTERM), (end + 2, signal.SIGKILL)):
            try:
                process.wait(max(0.1, limit - time.monotonic()))
                break
            except subprocess.TimeoutExpired:
                process.send_signal(number)
        process.wait()


def interpret(replace: Callable[[Any, str, Any], None]) -> None:
    """Make Triton's interpreter multiply bfloat16, which it reads as whole numbers; TRITON_INTERPRET=1 is set."""
    from triton.language import bfloat16, float32
    from triton.runtime import interpreter

    builder = interpreter.InterpreterBuilder
    multiply = builder.create_dot

    def create_dot(self: Any, a: Any, b: Any, *rest: Any) -> Any:
        a, b = (self.cast_impl(x, float32) if x.dtype.scalar == bfloat16 else x for x in (a, b))
        return multiply(self, a, b, *rest)

    replace(builder, "create_dot", create_dot)


if __name__ == "__main__":
    raise SystemExit(main())
