"""The plan: which runs a profile's tables need, which of them share a job, and what they cost.

A run is asked for by name. Two tables that need the same run ask for the same name, and it runs once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from uhn.paper.budget import PaperRun, run_steps
from uhn.paper.checks import check_run
from uhn.paper.config import Config, ConfigError
from uhn.paper.costs import Cost, timed_on
from uhn.paper.names import FOLDER, RunId, group_name
from uhn.paper.settings import Method, RunSettings
from uhn.paper.sweeps.stages import Outcome, Stage, Sweep
from uhn.paper.tables import published
from uhn.tasks import DATASETS

MOST_RUNS = 100_000
"""What a plan may hold; more is a slip."""


class Plan:
    """Runs, sweeps, tables and jobs of one profile.

    Args:
        config: the checked settings.
        results: folder of the profile's results, where the outcomes of sweeps are read; without it, and where a stage
            has none yet, a plan assumes one.
    """

    def __init__(self, config: Config, results: Path | None = None) -> None:
        self.config = config
        self.profile = config.profile_name
        self.results = results

    @cached_property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """By table, and by what else a profile may ask for, the names of the runs that it needs in this profile."""
        return {name: (*map(str, self._finals(name)), *self._searched(name)) for name in self.config.needs}

    def table(self, name: str) -> tuple[str, ...]:
        """Return the runs that a table needs. Raises :class:`ConfigError` if there is none of this name."""
        if name not in self.tables:
            raise ConfigError(f"no table {name!r}: wanted one of {', '.join(self.tables)}")
        return self.tables[name]

    def _finals(self, table: str) -> list[RunId]:
        asked = self.config.asked(self.config.needs[table].runs, table)
        return [RunId(name, source, seed) for name, source in asked for seed in self.config.seeds(name)]

    def _searched(self, table: str) -> list[str]:
        asked = self.config.asked(self.config.needs[table].searches, table)
        return [name for pair in asked for name in self.trial_names(group_name(*pair))]

    @property
    def sweeps(self) -> dict[str, Sweep]:
        """The sweeps of the profile by ``experiment/method``."""
        return self.config.sweeps

    def trial_names(self, key: str) -> tuple[str, ...]:
        """Names of all runs of a sweep, stage by stage."""
        sweep = self.sweeps[key]
        return tuple(name for stage in sweep.stages for name in sweep.run_names(stage))

    @cached_property
    def trials(self) -> dict[str, RunSettings]:
        """Settings of every run of every sweep, by name."""
        return {name: self._trial(RunId.parse(name)) for key in self.sweeps for name in self.trial_names(key)}

    def _outcome(self, sweep: Sweep, stage: Stage | None) -> Outcome | None:
        return None if self.results is None or stage is None else Outcome.read(sweep.file(self.results, stage))

    def _trial(self, run: RunId) -> RunSettings:
        name, sweep = str(run), self.sweeps.get(run.group)
        if sweep is None:
            swept = ", ".join(self.sweeps) or "none"
            raise ConfigError(f"no run {name!r}: profile {self.profile} sweeps {swept}")
        stage = sweep.stage(run.stage)
        if run.trial not in stage.trials or run.seed not in stage.seeds:
            raise ConfigError(f"no run {name!r}: {stage.name} has the trials {', '.join(stage.trials)}")
        values = sweep.values(stage, run.trial, self._outcome(sweep, sweep.before(stage)))
        return check_run(self.config.resolve(run.experiment, run.source, run.seed, selected=values, trial=name))

    def _final(self, experiment: str, method: Method, seed: int) -> RunSettings:
        sweep = self.config.sweep_of(experiment, method)
        outcome = None if sweep is None else self._outcome(sweep, sweep.stages[-1])
        values = outcome.values if outcome else None
        return check_run(self.config.resolve(experiment, method, seed, selected=values))

    def check(self) -> None:
        """Resolve every run and trial, so that what cannot be run is refused before any of them starts.

        Raises:
            ConfigError: naming the first one.
        """
        number = sum(map(len, self.tables.values()))
        if number > MOST_RUNS:
            raise ConfigError(
                f"profile {self.profile}: wanted at most {MOST_RUNS:,} runs in its tables, got {number:,}"
            )
        self.runs, self.trials  # noqa: B018

    def selections_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """Sweeps, by ``experiment/method``, whose selections the runs ``names`` take."""
        used = (self.config.sweep_of(run.experiment, run.method) for run in map(self.runs.__getitem__, names))
        return tuple(dict.fromkeys(sweep.key for sweep in used if sweep is not None))

    @cached_property
    def runs(self) -> dict[str, RunSettings]:
        """Settings of every final run that some table needs, by name, each once."""
        wanted = dict.fromkeys(run for table in self.tables for run in self._finals(table))
        return {str(run): self._final(run.experiment, run.source, run.seed) for run in wanted}

    @cached_property
    def paper(self) -> dict[str, PaperRun]:
        """By group of runs that params.yaml declares, what the paper's has."""
        experiments = self.config.experiments.items()
        return {group_name(name, m): self.config.paper(name, m) for name, entry in experiments for m in entry.methods}

    @cached_property
    def whose(self) -> dict[str, str]:
        """By final run, whose hyperparameters it has: the paper's, selected by sweeps, assumed until these
        have ended, or the profile's own."""
        found = {}
        for name, run in self.runs.items():
            paper = self.paper[group_name(run.experiment, run.method)].settings
            if (sweep := self.config.sweep_of(run.experiment, run.method)) is not None:
                found[name] = "selected" if self._outcome(sweep, sweep.stages[-1]) else "assumed"
            else:
                found[name] = "paper" if (run.init, run.train) == (paper.init, paper.train) else "profile"
        return found

    def run(self, name: str) -> RunSettings:
        """Return the settings of a run by name, whether or not a table of this profile needs it.

        A trial's are resolved anew each time where results are read: they depend on what the stage before has found
        meanwhile.

        Raises:
            ConfigError: if the name is not that of a possible run.
        """
        if name in self.runs:
            return self.runs[name]
        if self.results is None and name in self.trials:
            return self.trials[name]
        run = RunId.parse(name)
        if run.trial:
            return self._trial(run)
        sources = self.config.entry(run.experiment).methods
        if run.source not in sources:
            raise ConfigError(f"no run {name!r}: wanted {run.experiment}/<{' or '.join(sources)}>/seed-<number>")
        return self._final(run.experiment, run.source, run.seed)

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The jobs: by job name, the runs it carries one after another.

        A job never carries two seeds, so that one seed more is one job more and leaves the others alone.
        """
        grouping = self.config.profile.grouping
        jobs: dict[str, list[str]] = {}
        for name, run in self.runs.items():
            shared = self.config.entry(run.experiment).job or run.experiment
            key = {"run": name, "row": f"{run.experiment}/seed-{run.seed}", "job": f"{shared}/seed-{run.seed}"}[
                grouping
            ]
            jobs.setdefault(key, []).append(name)
        return {key: tuple(names) for key, names in jobs.items()}

    @cached_property
    def sweep_groups(self) -> dict[str, tuple[str, ...]]:
        """The jobs of sweeps: by job name, the sweeps it carries. Where runs have jobs of their own, so have trials."""
        shared = self.config.profile.grouping == "job"
        jobs: dict[str, list[str]] = {}
        for key, sweep in self.sweeps.items():
            job = self.config.entry(sweep.experiment).job if shared else None
            jobs.setdefault(f"{FOLDER}-{job or key.replace('/', '-')}", []).append(key)
        return {job: tuple(keys) for job, keys in jobs.items()}

    def tables_of(self, run: str) -> tuple[str, ...]:
        """Return the tables that rest on a run."""
        return tuple(name for name, runs in self.tables.items() if run in runs)

    def datasets(self, names: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return the datasets that the runs ``names`` (all if none) read from files, in order of first need."""
        if names is None:  # which no override changes, so that no trial need be resolved
            users = [run.experiment for run in self.runs.values()] + [each.experiment for each in self.sweeps.values()]
            tasks = [task for name in dict.fromkeys(users) for task in self.config.entry(name).tasks]
        else:
            tasks = [task for name in names for task in self.run(name).tasks]
        found = {task.dataset: None for task in tasks}
        return tuple(name for name in found if DATASETS[name].files)

    def may_be_missing(self, dataset: str) -> bool:
        """Whether every run on ``dataset`` may use something else where it is unavailable."""
        users = [
            run
            for run in (*self.runs.values(), *self.trials.values())
            if dataset in [task.dataset for task in run.tasks]
        ]
        return all(run.data.stand_in for run in users)


