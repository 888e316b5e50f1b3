"""What a report rests on: the runs found, the runs asked for, and the group of runs behind one number."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from uhn.paper.budget import PaperRun
from uhn.paper.names import parse_group
from uhn.paper.report.baseline import Baseline, baseline
from uhn.paper.report.reductions import Difference, differences, fewer
from uhn.paper.report.statistics import Statistic, aggregate, printed
from uhn.paper.runs.results import Run
from uhn.paper.tables import published as paper
from uhn.paper.tables.keys import CellKey


@dataclass(frozen=True)
class Book:
    """Runs of one profile.

    Args:
        profile: its name.
        runs: runs with results, by name.
        planned: run names by group ``<experiment>/<method>``; None if there is no plan and what is found is all.
        known: groups that can be run at all, in this profile or another.
        facts: measured values by topic, row and column (see :class:`~uhn.paper.tables.columns.Fact`).
        older: names of runs that older code made and nobody accepted.
        other: names of runs that were trained under other settings than the plan's; no number rests on them.
        paper: by group of runs, what the paper's has, which captions compare with.
        whose: by run name, whose hyperparameters the plan gives it; of other runs, their record says.
        wanted: tables and figures that the plan has rendered; None if there is no plan.
        reasons: by sweep ``<experiment>/<method>``, why each of its stages chose what it did, as Markdown.
        place: whose results they are, in a word: ``reference`` for those that are kept, else nothing.
        kept: the kept results of other profiles, the best that stands beside a run which only shows its path.
        folder: where the profile's files are; None if they are nowhere.
    """

    profile: str
    runs: Mapping[str, Run]
    planned: Mapping[str, Sequence[str]] | None = None
    known: frozenset[str] = field(default_factory=frozenset)
    facts: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    older: frozenset[str] = field(default_factory=frozenset)
    other: frozenset[str] = field(default_factory=frozenset)
    paper: Mapping[str, PaperRun] = field(default_factory=dict)
    whose: Mapping[str, str] = field(default_factory=dict)
    wanted: tuple[str, ...] | None = None
    reasons: Mapping[str, Sequence[str]] = field(default_factory=dict)
    place: str = ""
    kept: Book | None = None
    folder: Path | None = None

    @property
    def label(self) -> str:
        """What its evidence is called: its profile, and that it is the kept one's if it is."""
        return f"{self.profile} ({self.place})" if self.place else self.profile

    @cached_property
    def found(self) -> dict[str, list[Run]]:
        """Final runs with results by group, in order of seed."""
        groups: dict[str, list[Run]] = {}
        for run in sorted(self.runs.values(), key=lambda run: (run["seed"], run.name)):
            if not run.id.trial:
                groups.setdefault(run.id.group, []).append(run)
        return groups

    @cached_property
    def methods(self) -> dict[str, list[str]]:
        """Methods of each experiment, planned or found."""
        methods: dict[str, list[str]] = {}
        for group in self.found if self.planned is None else self.planned:
            experiment, method = parse_group(group)
            methods.setdefault(experiment, []).append(method)
        return methods

    def evidence(self, key: CellKey) -> Evidence:
        """The runs behind a cell: those the plan names, or all that are found if there is no plan."""
        if self.planned is None:
            found, missing = self.found.get(key.group, []), []
        else:
            names = self.planned.get(key.group, ())
            found = [self.runs[name] for name in names if name in self.runs]
            missing = [name for name in names if name not in self.runs]
        own = tuple(run for run in found if run.name not in self.other)
        return Evidence(key, own, tuple(missing), tuple(run for run in found if run.name in self.other), self)

    def stand_ins(self, experiments: Collection[str] | None = None) -> tuple[str, ...]:
        """Datasets that something generated took the place of: in the runs of these experiments; without any named, in
        every run that is planned (found, if there is no plan), in every trial and in the facts."""
        planned = None if self.planned is None else {name for names in self.planned.values() for name in names}
        found: dict[str, None] = {}
        for run in self.runs.values():
            wanted = planned is None or run.name in planned or (experiments is None and run.id.trial != "")
            if wanted and (experiments is None or run["experiment"] in experiments):
                found |= {str(data["name"]): None for data in run["data"] if data.get("kind") == "stand-in"}
        if experiments is None:
            graphs = self.facts.get("citation", {})
            found |= {name: None for name, fact in graphs.items() if fact.get("kind") == "stand-in"}
        return tuple(found)

    def absence(self, key: CellKey) -> str:
        """Why there is no run behind a cell."""
        if self.planned is None:
            return "not run"
        return "not in this profile" if key.group in self.known else "not built"


