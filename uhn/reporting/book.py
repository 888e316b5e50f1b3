"""What a report rests on: the runs found, the runs asked for, and the group of runs behind one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from uhn.reporting import paper
from uhn.reporting.reductions import reductions
from uhn.reporting.results import Run
from uhn.reporting.statistics import Statistic, aggregate

TRAINED_MARGIN = 0.1
"""A classifier counts as trained from chance plus this share of what lies above chance."""


@dataclass(frozen=True)
class Source:
    """Where a number comes from: the seeds of one experiment under one method.

    Args:
        experiment: first part of the run names.
        method: second part.
        pick: ``"value"``, a member set ``"seen"`` or ``"unseen"``, or ``"task:<dataset>"``.
        metric: ``"accuracy"`` or ``"rmse"``.
    """

    experiment: str
    method: str
    pick: str = "value"
    metric: str = "accuracy"

    @property
    def group(self) -> str:
        """Name of the group of runs, shared by every cell that rests on it."""
        return f"{self.experiment}/{self.method}"


@dataclass(frozen=True)
class Book:
    """Runs of one profile.

    Args:
        profile: its name.
        runs: runs with results, by name.
        planned: run names by group ``<experiment>/<method>``; None if there is no plan and what is found is all.
        known: groups that can be run at all, in this profile or another.
        facts: measured values by topic, row and column (see :class:`~uhn.reporting.columns.Fact`).
        older: names of runs that older code made and nobody accepted.
        wanted: tables and figures that the plan has rendered; None if there is no plan.
        reasons: by sweep ``<experiment>/<method>``, why each of its stages chose what it did, as Markdown.
    """

    profile: str
    runs: Mapping[str, Run]
    planned: Mapping[str, Sequence[str]] | None = None
    known: frozenset[str] = field(default_factory=frozenset)
    facts: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    older: frozenset[str] = field(default_factory=frozenset)
    wanted: tuple[str, ...] | None = None
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def found(self) -> dict[str, list[Run]]:
        """Runs with results by group, in order of seed. Runs of sweeps stand under their own names and not here."""
        groups: dict[str, list[Run]] = {}
        for run in sorted(self.runs.values(), key=lambda run: (run["seed"], run.name)):
            groups.setdefault(run.name.rsplit("/", 1)[0], []).append(run)
        return groups

    @cached_property
    def methods(self) -> dict[str, list[str]]:
        """Methods of each experiment, planned or found."""
        methods: dict[str, list[str]] = {}
        for group in self.found if self.planned is None else self.planned:
            experiment, _, method = group.rpartition("/")
            methods.setdefault(experiment, []).append(method)
        return methods

    def evidence(self, source: Source) -> Evidence:
        """The runs behind ``source``: those the plan names, or all that are found if there is no plan."""
        if self.planned is None:
            return Evidence(source, tuple(self.found.get(source.group, ())), (), self.older)
        names = self.planned.get(source.group, ())
        runs = tuple(self.runs[name] for name in names if name in self.runs)
        return Evidence(source, runs, tuple(name for name in names if name not in self.runs), self.older)

    def absence(self, source: Source) -> str:
        """Why there is no run behind ``source``."""
        if self.planned is None:
            return "not run"
        return "not in this profile" if source.group in self.known else "not built"


@dataclass(frozen=True)
class Evidence:
    """The runs behind one number and what must be said about them."""

    source: Source
    runs: tuple[Run, ...]
    missing: tuple[str, ...]
    older: frozenset[str] = frozenset()

    def values(self) -> list[float]:
        """The value of each finished run, in order of seed."""
        return [self._value(run) for run in self.runs if run.finished]

    @cached_property
    def statistic(self) -> Statistic:
        """Mean and deviation over finished seeds, with the diverged and missing ones counted."""
        diverged = sum(not run.finished for run in self.runs)
        return aggregate(self.values(), diverged=diverged, missing=len(self.missing))

    @cached_property
    def reductions(self) -> tuple[str, ...]:
        """What the runs have less of than the paper's, the number of seeds included."""
        phrases = dict.fromkeys(phrase for run in self.runs for phrase in reductions(run))
        wanted = [budget["seeds"] for run in self.runs if (budget := run.settings.get("paper")) and budget.get("seeds")]
        phrases |= dict.fromkeys(phrase for run in self.runs for phrase in self._members(run))
        planned = self.statistic.total
        if wanted and planned < max(wanted):
            phrases[f"{planned} seed{'s' * (planned != 1)} (paper {max(wanted)})"] = None
        return tuple(phrases)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of data that are not the real whole: ``subset``, ``stand-in``."""
        kinds = {data.get("kind", "real") for run in self.runs for data in self.data(run)}
        return tuple(kind for kind in ("subset", "stand-in") if kind in kinds)

    @cached_property
    def trained(self) -> bool:
        """Whether the mean beats guessing: 0.1 of the way from chance to 1, or below the target's deviation."""
        mean = self.statistic.mean
        if mean is None:
            return True
        if self.source.metric == "accuracy":
            chances = [c for run in self.runs if (c := self._fact(run, "chance")) is not None]
            return not chances or mean >= max(chances) + TRAINED_MARGIN * (1 - max(chances))
        spreads = [s for run in self.runs if run.finished and (s := self._fact(run, "target_std")) is not None]
        return not spreads or mean < sum(spreads) / len(spreads)

    @property
    def marks(self) -> tuple[str, ...]:
        """Words printed beside the number."""
        statistic = self.statistic
        marks = ["reduced"] if self.reductions else []
        marks += self.kinds
        if not self.trained:
            marks.append("not trained")
        if any(run.name in self.older for run in self.runs):
            marks.append("older code")
        if statistic.diverged:
            marks.append(f"{statistic.diverged} of {statistic.total} diverged")
        if statistic.missing and self.runs:
            marks.append(f"{statistic.missing} of {statistic.total} missing")
        return tuple(marks)

    def data(self, run: Run) -> list[Mapping[str, object]]:
        """Data records of a run that this number rests on."""
        if not self.source.pick.startswith("task:"):
            return list(run["data"])
        name = self.source.pick.removeprefix("task:")
        names = [task["dataset"] for task in run.settings.get("tasks", ())]
        return [data for data, own in zip(run["data"], names, strict=False) if paper.ALIASES.get(own, own) == name]

    def _members(self, run: Run) -> tuple[str, ...]:
        """How many members of a model set were evaluated, if fewer than the paper's."""
        wanted = paper.MEMBERS.get(run.settings.get("model_set") or "")
        if wanted is None or self.source.pick not in ("seen", "unseen"):
            return ()
        seen = self.source.pick == "seen"
        own = sum(entry.get("seen") is seen for entry in (run.get("values") or {}).values())
        return (f"{own} {self.source.pick} members evaluated (paper {wanted})",) if own < wanted else ()

    def _value(self, run: Run) -> float:
        pick = self.source.pick
        if pick == "value":
            return float(run["value"])
        members = run.get("values") or {}
        if pick in ("seen", "unseen"):
            scores = [entry["value"] for entry in members.values() if entry.get("seen") is (pick == "seen")]
        else:
            entry = self._entry(run)
            scores = [entry["value"]] if entry else []
        if not scores:
            raise ValueError(f"{run.folder / 'metrics.json'}: no values for {pick!r}")
        return float(sum(scores) / len(scores))

    def _entry(self, run: Run) -> Mapping[str, Any] | None:
        """The record of the task this number is about."""
        name = self.source.pick.removeprefix("task:")
        members: Mapping[str, Mapping[str, Any]] = run.get("values") or {}
        return next((entry for key, entry in members.items() if paper.ALIASES.get(key, key) == name), None)

    def _fact(self, run: Run, key: str) -> float | None:
        value = run.get(key)
        if self.source.pick.startswith("task:"):
            value = (self._entry(run) or {}).get(key)
            size = paper.DATASETS.get(self.source.pick.removeprefix("task:"))
            if value is None and key == "chance" and size and size.classes:
                value = 1 / size.classes
        return None if value is None else float(value)
