"""Time, memory and error of a generator step: ``python -m benchmarks.generator`` (see README.md beside it).

All sides run in one process, interleaved; peak memory is taken in a process per side. The times of all models come
first, then what other work on the machine does not disturb. Every figure is written when it is measured, and a run that
was stopped goes on after the last of them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from benchmarks import memory, sides
from benchmarks.cases import MODELS, SCALING, Case, case
from benchmarks.errors import errors
from benchmarks.plot import scaling_plot
from benchmarks.readme import generator_text, write_section
from benchmarks.rows import Row, conditions, read_csv, same_conditions, write_csv

HERE = Path(__file__).parent
LIMIT_BYTES = 12 * 10**9
"""The straightforward form is skipped where its features alone are larger."""

FAIR = 2.6
"""The straightforward form is a fair opponent if it takes at most so many times its products and sines."""

MEASURES = {"times": "ours_s", "memory": "ours_mib", "errors": "weights_max"}
"""Kinds of figures in the order in which they are measured, with a column that tells whether they were."""

REPEATS = ((10_000, 50), (100_000, 5))
"""(Models below so many weights, timed steps a side); larger ones are timed three times."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    scaling = [] if options.quick or options.no_scaling else [f"scaling-{number}" for number in range(len(SCALING))]
    table = Measured(options.output / "generator.csv", options)
    plot = Measured(options.output / "scaling.csv", options)
    left = [case(n) for n in (*table.missing(options.models, "times"), *plot.missing(scaling, "times"))]
    print(f"{len(left)} models to time, about {estimate(left, options):.0f} minutes with memory and errors", flush=True)
    for kind in ("times", "errors") if options.quick else MEASURES:
        table.measure(options.models, kind)
        plot.measure(scaling if kind != "errors" else (), kind)
    rows, points = table.ordered(), plot.ordered()
    if scaling:
        scaling_plot(points, options.output)
    if options.output.resolve() == (HERE / "results").resolve() and not options.quick:
        write_section(HERE / "README.md", "generator", generator_text(rows, points))
    return 0


class Measured:
    """A csv of measured models; what was measured on this machine with this code often enough is not measured again."""

    def __init__(self, path: Path, options: argparse.Namespace) -> None:
        self.path, self.options = path, options
        self.conditions = conditions(options.threads)
        found = [] if options.fresh else read_csv(path)
        self.rows: dict[str, Row] = {row["model"]: row for row in found if self._holds(row)}

    def _holds(self, row: Row) -> bool:
        return same_conditions(row, self.conditions) and row["repeats"] >= repeats(row["weights"], self.options)

    def missing(self, names: Iterable[str], kind: str) -> list[str]:
        """Those of ``names`` that lack the figures of ``kind``: times, memory or errors."""
        return [name for name in names if MEASURES[kind] not in self.rows.get(name, {})]

    def measure(self, names: Sequence[str], kind: str) -> None:
        """Measure and write what is missing of ``names``, one by one."""
        left = self.missing(names, kind)
        for name in names:
            if name not in left:
                print(f"{name}: {kind} measured before", flush=True)
                continue
            self.rows[name] = self.rows.get(name, {}) | measured(case(name), kind, self.options) | self.conditions
            print(describe(self.rows[name]) if kind == "times" else f"{name}: {kind} measured", flush=True)
            write_csv(self.path, self.ordered())

    def ordered(self) -> list[Row]:
        """All rows, also those measured before, by the paper's order or by size."""
        place = {name: number for number, name in enumerate(MODELS)}
        return sorted(self.rows.values(), key=lambda row: (place.get(row["model"], len(place)), row["weights"]))


def repeats(weights: int, options: argparse.Namespace) -> int:
    """Timed steps a side of a model of so many weights."""
    if options.quick:
        return 1
    if options.repeats is not None:
        return int(options.repeats)
    return next((count for below, count in REPEATS if weights < below), 3)