@dataclass(frozen=True)
class Evidence:
    """The runs behind one number and what must be said about them.

    Args:
        key: what the number is.
        runs: the runs it rests on, in order of seed.
        missing: names of planned runs without results.
        other: runs under other settings than the plan's, which it does not rest on.
        book: what they were taken from.
    """

    key: CellKey
    runs: tuple[Run, ...]
    missing: tuple[str, ...]
    other: tuple[Run, ...]
    book: Book = field(repr=False, compare=False)

    @property
    def found(self) -> tuple[Run, ...]:
        """Every run with results, those of other settings last."""
        return (*self.runs, *self.other)

    def values(self) -> list[float]:
        """The value of each finished run, in order of seed."""
        return [self._value(run) for run in self.runs if run.finished]

    @cached_property
    def statistic(self) -> Statistic:
        """Mean and deviation over finished seeds, with the diverged and missing ones counted."""
        diverged = sum(not run.finished for run in self.runs)
        return aggregate(self.values(), diverged=diverged, missing=len(self.missing), other=len(self.other))

    @property
    def paper(self) -> PaperRun | None:
        """What the paper's runs have; None where params.yaml does not say."""
        return self.book.paper.get(self.key.group)

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Where the runs are not as the paper's, the number of seeds included; nothing where that is not known."""
        if self.paper is None:
            return ()
        found = dict.fromkeys(each for run in self.runs for each in differences(run, self.paper))
        found |= dict.fromkeys(each for run in self.runs for each in self._members(run))
        planned = len(self.found) + len(self.missing)
        if self.runs and planned < self.paper.seeds:
            found[fewer("seeds", "seeds", planned, self.paper.seeds)] = None
        return tuple(found)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of data that are not the real whole: ``subset``, ``stand-in``."""
        kinds = {data.get("kind", "real") for run in self.runs for data in self.data(run)}
        return tuple(kind for kind in ("subset", "stand-in") if kind in kinds)

    @cached_property
    def baseline(self) -> Baseline | None:
        """What an accuracy must beat: the best of its runs' constant answers, on the fewest rows."""
        found = []
        for run in self.runs:
            record = self._entry(run) if self.key.pick.startswith("task:") else run.metrics
            data = next(iter(self.data(run)), {})
            if one := baseline(record or {}, data, self._fact(run, "chance")):
                found.append(one)
        if not found:
            return None
        return Baseline(max(b.share for b in found), min(b.rows for b in found), all(b.known for b in found))

    @cached_property
    def cautions(self) -> tuple[str, ...]:
        """What is to be said of a number that shows no learning, or may not: an accuracy whose interval does not lie
        above the baseline, an RMSE that is not below the target's deviation."""
        mean = self.statistic.mean
        if mean is None:
            return ()
        if self.key.metric == "rmse":
            spreads = [s for run in self.runs if run.finished and (s := self._fact(run, "target_std")) is not None]
            return ("not trained",) if spreads and mean >= sum(spreads) / len(spreads) else ()
        if self.baseline is None:
            return ("majority unknown",)
        if not self.baseline.beaten_by(mean):
            return ("not above the majority class",)
        return () if self.baseline.known else ("majority unknown",)

    @property
    def path_only(self) -> bool:
        """Whether a run of it was declared to show no more than that its path works: then it is no number."""
        return any(run.settings.get("path_only") for run in self.runs)

    @property
    def told(self) -> str:
        """The number as printed; of a path that was tried, how many steps it ran."""
        if self.path_only:
            return f"ran, {max(run['budget']['train_steps'] for run in self.runs)} steps"
        return printed(self.statistic, self.key.metric)

    @cached_property
    def instead(self) -> str:
        """The best kept evidence for the number of a path that was tried, with its marks; empty if there is none."""
        best = self.book.kept.evidence(self.key) if self.path_only and self.book.kept else None
        if best is None or best.path_only or not best.statistic.n:
            return ""
        return f"kept: {best.told}, {', '.join([*best.marks, f'profile {best.book.profile}'])}"

    @property
    def status(self) -> tuple[str, ...]:
        """Words for what stands behind the number, without counts of seeds."""
        if self.path_only:
            return ("path only", *self.kinds)
        less = any(difference.less for difference in self.differences)
        words = ["reduced"] if less else ["changed"] if self.differences else []
        words += ["not compared"] * (self.paper is None and bool(self.runs))
        words += [*self.kinds, *self.cautions]
        return (*words, *(["older code"] if any(run.name in self.book.older for run in self.runs) else []))

    @property
    def marks(self) -> tuple[str, ...]:
        """Words printed beside the number."""
        statistic = self.statistic
        counts = {"diverged": statistic.diverged, "missing": statistic.missing, "other settings": statistic.other}
        if not self.found:
            counts.pop("missing")
        return (*self.status, *(f"{count} of {statistic.total} {word}" for word, count in counts.items() if count))

    def whose(self, run: Run) -> str | None:
        """Whose hyperparameters a run has, a key of :data:`uhn.paper.report.tables.WHOSE`; None if nothing says."""
        return self.book.whose.get(run.name) or run.settings.get("hyperparameters")

    def data(self, run: Run) -> list[Mapping[str, object]]:
        """Data records of a run that this number rests on."""
        if not self.key.pick.startswith("task:"):
            return list(run["data"])
        name = self.key.pick.removeprefix("task:")
        names = [task["dataset"] for task in run.settings.get("tasks", ())]
        return [data for data, own in zip(run["data"], names, strict=False) if _row(own) == name]

    def _members(self, run: Run) -> tuple[Difference, ...]:
        """How many members of a model set were evaluated, if fewer than the paper's."""
        wanted = paper.number(run.settings.get("model_set") or "", "hold_in")  # as many as are held out
        if wanted is None or self.key.pick not in ("seen", "unseen"):
            return ()
        seen = self.key.pick == "seen"
        own = sum(entry.get("seen") is seen for entry in (run.get("values") or {}).values())
        return (fewer("rows", "members evaluated", own, wanted),) if own < wanted else ()

    def _value(self, run: Run) -> float:
        pick = self.key.pick
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
        name = self.key.pick.removeprefix("task:")
        members: Mapping[str, Mapping[str, Any]] = run.get("values") or {}
        return next((entry for key, entry in members.items() if _row(key) == name), None)

    def _fact(self, run: Run, key: str) -> float | None:
        value = run.get(key)
        if self.key.pick.startswith("task:"):
            value = (self._entry(run) or {}).get(key)
            known = paper.dataset(self.key.pick.removeprefix("task:"))
            if value is None and key == "chance" and known and known.classes:
                value = 1 / known.classes
        return None if value is None else float(value)


def _row(dataset: str) -> str:
    """The dataset in whose row a dataset's score stands."""
    known = paper.dataset(dataset)
    return known.name if known else dataset
