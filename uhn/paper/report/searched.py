"""What sweeps leave for the tables: their grids, what they chose and why (Tables 12 to 16 and 18 to 22)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uhn.paper.plan import Plan
from uhn.paper.runs.identity import same_settings
from uhn.paper.runs.results import Run
from uhn.paper.sweeps.stages import Outcome, Sweep, Values
from uhn.paper.tables.columns import NOT_SWEPT
from uhn.paper.tables.several import MULTI_TASK

Facts = dict[str, dict[str, dict[str, Any]]]


def sweep_facts(plan: Plan, full: Mapping[str, Sweep], runs: Mapping[str, Run]) -> Facts:
    """Return ``grid-<method>``, ``selected-<method>`` and ``guardrails``, see :mod:`uhn.paper.report.facts`.

    Args:
        plan: the profile's, with its results.
        full: every sweep of the paper's protocol; the grid of one that the profile leaves out is shown as it would be.
        runs: the profile's runs, with those of the trials.

    Raises:
        ValueError: for a broken outcome.
    """
    facts: Facts = {}
    for key, sweep in (dict(full) | plan.sweeps).items():
        swept, reduced = key in plan.sweeps, key in full and plan.sweeps.get(key, sweep) != full[key]
        kind = NOT_SWEPT if not swept else "reduced" if reduced else "our grid" if sweep.entry.around else "real"
        other = key in full and sweep.unit != full[key].unit
        facts.setdefault(f"grid-{sweep.method}", {})[sweep.experiment] = _told(grid(sweep), sweep, other) | {
            "kind": kind
        }
        if not swept:
            continue
        if plan.results is not None and (found := Outcome.read(sweep.file(plan.results, sweep.stages[-1]))):
            kinds = ["reduced"] if reduced else []
            trials = [runs[name] for name in plan.trial_names(key) if name in runs]
            if any(data.get("kind") == "stand-in" for run in trials for data in run["data"]):
                kinds.append("stand-in")
            same = all(same_settings(run.settings, plan.run(run.name)) for run in trials)
            if not same or not in_grid(found.values, sweep):
                kinds.append("other settings")
            chosen = _told(asdict(found.values), sweep, other) | {"kind": kinds}
            facts.setdefault(f"selected-{sweep.method}", {})[sweep.experiment] = chosen
        rails = sweep.entry.guardrails
        for row, (*_, dataset) in MULTI_TASK.items() if rails else ():
            if dataset in rails:
                kind = "reduced" if reduced and rails != full[key].entry.guardrails else "real"
                facts.setdefault("guardrails", {})[row] = {"guardrail": rails[dataset], "kind": kind}
    return facts


def grid(sweep: Sweep) -> dict[str, Any]:
    """The values of each hyperparameter that a sweep tries, and the budget of its first stages."""
    entry = sweep.entry
    found: dict[str, Any] = {"lr": list(entry.lr), "budget": list(entry.budget)}
    if entry.init_steps:
        found |= {"first": entry.first, "init_lr": list(entry.init_lr), "init_steps": list(entry.init_steps)}
    return found


def in_grid(values: Values, sweep: Sweep) -> bool:
    """Whether the sweep, as it is declared now, could have found ``values``."""
    entry = sweep.entry
    phase = values.init_lr in (0, *entry.init_lr) and values.init_steps in (0, *entry.init_steps)
    return phase and values.lr in entry.lr and values.budget in (entry.first, *entry.budget)


def _told(record: dict[str, Any], sweep: Sweep, other: bool) -> dict[str, Any]:
    """Name the unit of budgets where it is not the column's, the paper's."""
    if not other:
        return record
    words = {key: f"{record[key]:,} {sweep.unit}" for key in ("budget", "first") if isinstance(record.get(key), int)}
    if isinstance(record["budget"], list):
        words["budget"] = f"{{{', '.join(f'{value:,}' for value in record['budget'])}}} {sweep.unit}"
    return record | words


def outcome_files(plan: Plan, results: Path, searches: Iterable[str] | None = None) -> list[Path]:
    """What every stage of every sweep leaves, or of some by their groups: its outcome and the reason for it."""
    return [
        sweep.file(results / plan.profile, stage, ending)
        for key, sweep in plan.sweeps.items()
        if searches is None or key in searches
        for stage in sweep.stages
        for ending in ("json", "md")
    ]


def reasons(plan: Plan, results: Path) -> dict[str, tuple[str, ...]]:
    """By sweep that has ended, the reason for the choice of each of its stages."""
    found = {}
    for key, sweep in plan.sweeps.items():
        paths = [sweep.file(results / plan.profile, stage, "md") for stage in sweep.stages]
        if all(path.is_file() for path in paths):
            found[key] = tuple(path.read_text(encoding="utf-8") for path in paths)
    return found
