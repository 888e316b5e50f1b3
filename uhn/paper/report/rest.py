"""What the paper's full budget still asks for: runs, steps and hours, table by table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from uhn.paper.budget import run_steps
from uhn.paper.costs import Cost
from uhn.paper.names import is_trial
from uhn.paper.plan import Plan
from uhn.paper.settings import RunSettings
from uhn.paper.tables.catalogue import tables

MACHINE = "measured on two cores of a shared server"


@dataclass(frozen=True)
class Line:
    """A table: how many of its final runs are missing, and what they take."""

    id: str
    title: str
    runs: int
    of: int
    steps: int
    hours: str


@dataclass(frozen=True)
class Rest:
    """Every table with runs that are missing, and all of them once."""

    lines: Sequence[Line]
    runs: int
    steps: int
    hours: str
    machine: str = MACHINE


def rest(plan: Plan, done: Collection[str], results: Path) -> Rest:
    """What is left of a plan's final runs (a search's trials are not counted).

    Args:
        plan: the paper's profile.
        done: names of runs that have a result.
        results: folder of the profile, with what was measured of its costs.
    """
    missing = {name: run for name, run in plan.runs.items() if name not in done}
    cost = Cost.known(results, missing.values())
    declared, lines = tables(), []
    for name, names in plan.tables.items():
        finals = [each for each in names if not is_trial(each)]
        runs = [missing[each] for each in finals if each in missing]
        if runs and name in declared:
            title = f"Table {declared[name].number}. {declared[name].title}"
            lines.append(Line(name, title, len(runs), len(finals), _steps(runs), _hours(cost.hours(runs))))
    every = list(missing.values())
    return Rest(lines, len(every), _steps(every), _hours(cost.hours(every)))


def _steps(runs: Sequence[RunSettings]) -> int:
    return sum(map(run_steps, runs))


def _hours(hours: float | None) -> str:
    if hours is None:
        return "not measured"
    return f"{hours:,.0f} h" if hours < 24 * 60 else f"{hours:,.0f} h ({hours / 24 / 365:.1f} years)"
