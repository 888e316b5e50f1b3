"""Staged sweeps (B.7): which trials each stage of a search has, by name, before any of them has run.

With an initialisation to search there are four stages: ``rate`` (training rate at the budget T0, no initialisation),
``init`` (its rate x steps, at the rate found), ``train`` (rate x budget with the initialisation found) and ``seeds``
(the best of all again, with more seeds). Without one, ``train`` comes first. A trial is named after what it varies,
never after its place in a grid, so that a grid in another order, or with a value more, keeps what has run. What a
stage leaves open is filled in from the outcome of the stage before when the trial starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from uhn.paper.names import FOLDER, RunId, group_name
from uhn.paper.params import SweepEntry
from uhn.paper.reading import explain
from uhn.paper.settings import Count, Rate, Steps
from uhn.records import read_record

Kind = Literal["rate", "init", "train", "seeds"]

STAGE_FILES = ("json", "md")
"""What a stage leaves: its outcome, and the reason for it in words."""


@dataclass(frozen=True)
class Values:
    """The hyperparameters that a sweep chooses; ``budget`` is in the sweep's unit, ``init_lr`` 0 without steps."""

    lr: Rate
    budget: Count
    init_lr: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    init_steps: Steps = 0

    def settings(self, unit: str) -> dict[str, Any]:
        """Return them as settings to merge over others."""
        init = {"lr": self.init_lr or None, "steps": self.init_steps}
        return {"init": init, "train": {"lr": self.lr, unit: self.budget}}


class _Entry(BaseModel):
    name: str
    values: Values


class _File(BaseModel):
    values: Values
    top: Annotated[list[_Entry], Field(min_length=1)]


