"""Time, memory and error of a generator step: ``python -m benchmarks.generator`` (see README.md beside it).

All sides run in one process, interleaved; peak memory is taken in a process per side.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import memory, sides
from benchmarks.cases import MODELS, SCALING, Case, case
from benchmarks.errors import errors
from benchmarks.plot import scaling_plot
from benchmarks.readme import write_table
from uhn.experiments.record import hardware

HERE = Path(__file__).parent
LIMIT_BYTES = 12 * 10**9
"""The straightforward form is skipped where its features alone are larger."""

SMALL, SMALL_REPEATS = 10_000, 50
"""Models below so many weights are timed at least so often (unless one repeat is asked for)."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    repeats = 1 if options.quick else options.repeats
    rows = []
    for name in options.models:
        rows.append(row(case(name), repeats, options.threads, with_memory=not options.quick))
        print(describe(rows[-1]), flush=True)
        write_csv(options.output / "generator.csv", rows)
    if options.output.resolve() == (HERE / "results").resolve() and not options.quick:
        write_table(HERE / "README.md", rows)
    if not (options.quick or options.no_scaling):
        points = []
        for number in range(len(SCALING)):
            points.append(row(case(f"scaling-{number}"), repeats, options.threads, with_memory=True, exact=False))
            print(describe(points[-1]), flush=True)
            write_csv(options.output / "scaling.csv", points)
        scaling_plot(points, options.output)
    return 0


def row(case: Case, repeats: int, threads: int, *, with_memory: bool, exact: bool = True) -> dict[str, Any]:
    """Everything measured of one model: a line of the csv."""
    plain = case.feature_bytes <= LIMIT_BYTES
    found: dict[str, Any] = {
        "model": case.name,
        "weights": case.spec.num_params,
        "hidden": case.hidden,
        "frequencies": case.frequencies,
        "feature_mib": case.feature_bytes / 2**20,
        "skipped": "" if plain else f"straightforward: features of {case.feature_bytes / 1e9:.1f} GB",
    }
    found |= times(case, repeats, plain)
    if exact:
        found |= errors(case)
    if with_memory:
        held = memory.measure(case.name, "ours", threads)
        found |= {"baseline_mib": held["baseline_mib"], "ours_mib": held["peak_mib"]}
        if plain:
            found["plain_mib"] = memory.measure(case.name, "straightforward", threads)["peak_mib"]
    machine = hardware(torch.device("cpu"))
    named = {key: machine[key] for key in ("processor", "cores")}
    return found | named | {"threads": threads, "torch": torch.__version__}


def times(case: Case, repeats: int, plain: bool) -> dict[str, Any]:
    """Median, smallest and largest wall time and median processor time of every side, one after the other."""
    device = torch.device("cpu")
    products, sines, factor = sides.bound(case, device)
    steps = {"ours": sides.ours(case, device), "products": products, "sines": sines}
    if plain:
        steps["plain"] = sides.straightforward(case, device)
    start = time.perf_counter()
    steps["ours"]()
    found: dict[str, Any] = {"first_step_s": time.perf_counter() - start}
    if repeats > 1:
        for step in steps.values():
            step()
    wall: dict[str, list[float]] = {side: [] for side in steps}
    busy: dict[str, list[float]] = {side: [] for side in steps}
    if 1 < repeats < SMALL_REPEATS and case.spec.num_params < SMALL:
        repeats = SMALL_REPEATS
    for _ in range(repeats):
        for side, step in steps.items():
            scale = factor if side in ("products", "sines") else 1.0
            start, processor = time.perf_counter(), time.process_time()
            step()
            wall[side].append((time.perf_counter() - start) * scale)
            busy[side].append((time.process_time() - processor) * scale)
    found["repeats"] = repeats
    for side in ("ours", "plain", "products", "sines"):
        if side in wall:
            found[f"{side}_s"] = statistics.median(wall[side])
            found[f"{side}_low_s"], found[f"{side}_high_s"] = min(wall[side]), max(wall[side])
            found[f"{side}_cpu_s"] = statistics.median(busy[side])
    if plain:
        found["speedup"] = found["plain_s"] / found["ours_s"]
        found["speedup_cpu"] = found["plain_cpu_s"] / found["ours_cpu_s"]
        found["plain_over_bound"] = found["plain_s"] / (found["products_s"] + found["sines_s"])
        found["plain_is_fair"] = found["plain_over_bound"] <= 2.6
    return found


def describe(line: Mapping[str, Any]) -> str:
    """One line for the screen."""
    text = f"{line['model']} ({line['weights']:,} weights): ours {line['ours_s']:.4g} s"
    if line["skipped"]:
        return f"{text}; skipped {line['skipped']}"
    verdict = "at most" if line["plain_is_fair"] else "ABOVE"
    text += f", straightforward {line['plain_s']:.4g} s, {line['speedup']:.2f}x"
    return f"{text}; straightforward / (products + sines) = {line['plain_over_bound']:.2f}, {verdict} 2.6"


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``rows``, a column for every key, numbers to six digits."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for line in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in line.items()})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator", description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="MODEL", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--repeats", type=int, default=5, help="timed steps a side (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default 2)")
    parser.add_argument("--quick", action="store_true", help="one repeat, no memory, no scaling plot")
    parser.add_argument("--no-scaling", action="store_true", help="leave the scaling plot out")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for csv and plot")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
