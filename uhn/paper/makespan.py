"""How long a plan takes on so many machines: its jobs, longest way to the end first, each to the first that is free."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uhn.paper.costs import Cost
from uhn.paper.plan import Plan


@dataclass(frozen=True)
class Job:
    """What one job of the workflow costs, and which jobs have to end before it starts."""

    hours: float
    after: tuple[str, ...] = ()


def jobs_of(plan: Plan, cost: Cost) -> dict[str, Job] | None:
    """The jobs that train, by name; None if one of them has not been timed.

    Where runs have jobs of their own, so have a sweep's trials, and a stage waits for all of the stage before;
    otherwise one job carries a sweep from its first stage to the last. Final runs wait for the sweeps they take from.
    """
    found: dict[str, tuple[list[str], tuple[str, ...]]] = {}
    last: dict[str, tuple[str, ...]] = {}  # of a sweep: the jobs that it ends with
    if plan.config.profile.grouping == "run":
        for key, sweep in plan.sweeps.items():
            before: tuple[str, ...] = ()
            for stage in sweep.stages:
                names = sweep.run_names(stage)
                found |= {name: ([name], before) for name in names}
                before = tuple(names) or before
            last[key] = before
    else:
        for job, keys in plan.sweep_groups.items():
            found[job] = ([name for key in keys for name in plan.trial_names(key)], ())
            last |= {key: (job,) for key in keys}
    for job, names in plan.groups.items():
        found[job] = ([*names], tuple(name for key in plan.selections_of(names) for name in last[key]))
    jobs = {}
    for job, (runs, after) in found.items():
        hours = cost.hours(plan.run(name) for name in runs)
        if hours is None:
            return None
        jobs[job] = Job(hours, after)
    return jobs


def check_machines(workers: int) -> None:
    """Raise ``ValueError`` unless there is a machine."""
    if workers < 1:
        raise ValueError(f"wanted at least 1 machine, got {workers}")


def makespan(jobs: Mapping[str, Job], workers: int) -> float:
    """Hours from the first start to the last end.

    Args:
        jobs: by name; ``after`` names others of them, in no circle.
        workers: machines, each with one job at a time.
    """
    check_machines(workers)
    following: dict[str, list[str]] = {name: [] for name in jobs}
    for name, job in jobs.items():
        for other in job.after:
            following[other].append(name)
    waits = {name: len(job.after) for name, job in jobs.items()}
    order = _in_order(jobs, following, waits)
    tail: dict[str, float] = {}
    for name in reversed(order):
        tail[name] = jobs[name].hours + max((tail[other] for other in following[name]), default=0.0)
    ready = [(-tail[name], name) for name, count in waits.items() if count == 0]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            name = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + jobs[name].hours, name))
        now, ended = heapq.heappop(running)
        for name in following[ended]:
            waits[name] -= 1
            if waits[name] == 0:
                heapq.heappush(ready, (-tail[name], name))
    return now


def _in_order(
    jobs: Mapping[str, Job], following: Mapping[str, Sequence[str]], waits: Mapping[str, int]
) -> Sequence[str]:
    """Names so that each comes after those that it waits for."""
    left, order = {**waits}, [name for name in jobs if waits[name] == 0]
    for name in order:
        for other in following[name]:
            left[other] -= 1
            if left[other] == 0:
                order.append(other)
    return order


def describe_makespans(plan: Plan, cost: Cost, workers: Sequence[int]) -> str:
    """A line per number of machines: hours, the share of their time that is used, and what bounds it."""
    jobs = jobs_of(plan, cost)
    if jobs is None:
        return "machines: not every run has been timed; `uhn plan --measure` does it"
    total = sum(job.hours for job in jobs.values())
    lines = [f"{'machines':>8}{'hours':>12}{'days':>9}{'used':>7}"]
    for count in workers:
        hours = makespan(jobs, count)
        used = total / (hours * count) if hours else 1.0
        lines.append(f"{count:>8,}{hours:>12,.1f}{hours / 24:>9,.1f}{used:>7.0%}")
    longest = max(jobs, key=lambda name: jobs[name].hours)
    lines.append(f"longest job: {longest}, {jobs[longest].hours:,.1f} hours")
    return "\n".join(lines)
