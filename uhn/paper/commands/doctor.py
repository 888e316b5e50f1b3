"""``uhn doctor``: whether this machine can do what a profile asks for, before an hour is spent."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from uhn.paper.commands.run import add_places, add_profile, plan_of
from uhn.paper.plan import Plan
from uhn.paper.runs.checkout import commit, in_words

MEMORY_GIB = 3.0
"""What a job of the quick profile may need."""

DISK_GB = 2.0
"""What results, progress files and data of the quick profile may need."""

State = Literal["ok", "note", "wrong"]


class Finding(NamedTuple):
    """What was looked at, how it is, and in words. A note slows or marks results; what is wrong stops runs."""

    what: str
    state: State
    words: str


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``uhn doctor``."""
    add_places(parser)
    add_profile(parser)
    parser.set_defaults(handler=run_doctor)


ARGUMENTS = {"doctor": add_doctor}


def run_doctor(args: argparse.Namespace) -> int:
    """Print a line per finding; 1 if one of them is wrong."""
    found = []
    for finding in examine(plan_of(args), [args.results, args.work, args.data], args.data):
        print(f"{finding.what:10}{finding.state:7}{finding.words}", flush=True)
        found.append(finding.state)
    return int("wrong" in found)


def examine(plan: Plan, folders: list[Path], data: Path) -> Iterator[Finding]:
    """Look at everything that a plan's runs rest on."""
    yield Finding("python", "ok", sys.version.split()[0])
    yield _packages()
    yield _memory()
    yield _disk(folders)
    code = commit()
    yield Finding("git", "ok" if code["commit"] else "note", in_words(code))
    yield _data(plan, data)
    yield _gpu(plan)
    yield _compiler(plan)
    yield _threads(plan)


def _packages() -> Finding:
    try:
        from packaging.requirements import Requirement

        wanted = [Requirement(line) for line in importlib.metadata.requires("uhn") or ()]
    except ImportError:
        return Finding("packages", "note", "uhn is not installed: nothing says which versions it wants")
    bad = []
    for each in wanted:
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("paper", "graphs")):
            got = _version(each.name)
            if got is None or not each.specifier.contains(got, prereleases=True):
                bad.append(f"{each.name}: wanted {each.specifier}, got {got or 'none'}")
    shown = ", ".join(f"{name} {_version(name)}" for name in ("torch", "numpy", "snakemake"))
    return Finding("packages", "wrong", "; ".join(bad)) if bad else Finding("packages", "ok", shown)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory() -> Finding:
    free = available_gib()
    if free is None:
        return Finding("memory", "note", "how much is free cannot be told here")
    state: State = "ok" if free >= MEMORY_GIB else "wrong"
    return Finding("memory", state, f"{free:.1f} GiB free (a job may need {MEMORY_GIB:.0f})")


def available_gib(root: Path = Path("/")) -> float | None:
    """Memory that a process can still have, in GiB: the machine's, or its container's if that is less."""
    free = []
    try:
        lines = (root / "proc/meminfo").read_text(encoding="utf-8").splitlines()
        free += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
        limit = (root / "sys/fs/cgroup/memory.max").read_text(encoding="utf-8").strip()
        used = int((root / "sys/fs/cgroup/memory.current").read_text(encoding="utf-8"))
        free += [int(limit) - used] if limit != "max" else []
    except (OSError, ValueError):
        pass  # another system, or no container
    return min(free) / 2**30 if free else None


def _disk(folders: list[Path]) -> Finding:
    places = [next(place for place in (path, *path.parents) if place.exists()) for path in map(Path.absolute, folders)]
    for path, place in zip(folders, places, strict=True):
        if not os.access(place, os.W_OK | os.X_OK):
            return Finding("disk", "wrong", f"{path} cannot be written")
    free = min(shutil.disk_usage(place).free for place in places) / 1e9
    state: State = "ok" if free >= DISK_GB else "wrong"
    return Finding("disk", state, f"{free:.1f} GB free (wanted {DISK_GB:.0f})")


def _data(plan: Plan, root: Path) -> Finding:
    from uhn.tasks.fetch.mirrors import verify

    states = {name: set(verify(name, root).values()) for name in plan.datasets()}
    changed = [name for name, found in states.items() if "changed" in found]
    absent = [name for name, found in states.items() if "missing" in found and name not in changed]
    needed = [name for name in absent if not plan.may_be_missing(name)]
    if changed:
        return Finding("data", "wrong", f"files have changed, `uhn data fetch {' '.join(changed)}` replaces them")
    cure = f"uhn data fetch {' '.join(needed or absent)}"
    if needed:
        return Finding("data", "wrong", f"not here, and no stand-in may take their place: {cure}")
    if absent:
        return Finding("data", "note", f"not here, stand-ins where they are unavailable: {cure}")
    return Finding("data", "ok", ", ".join(states) or "none needed")


def _gpu(plan: Plan) -> Finding:
    wanted = any(run.compute.device == "cuda" for run in plan.runs.values())
    try:
        import torch

        found = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    except Exception as error:  # a broken installation can raise anything
        return Finding("gpu", "wrong", f"torch does not work: {' '.join(str(error).split())[:200]}")
    if found:
        return Finding("gpu", "ok", ", ".join(found))
    return Finding("gpu", "wrong", "none, but runs want cuda") if wanted else Finding("gpu", "ok", "none, none wanted")


def _compiler(plan: Plan) -> Finding:
    from uhn.kernels.build import CannotBuild, library

    try:
        library(False)
    except CannotBuild as error:
        wanted = any(run.compute.kernel == "fused" for run in plan.runs.values())
        return Finding("compiler", "wrong" if wanted else "note", f"{error}: generators are slower without")
    return Finding("compiler", "ok", "the kernels are compiled")


def _threads(plan: Plan) -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = max((run.compute.threads for run in plan.runs.values()), default=1)
    policy = os.environ.get("OMP_WAIT_POLICY", "none").lower()
    words = f"{cores} cores, up to {most} thread{'s' * (most > 1)} a run, wait policy {policy}"
    load = os.getloadavg()[0]
    if load > cores:
        words += f"; other work runs here (load {load:.1f})"
    return Finding("threads", "ok" if most <= cores and policy == "passive" and load <= cores else "note", words)
