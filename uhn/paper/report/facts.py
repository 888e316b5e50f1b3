"""Facts that are no run's result: statistics of data and model sets, grids, selections.

A profile's stages leave them as ``results/<profile>/facts/<topic>.json``, each ``{row: {column: value}}``:

- ``citation``: ``{"cora": {"nodes": …, "edges": …, "features": …, "classes": …, "kind": "real"}, …}`` (Table 10),
  of a stand-in ``{"kind": "stand-in"}``
- ``model-sets``: ``{"cnn-mixed-width": {"models", "mean", "largest", "training", "hold_in", "held_out",
  "validation"}, …}`` (Tables 3 and 17)
- ``descriptors``: ``{"conv": {"index": [field, …], "structure": [field, …]}, …}`` (Tables 6 and 8)
- ``grid-<method>``, ``selected-<method>``: ``{experiment: {"init_lr", "init_steps", "lr", "budget"}, …}``, a grid with
  ``first``, the budget of the first stages (Tables 12-16, 18, 19, 21, 22)
- ``guardrails``: ``{experiment: {"guardrail": …}, …}`` (Table 20)

:mod:`uhn.paper.report.measure` makes the first three as files, :mod:`uhn.paper.report.searched` the others from the
plan and the outcomes of its sweeps. Values of a row whose ``kind`` is not ``real`` are marked with it, or with each of
a list.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from uhn.paper.budget import PaperRun
from uhn.paper.config import Config, load_config
from uhn.paper.plan import Plan
from uhn.paper.settings import takes_generator
from uhn.records import read_record

Facts = dict[str, dict[str, dict[str, Any]]]


def load_facts(results: Path, profile: str) -> Facts:
    """All facts of a profile by topic. Raises ``ValueError`` for a file that does not hold rows of columns."""
    facts: Facts = {}
    for path in sorted((results / profile / "facts").glob("*.json")):
        data = read_record(path)
        if not all(isinstance(row, dict) for row in data.values()):
            raise ValueError(f"{path}: wanted an object of objects (row, then column)")
        facts[path.stem] = data
    return facts


def paper_config(params: Path) -> Config | None:
    """The settings of the profile ``paper``, None if there is no such profile."""
    try:
        return load_config(params, "paper")
    except ValueError:
        return None


def paper_runs(params: Path | None, profile: str) -> dict[str, PaperRun]:
    """By group of runs, what the paper's has; empty without settings, or if they cannot be read."""
    try:
        return {} if params is None else Plan(load_config(params, profile)).paper
    except ValueError:
        return {}


def paper_selection(plan: Plan) -> Facts:
    """The paper's hyperparameters by method and experiment: the settings that no profile has changed."""
    facts: Facts = {}
    for paper in plan.paper.values():
        run = paper.settings
        values: dict[str, Any] = {"lr": run.train.lr, "budget": run.train.epochs or run.train.steps}
        if takes_generator(run.method):
            values |= {"init_lr": run.init.lr or 0, "init_steps": run.init.steps}
        facts.setdefault(f"paper-{run.method}", {})[run.experiment] = values
    return facts