@dataclass(frozen=True)
class Outcome:
    """What a stage found: the winner's values, and the best trials in order, each with name and values."""

    values: Values
    top: tuple[tuple[str, Values], ...]

    @classmethod
    def read(cls, path: Path) -> Outcome | None:
        """Return the outcome in a stage's file, None if there is none. Raises ``ValueError`` for a broken one."""
        try:
            if not path.exists():
                return None
            found = _File.model_validate(read_record(path))
            return cls(found.values, tuple((entry.name, entry.values) for entry in found.top))
        except (OSError, ValueError) as error:
            words = explain(error) if isinstance(error, ValidationError) else error
            raise ValueError(f"{path}: wanted the outcome of a stage, got a broken file ({words})") from None

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`read` reads."""
        top = [{"name": name, "values": asdict(values)} for name, values in self.top]
        return {"values": asdict(self.values), "top": top}


@dataclass(frozen=True)
class Stage:
    """One stage: its trials by name, each with what it varies, and the seeds that every trial has."""

    number: int
    kind: Kind
    trials: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        """``stage<number>``."""
        return f"stage{self.number}"

    @property
    def guarded(self) -> bool:
        """Whether guardrails apply: to what may end as the selection, not on the way there."""
        return self.kind in ("train", "seeds")


@dataclass(frozen=True)
class Sweep:
    """The search of one experiment's hyperparameters under one source.

    Args:
        experiment: its name.
        method: weight source.
        entry: grids and budgets, complete.
        unit: unit of the training budgets.
        assumed: what stands in for outcomes that are not there yet.
        seeds: the experiment's list of seeds.
    """

    experiment: str
    method: str
    entry: SweepEntry
    unit: Literal["epochs", "steps"]
    assumed: Values
    seeds: tuple[int, ...]

    @property
    def key(self) -> str:
        """``<experiment>/<method>``."""
        return group_name(self.experiment, self.method)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in order."""
        entry, found = self.entry, []
        first, more = self.seeds[: entry.seeds], self.seeds[entry.seeds : entry.seeds + entry.more_seeds]
        grids: list[tuple[Kind, dict[str, Mapping[str, Any]]]] = []
        if entry.init_steps:
            grids.append(("rate", {f"lr-{lr:g}": {"lr": lr} for lr in entry.lr}))
            pairs = product(entry.init_lr, entry.init_steps)
            grids.append(("init", {f"init-{lr:g}x{n}": {"init_lr": lr, "init_steps": n} for lr, n in pairs}))
        pairs = product(entry.lr, entry.budget)
        grids.append(("train", {f"train-{lr:g}x{n}": {"lr": lr, "budget": n} for lr, n in pairs}))
        top = min(entry.top, len(entry.lr) * len(entry.budget))
        for number, (kind, trials) in enumerate(grids, 1):
            found.append(Stage(number, kind, trials, first))
        if more and top > 1:
            places = {f"place-{place + 1}": {"place": place} for place in range(top)}
            found.append(Stage(len(found) + 1, "seeds", places, more))
        return tuple(found)

    def stage(self, name: str) -> Stage:
        """Return a stage by name. Raises ``ValueError`` naming those that there are."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise ValueError(f"sweep {self.key} has the stages {', '.join(s.name for s in self.stages)}, got {name!r}")

    def before(self, stage: Stage) -> Stage | None:
        """The stage whose outcome ``stage`` starts from."""
        return self.stages[stage.number - 2] if stage.number > 1 else None

    def run_name(self, stage: Stage, trial: str, seed: int) -> str:
        """Name of the run of one seed of one trial."""
        return str(RunId(self.experiment, self.method, seed, stage.name, trial))

    def run_names(self, stage: Stage) -> tuple[str, ...]:
        """Names of all runs of a stage."""
        return tuple(self.run_name(stage, trial, seed) for trial in stage.trials for seed in stage.seeds)

    def file(self, results: Path, stage: Stage, ending: str = "json") -> Path:
        """Where a stage's outcome lies below a profile's results."""
        return results / FOLDER / self.key / f"{stage.name}.{ending}"

    def values(self, stage: Stage, trial: str, outcome: Outcome | None) -> Values:
        """Hyperparameters of a trial.

        Args:
            stage: its stage.
            trial: its name.
            outcome: what the stage before found; None assumes one, for a plan.
        """
        varied = stage.trials[trial]
        chosen = outcome.values if outcome else self.assumed
        if stage.kind == "seeds":
            if outcome is None:
                return chosen
            return outcome.top[min(varied["place"], len(outcome.top) - 1)][1]
        first = self.entry.first or chosen.budget
        start = {"rate": Values(chosen.lr, first), "init": Values(chosen.lr, first), "train": chosen}[stage.kind]
        return Values(**asdict(start) | dict(varied))


def grid_values(entry: SweepEntry, paper: Values) -> SweepEntry:
    """Return ``entry`` with the grids that ``around`` stands for, budgets rounded. Lists that are given stay."""
    made: dict[str, Sequence[float]] = {}
    if entry.around and not entry.lr:
        made["lr"] = tuple(float(f"{paper.lr * factor:.6g}") for factor in entry.around)
    if entry.around and not entry.budget:
        made["budget"] = tuple(dict.fromkeys(max(1, round(paper.budget * factor)) for factor in entry.around))
    return entry.model_copy(update=made)


def assumed(entry: SweepEntry, paper: Values) -> Values:
    """Return what a plan takes a sweep to find: of each grid the paper's choice, or else the largest value."""

    def one(wanted: Any, grid: Sequence[Any]) -> Any:
        return wanted if wanted in grid or not grid else max(grid)

    init = (one(paper.init_lr, entry.init_lr), one(paper.init_steps, entry.init_steps)) if paper.init_steps else ()
    return Values(one(paper.lr, entry.lr), one(paper.budget, entry.budget), *init)


def check_grid(entry: SweepEntry) -> None:
    """Raise ``ValueError`` for a grid that cannot be searched, naming the key."""
    for name in ("lr", "budget", "init_lr", "init_steps"):
        values = getattr(entry, name)
        if len(set(values)) != len(values):
            raise ValueError(f"{name}: wanted every value once, got {list(values)}")
    if not entry.lr or not entry.budget:
        raise ValueError(f"lr and budget: wanted at least one of each, got {list(entry.lr)} and {list(entry.budget)}")
    if bool(entry.init_lr) != bool(entry.init_steps):
        got = f"{list(entry.init_lr)} and {list(entry.init_steps)}"
        raise ValueError(f"init_lr and init_steps: wanted both or neither, got {got}")
    if entry.init_steps and entry.first is None:
        raise ValueError("first: wanted the budget of the stages before the initialisation is chosen, got none")
