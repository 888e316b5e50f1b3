"""Peak memory of one side, in a process of its own: ``python -m benchmarks.memory MODEL SIDE``."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks import sides
from benchmarks.cases import case

STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """Largest resident size of this process so far.

    Linux counts what the parent held at the fork into ``ru_maxrss``, so its own figure is preferred.
    """
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def measure(model: str, side: str, threads: int) -> dict[str, float]:
    """Run three steps in a subprocess; returns ``baseline_mib`` (after imports) and ``peak_mib``."""
    command = [sys.executable, "-m", "benchmarks.memory", model, side, str(threads)]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[1:])} ended with {done.returncode}: {done.stderr[-500:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    model, side, threads = sys.argv[1:4]
    torch.set_num_threads(int(threads))
    baseline = peak_mib()
    step = {"ours": sides.ours, "straightforward": sides.straightforward}[side](case(model), torch.device("cpu"))
    for _ in range(3 if side == "ours" else 2):
        step()
    print(json.dumps({"baseline_mib": baseline, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