def describe(plan: Plan, results: Path) -> str:
    """Return the plan as text: by table the number of runs, their steps and, once measured, hours."""
    everything = plan.runs | plan.trials
    cost = Cost.known(results, everything.values())
    lines = [f"profile {plan.profile}", f"{'table':<12}{'runs':>8}{'steps':>16}{'hours':>10}"]

    def line(label: str, runs: list[RunSettings]) -> str:
        hours = cost.hours(runs)
        told = "not measured" if hours is None else f"{hours:.2f}"
        return f"{label:<12}{len(runs):>8}{sum(map(run_steps, runs)):>16,}  {told:>8}"

    for name, names in plan.tables.items():
        runs = [everything[run] for run in names]
        lines.append(line(name, runs) if runs else f"{name:<12}{'not in this profile':>24}")
    if plan.trials:
        lines.append(line("sweeps", list(plan.trials.values())))
        lines.append(line("final runs", list(plan.runs.values())))
    lines.append(line("all, once", list(everything.values())))
    lines.append(f"jobs: {len(plan.groups) + len(plan.sweep_groups)}")
    if cost.seconds:
        on = timed_on(results)
        timed = f"from steps timed on {on} and " * bool(on)
        lines.append(f"hours: one run after another, {timed}from finished runs of this machine's kind of device")
    return "\n".join(lines)


def plan_hash(plan: Plan) -> str:
    """Return a hash of everything the tables say about the plan: runs by table, settings, what the paper printed."""
    runs = {name: run.model_dump(mode="json") for name, run in plan.runs.items()}
    paper = {key: [run.written, run.seeds] for key, run in plan.paper.items()}
    printed = published.FILE.read_text(encoding="utf-8")
    text = json.dumps([plan.profile, plan.tables, runs, paper, plan.whose, printed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
