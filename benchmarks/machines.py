"""How long the whole paper takes on GPUs: ``python -m benchmarks.machines 1 4 16 64``.

Steps that a rented GPU timed (``results/lease.jsonl``, and an earlier lease's below) stand as they are. A row that
nobody timed there takes its time on the CPU (``costs.json`` of the kept results) times what a relative of it gained, or
that time itself where it has none. An initialisation step counts as a training step. One run per GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.lease_table import HERE, read
from uhn.paper.config import load_config
from uhn.paper.costs import Cost, group, read_costs
from uhn.paper.makespan import describe_makespans
from uhn.paper.plan import Plan

EARLIER: Final = {
    "cifar10-cnn20/uhn": 22.3,
    "imdb-transformer/uhn": 36.2,
    "imdb-transformer/direct": 16.2,
    "recursive-k0/uhn": 4.2,
    "recursive-k1/uhn": 9.9,
    "kan-kv/uhn": 11.3,
}
"""Milliseconds of a step, three processes on the card: upper limits (README.md)."""

RELATIVES: Final = (
    ("cifar10-", "/uhn", "cifar10-cnn20/uhn"),
    ("cifar10-", "", "mnist-cnn8/direct"),  # direct, HA and Chunked: the model is most of the step
    ("cnn-mixed-", "", "cifar10-cnn20/uhn"),
    ("multi-task", "", "cifar10-cnn20/uhn"),
    ("transformer-mixed", "", "imdb-transformer/uhn"),
    ("recursive-", "", "recursive-k1/uhn"),
    ("kan-", "/uhn", "kan-kv/uhn"),
)
"""Beginning and end of a row's name, and the row, timed on both, whose gain it takes; the first that fits."""


def timed() -> dict[str, float]:
    """Seconds of a step by row, as timed on a GPU."""
    lines = (line for line in read(HERE / "results" / "lease.jsonl") if line["what"] == "step")
    own = {str(line["row"]): float(line["ms"]) for line in lines if line["side"] == "ours"}
    return {row: ms / 1000 for row, ms in (EARLIER | own).items()}


def on_a_gpu(cpu: Mapping[str, Mapping[str, float]]) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds of a step of every row that a CPU was timed for, and for each where they are from."""
    gpu, found, said = timed(), dict[str, float](), dict[str, str]()
    for row, seconds in cpu.items():
        relative = next(
            (name for start, end, name in RELATIVES if row.startswith(start) and row.endswith(end) and name in gpu),
            None,
        )
        if row in gpu:
            found[row], said[row] = gpu[row], "timed"
        elif relative is None:
            found[row], said[row] = seconds["train"], "the CPU's"
        else:
            gain = cpu[relative]["train"] / gpu[relative]
            found[row], said[row] = seconds["train"] / gain, f"the CPU's / {gain:.3g}, as {relative}"
    return found, said


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machines", description=__doc__.splitlines()[0])
    parser.add_argument("machines", nargs="+", type=int, help="how many GPUs")
    options = parser.parse_args(arguments)
    plan = Plan(load_config(Path("params.yaml"), "paper"))
    seconds, said = on_a_gpu(read_costs(Path("results/reference/paper")))
    cost = Cost({row: {"init": value, "train": value} for row, value in seconds.items()})
    hours = dict.fromkeys(said, 0.0)
    for run in (plan.runs | plan.trials).values():
        hours[group(run)] += cost.hours([run]) or 0.0
    total = sum(hours.values())
    for row in sorted(hours, key=lambda name: -hours[name]):
        print(f"{row:<34}{1000 * seconds[row]:>9.2f} ms{hours[row]:>10,.1f} h{hours[row] / total:>7.1%}  {said[row]}")
    share = sum(hours[row] for row, where in said.items() if where == "timed") / total
    print(f"{share:.0%} of the hours rest on steps that were timed on a GPU")
    print(describe_makespans(plan, cost, options.machines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