def estimate(left: Sequence[Case], options: argparse.Namespace) -> float:
    """Minutes that ``left`` will take, from one timed product and what the sides took elsewhere."""
    a, b = torch.randn(2048, 4096), torch.randn(4096, 128)
    torch.mm(a, b)
    start = time.perf_counter()
    for _ in range(5):
        torch.mm(a, b)
    rate = 5 * 2 * a.numel() * b.shape[1] / (time.perf_counter() - start)
    seconds = 0.0
    for chosen in left:
        n, h, m = chosen.spec.num_params, chosen.hidden, chosen.frequencies
        dense = n * h * (8 * m + 24 * h) / rate
        mine, plain = 0.6 * dense, 2.5 * dense if chosen.feature_bytes <= LIMIT_BYTES else 0.0
        count = repeats(n, options)
        seconds += (count + 1) * (mine + plain + 1.3 * dense * min(1.0, sides.BOUND_ROWS / n)) + 2 * mine
        seconds += 0 if options.quick else 8 + 3 * mine + 2 * plain
    return seconds / 60


def measured(case: Case, kind: str, options: argparse.Namespace) -> Row:
    """One kind of figures of a model: columns of its line of the csv."""
    plain = case.feature_bytes <= LIMIT_BYTES
    if kind == "errors":
        return errors(case)
    if kind == "memory":
        held = memory.measure(case.name, "ours", options.threads)
        found: Row = {"baseline_mib": held["baseline_mib"], "ours_mib": held["peak_mib"]}
        if plain:
            found["plain_mib"] = memory.measure(case.name, "straightforward", options.threads)["peak_mib"]
        return found
    found = {
        "model": case.name,
        "weights": case.spec.num_params,
        "hidden": case.hidden,
        "frequencies": case.frequencies,
        "feature_mib": case.feature_bytes / 2**20,
    }
    if not plain:
        found["skipped"] = f"straightforward: features of {case.feature_bytes / 1e9:.1f} GB"
    return found | times(case, repeats(case.spec.num_params, options), plain)


def times(case: Case, repeats: int, plain: bool) -> Row:
    """Median, smallest and largest wall time and median processor time of every side, one after the other."""
    device = torch.device("cpu")
    products, sines, factor = sides.bound(case, device)
    steps = {"ours": sides.ours(case, device), "products": products, "sines": sines}
    if plain:
        steps["plain"] = sides.straightforward(case, device)
    start = time.perf_counter()
    steps["ours"]()
    found: Row = {"first_step_s": time.perf_counter() - start}
    if repeats > 1:
        for side, step in steps.items():
            if side != "ours":
                step()
    wall: dict[str, list[float]] = {side: [] for side in steps}
    busy: dict[str, list[float]] = {side: [] for side in steps}
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
    found["bound_over_ours"] = (found["products_s"] + found["sines_s"]) / found["ours_s"]
    if plain:
        found["speedup"] = found["plain_s"] / found["ours_s"]
        found["speedup_cpu"] = found["plain_cpu_s"] / found["ours_cpu_s"]
        found["plain_over_bound"] = found["plain_s"] / (found["products_s"] + found["sines_s"])
        found["plain_is_fair"] = found["plain_over_bound"] <= FAIR
    return found


def describe(line: Row) -> str:
    """One line for the screen."""
    text = f"{line['model']} ({line['weights']:,} weights): ours {line['ours_s']:.4g} s"
    if "skipped" in line:
        return f"{text}, {line['bound_over_ours']:.2f}x faster than products + sines; skipped {line['skipped']}"
    verdict = "at most" if line["plain_is_fair"] else "ABOVE"
    text += f", straightforward {line['plain_s']:.4g} s, {line['speedup']:.2f}x"
    return f"{text}; straightforward / (products + sines) = {line['plain_over_bound']:.2f}, {verdict} {FAIR}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generator", description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS), metavar="MODEL", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--repeats", type=int, help="timed steps a side (default: 50 of a small model, 5, 3 of large)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default 2)")
    parser.add_argument("--quick", action="store_true", help="one repeat, no memory, no scaling plot")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured before")
    parser.add_argument("--no-scaling", action="store_true", help="leave the scaling plot out")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder for csv and plot")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
