"""What ``benchmarks/lease.sh`` does on the rented machine: agreement, step times, runs, and eight small files.

Every stage is processes of its own with an end of their own: one that hangs or fails costs its stage, not the rest.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

TABLES = ("table01", "table11", "table05", "table28", "table23", "table04")
"""Whose missing runs are made, in this order."""

FIRST = ("recursive-k1/uhn", "recursive-k1-no-init/uhn", "recursive-k2/uhn", "imdb-transformer/direct")
"""Rows whose runs are made before the others: what a quarter of an hour can bring to its end."""

AGREEMENT, STEP_TIMES, PACKING = (60.0, 0.12), (120.0, 0.25), 15.0
"""Most seconds of the first two stages, and their largest share of the whole; what is left for the files."""

PART_BYTES = 14 * 2**20
"""Largest file of progress."""

PARTS = 4
"""Files of progress: with the log, the timings and the records there are seven."""


SHARED = ("profile", "precision", "out", "results", "work", "data", "params")
"""Options that every stage is given."""


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if options.stage:
        from benchmarks import lease_stages

        return lease_stages.run(options)
    end = time.monotonic() + options.seconds - PACKING
    options.out.mkdir(parents=True, exist_ok=True)
    timings = options.out / "timings.jsonl"
    if (carried := Path(".lease/work/timings.jsonl")).exists() and not timings.exists():
        timings.write_bytes(carried.read_bytes())
    whole = options.seconds - PACKING
    if os.environ.get("UHN_DATA_MIRROR"):
        stage(options, ["fetch"], min(end, time.monotonic() + 90))
    if timings.exists():
        print("timings are carried along: straight on to the runs", flush=True)
    else:
        least = min(AGREEMENT[0], AGREEMENT[1] * whole)
        stage(options, ["agreement:fp32", "agreement:bf16", "check:fp32"], time.monotonic() + least)
        for name in ("steps:ours", "steps:dense", "steps:compiled"):
            stage(options, [name], time.monotonic() + min(STEP_TIMES[0], STEP_TIMES[1] * whole) / 3)
    stage(options, ["work"] * options.processes, end)
    pack(options.out, options.results / options.profile, options.work)
    return 0


def stage(options: argparse.Namespace, names: Iterable[str], end: float) -> None:
    """Run processes side by side; ask what still runs at ``end`` to stop, and kill it soon after."""
    left = end - time.monotonic()
    if left < 1:
        return
    print(f"{time.strftime('%H:%M:%S')} {' '.join(names)}: {left:.0f} s", flush=True)
    shared = [f"--{name}={getattr(options, name)}" for name in SHARED]
    rows = ["--rows", *options.rows] if options.rows else []
    until = f"--end={time.time() + left}"
    command = [sys.executable, "-m", "benchmarks.lease", f"--seconds={left:.0f}", until, *shared, *rows]
    command += ["--tables", *options.tables, "--first", *options.first]
    running = [subprocess.Popen([*command, f"--stage={name}"]) for name in names]
    grace = end + 8
    for process in running:
        for limit, number in ((end, signal.SIGTERM), (grace, signal.SIGKILL)):
            try:
                process.wait(max(0.1, limit - time.monotonic()))
                break
            except subprocess.TimeoutExpired:
                process.send_signal(number)
        process.wait()


def pack(out: Path, results: Path, work: Path) -> None:
    """Records without weights, and progress in files that fit, the furthest first."""
    records = [p for name in ("metrics.json", "history.csv", "costs.json") for p in sorted(results.rglob(name))]
    with tarfile.open(out / "records.tgz", "w:gz") as file:
        for path in records:
            file.add(path, path_in_tree(path))
    parts: list[list[Path]] = [[] for _ in range(PARTS)]
    room = [PART_BYTES] * PARTS
    left_out = []
    for path in sorted(work.rglob("progress.ckpt"), key=lambda p: -p.stat().st_mtime):
        size = path.stat().st_size
        place = next((n for n in range(PARTS) if size <= room[n]), None)
        if place is None:
            left_out.append(str(path))
        else:
            parts[place].append(path)
            room[place] -= size
    for number, paths in enumerate(parts, 1):
        if paths:
            with tarfile.open(out / f"progress-{number}.tgz", "w:gz", compresslevel=1) as file:
                for path in paths:
                    file.add(path, path_in_tree(path))
    finished = sum(path.name == "metrics.json" for path in records)
    print(
        f"{finished} records, {sum(map(len, parts))} unfinished runs kept, left out: {left_out or 'none'}", flush=True
    )


def path_in_tree(path: Path) -> str:
    """Where the next call looks for it: relative to the tree if it lies in it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path).lstrip("/")


def parser() -> argparse.ArgumentParser:
    """The options; ``--stage`` is for the processes that this starts."""
    found = argparse.ArgumentParser(prog="python -m benchmarks.lease", description=__doc__.splitlines()[0])
    found.add_argument("--seconds", type=float, required=True, help="all that there is, files included")
    found.add_argument("--out", type=Path, default=Path("lease-out"), help="folder of the files that come home")
    found.add_argument("--processes", type=int, default=8, help="runs side by side (default 8)")
    found.add_argument("--tables", nargs="+", default=list(TABLES), help=f"whose runs (default {' '.join(TABLES)})")
    found.add_argument(
        "--rows", nargs="+", default=[], help="experiment/method whose steps are timed (default: Table 1)"
    )
    found.add_argument("--first", nargs="*", default=list(FIRST), help="rows (experiment/method) that come first")
    found.add_argument("--precision", default="", help="of the runs (default: their settings)")
    found.add_argument("--profile", default="paper", help="profile of params.yaml (default paper)")
    for name in ("results", "work", "data"):
        found.add_argument(f"--{name}", type=Path, default=Path(name), help=f"folder (default {name})")
    found.add_argument("--params", type=Path, default=Path("params.yaml"))
    found.add_argument("--stage", default="", help=argparse.SUPPRESS)
    found.add_argument("--end", type=float, help=argparse.SUPPRESS)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
