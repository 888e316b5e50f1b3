"""The steps that a rented GPU timed, as a table in README.md: ``python -m benchmarks.lease_table timings.jsonl``.

What ``benchmarks/lease.sh`` brought home is kept in ``results/lease.jsonl``, the latest line per row and side.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.readme import Row, lease_text, write_section
from uhn.files import write_atomically
from uhn.models import zoo
from uhn.paper.config import load_config
from uhn.paper.plan import Plan

HERE = Path(__file__).parent
SIDES = ("ours", "dense", "compiled")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lease_table", description=__doc__.splitlines()[0])
    parser.add_argument("timings", nargs="*", type=Path, help="timings.jsonl of a lease")
    options = parser.parse_args(arguments)
    kept = HERE / "results" / "lease.jsonl"
    lines = [line for path in (kept, *options.timings) if path.exists() for line in read(path)]
    latest = {
        (line["what"], line.get("row") or line["model"], line.get("side") or line["precision"]): line for line in lines
    }
    write_atomically(kept, "".join(json.dumps(line, sort_keys=True) + "\n" for line in latest.values()))
    write_section(HERE / "README.md", "lease", lease_text(by_row(latest.values()), list(latest.values())))
    return 0


def read(path: Path) -> list[Row]:
    """The lines of a lease that hold a figure."""
    found = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in found if "ms" in line or "weights" in line]


def by_row(lines: Iterable[Row]) -> list[Row]:
    """A row of Table 1 per line, the milliseconds of its sides beside each other."""
    steps = [line for line in lines if line["what"] == "step"]
    runs = {
        f"{run.experiment}/{run.method}": run for run in Plan(load_config(Path("params.yaml"), "paper")).runs.values()
    }
    found: dict[str, dict[str, object]] = {}
    for line in steps:
        row = found.setdefault(line["row"], {"row": line["row"]})
        row["weights"] = zoo(runs[line["row"]].tasks[0].model).num_params
        row[f"{line['side']}_ms"] = line["ms"]
        if "peak_mib" in line:
            row[f"{line['side']}_mib"] = line["peak_mib"]
    for row in found.values():
        others = [row[f"{side}_ms"] for side in SIDES[1:] if f"{side}_ms" in row]
        if others and "ours_ms" in row:
            row["speedup"] = min(others) / row["ours_ms"]  # type: ignore[operator, type-var]
    return list(found.values())


if __name__ == "__main__":
    raise SystemExit(main())
