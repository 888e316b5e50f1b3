"""params.yaml read, checked and resolved: :func:`load_config`, and :meth:`Config.resolve` for one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache, reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from uhn.paper.budget import PaperRun
from uhn.paper.checks import check_names, check_older, check_shown, known, matches
from uhn.paper.names import RunId, group_name, parse_group
from uhn.paper.params import ExperimentEntry, Params, ProfileEntry, SweepEntry, merge
from uhn.paper.reading import ConfigError, explain, near, read_settings, read_yaml, shown
from uhn.paper.settings import Method, RunSettings, TaskSettings, WorkflowOptions, setting_keys, takes_generator
from uhn.paper.sweeps.stages import Sweep, Values, assumed, check_grid, grid_values
from uhn.paper.tables.catalogue import needs

LINE, TRIALS = 20, 10_000
"""The most experiments of which each is ``like`` the next, and the most runs of a sweep."""


class Config:
    """The checked params.yaml under one profile.

    Args:
        params: the file's content.
        profile: name of the profile.

    Raises:
        ConfigError: for a name that does not exist or settings that contradict each other, with the key's path.
    """

    def __init__(self, params: Params, profile: str) -> None:
        if profile not in params.profiles:
            raise ConfigError(f"profile: wanted one of {', '.join(params.profiles)}, got {shown(profile)}")
        self.params = params
        self.profile_name = profile
        self.profile: ProfileEntry = params.profiles[profile]
        self.experiments = {name: self._inherit(name) for name in params.experiments}
        self.needs = needs({name: tuple(entry.methods) for name, entry in self.experiments.items()})
        self._said: dict[tuple[str, Method], dict[str, Any]] = {}
        self._before: dict[tuple[str, Method], dict[str, Any]] = {}
        self._papers: dict[tuple[str, Method], PaperRun] = {}
        check_names(params, self.experiments, self.needs)
        for name, entry in self.experiments.items():
            for method in entry.methods:
                self.paper(name, method)
                self.resolve(name, method, self.seeds(name)[0])
        check_shown(params, self.needs)
        self.sweeps  # noqa: B018  (so that a grid that cannot be searched is refused now)

    def _inherit(self, name: str, seen: tuple[str, ...] = ()) -> ExperimentEntry:
        where = f"experiments.{name}.like"
        if name in seen:
            raise ConfigError(f"{where}: wanted no circle, got {' -> '.join([*seen, name])}")
        if len(seen) > LINE:
            raise ConfigError(f"{where}: wanted a line of at most {LINE} experiments that are like others, got more")
        entry = self.params.experiments[name]
        if entry.like is None:
            return entry
        known(where, "experiment", entry.like, self.params.experiments)
        parent = self._inherit(entry.like, (*seen, name)).model_dump(exclude_unset=True)
        return ExperimentEntry.model_validate(merge(parent, entry.model_dump(exclude_unset=True)))

    def entry(self, experiment: str) -> ExperimentEntry:
        """Return an experiment with what it inherits. Raises :class:`ConfigError` if there is none."""
        if experiment not in self.experiments:
            raise ConfigError(f"no experiment {shown(experiment)}{near(experiment, self.experiments)}")
        return self.experiments[experiment]

    def asked(self, groups: Iterable[str], table: str) -> tuple[tuple[str, Method], ...]:
        """Return those of a table's groups that there are and that the profile runs: pairs of experiment and source."""
        chosen = self.profile.tables.get(table, ())
        pairs = (parse_group(group) for group in groups)
        return tuple(
            (name, source)
            for name, source in pairs
            if (chosen == "all" or name in chosen) and name in self.experiments and source in self.entry(name).methods
        )

    def seeds(self, experiment: str) -> tuple[int, ...]:
        """Return the seeds of ``experiment`` in this profile."""
        self.entry(experiment)
        return self._seeds[experiment]

    @cached_property
    def _seeds(self) -> dict[str, tuple[int, ...]]:
        found = {}
        for name, entry in self.experiments.items():
            number = self.profile.defaults.seeds or self.profile.seeds
            for pattern, override in self.profile.overrides.items():
                if override.seeds and any(matches(pattern, group_name(name, method)) for method in entry.methods):
                    number = override.seeds
            found[name] = self.params.seeds[entry.seeds][:number]
        return found

    @cached_property
    def sweeps(self) -> dict[str, Sweep]:
        """Every sweep that a table of the profile asks for, by ``experiment/method``, in the tables' order."""
        wanted = dict.fromkeys(pair for name, each in self.needs.items() for pair in self.asked(each.searches, name))
        return {group_name(*pair): self._sweep(*pair) for pair in wanted}

    def _sweep(self, experiment: str, method: Method) -> Sweep:
        key, merged = group_name(experiment, method), dict[str, Any]()
        for patterns in (self.params.sweeps, self.profile.sweeps):
            for pattern, override in patterns.items():
                if matches(pattern, key):
                    merged |= override.written()
        if not merged:
            raise ConfigError(f"sweeps: wanted an entry that fits {key}, got none")
        settings = self.paper(experiment, method).settings
        unit: Any = "steps" if settings.train.steps else "epochs"
        entry = SweepEntry.model_validate(merged)
        budget = settings.train.steps or settings.train.epochs or 1
        if entry.unit not in (None, unit):
            unit, budget = entry.unit, entry.budget[0] if entry.budget else 1
        paper = Values(settings.train.lr, budget, settings.init.lr or 0.0, settings.init.steps)
        entry = grid_values(entry, paper)
        seeds = self.params.seeds[self.entry(experiment).seeds]
        try:
            check_grid(entry)
            if entry.seeds + entry.more_seeds > len(seeds):
                raise ValueError(f"seeds: wanted at most {len(seeds)}, got {entry.seeds} and {entry.more_seeds} more")
            tasks = [task.dataset for task in self.entry(experiment).tasks]
            if unknown := [name for name in entry.guardrails if name not in tasks]:
                raise ValueError(f"guardrails: wanted some of {', '.join(tasks)}, got {', '.join(unknown)}")
        except ValueError as error:
            raise ConfigError(f"sweeps of {key}: {error}") from None
        sweep = Sweep(experiment, method, entry, unit, assumed(entry, paper), seeds)
        runs = sum(len(stage.trials) * len(stage.seeds) for stage in sweep.stages)
        if runs > TRIALS:
            raise ConfigError(f"sweeps of {key}: wanted at most {TRIALS:,} runs, got {runs:,}")
        return sweep

    def sweep_of(self, experiment: str, method: Method) -> Sweep | None:
        """Return the sweep whose selection final training takes: the experiment's own, or that of the nearest
        experiment it is ``like``; None if the profile takes the paper's or has no such sweep."""
        if self.profile.hyperparameters == "paper":
            return None
        keys = (group_name(name, method) for name in self._line(experiment))
        return next((self.sweeps[key] for key in keys if key in self.sweeps), None)

    def _line(self, experiment: str) -> list[str]:
        """The experiment, the one it is like, and so on."""
        line = [experiment]
        while (parent := self.params.experiments[line[-1]].like) is not None:
            line.append(parent)
        return line

    def resolve(
        self, experiment: str, method: Method, seed: int, *, selected: Values | None = None, trial: str | None = None
    ) -> RunSettings:
        """Return the settings of one run: the experiment's, the source's, then the profile's, then what was selected.

        Args:
            experiment: its name.
            method: the weight source.
            seed: run seed.
            selected: what a sweep has selected for it, or the values of a trial.
            trial: name of the run, if it is a trial: validated, and never scored on the test set.

        Raises:
            ConfigError: if there is no such experiment or method, or the settings contradict each other.
        """
        entry = self.entry(experiment)
        known(f"experiments.{experiment}.methods", "method", method, entry.methods)
        overrides = [self._profiled(experiment, method)]
        if trial is not None and selected is not None:
            overrides.append(selected.settings(self.sweeps[group_name(experiment, method)].unit))
            overrides.append({"name": trial, "validate_split": True, "score": "validation"})
        elif (sweep := self.sweep_of(experiment, method)) is not None:
            overrides.append((selected or sweep.assumed).settings(sweep.unit))
            overrides += self._own(experiment, method, sweep.experiment)
        return self._settings(overrides, experiment, method, seed)

    def paper(self, experiment: str, method: Method) -> PaperRun:
        """Return what the paper's run has: the settings without the profile's changes, of its first seed."""
        if (pair := (experiment, method)) not in self._papers:
            seeds = self.params.seeds[self.entry(experiment).seeds]
            run = self._settings([self._written(experiment, method)], experiment, method, seeds[0])
            self._papers[pair] = PaperRun(run, len(seeds))
        return self._papers[pair]

    def _own(self, experiment: str, method: Method, owner: str) -> list[dict[str, Any]]:
        """What the experiments from below ``owner`` down to ``experiment`` say themselves of both phases."""
        found = []
        for name in reversed(self._line(experiment)[: self._line(experiment).index(owner)]):
            entry = self.params.experiments[name]
            for override in (entry, entry.methods.get(method)):
                written = override.written() if override else {}
                found.append({key: value for key, value in written.items() if key in ("init", "train")})
        return found

    def _profiled(self, experiment: str, method: Method) -> dict[str, Any]:
        """What the file and the profile say of an experiment under a source, which is the same for all of its seeds and
        trials."""
        if (pair := (experiment, method)) not in self._before:
            entry = self.entry(experiment)
            overrides = [self._written(experiment, method), self.profile.defaults.written()]
            for pattern, override in self.profile.overrides.items():
                if matches(pattern, group_name(experiment, method)):
                    overrides.append(override.written())
                    if drawn := override.probabilities:
                        where = f"overrides.{pattern}.probabilities"
                        overrides.append({"tasks": self._drawn(entry.tasks, drawn, where)})
            self._before[pair] = reduce(merge, overrides)
        return self._before[pair]

    def _written(self, experiment: str, method: Method) -> dict[str, Any]:
        """What the file says of an experiment under a source, before a profile changes it."""
        if (pair := (experiment, method)) not in self._said:
            entry = self.entry(experiment)
            written = (self.params.defaults.written(), entry.written(), entry.methods[method].written())
            self._said[pair] = reduce(merge, written)
        return self._said[pair]

    def _drawn(self, tasks: Iterable[TaskSettings], drawn: Mapping[str, float], where: str) -> tuple[TaskSettings, ...]:
        """The tasks with what a profile says of how often each is drawn."""
        tasks = tuple(tasks)
        if {*drawn} != (names := {task.dataset for task in tasks}):
            got, wanted = ", ".join(sorted(drawn)), ", ".join(sorted(names))
            raise ConfigError(f"profiles.{self.profile_name}.{where}: wanted one of each of {wanted}, got {got}")
        return tuple(task.model_copy(update={"probability": drawn[task.dataset]}) for task in tasks)

    def _settings(self, overrides: list[dict[str, Any]], experiment: str, method: Method, seed: int) -> RunSettings:
        entry = self.entry(experiment)
        data = reduce(merge, overrides, dict[str, Any]())
        if not takes_generator(method):
            data.pop("generator", None)
        data = {"name": str(RunId(experiment, method, seed)), "tasks": entry.tasks} | data
        data |= {
            "experiment": experiment,
            "method": method,
            "seed": seed,
            "model_set": entry.model_set,
            "depth": entry.depth if takes_generator(method) else 0,
        }
        try:
            return RunSettings.model_validate(data)
        except ValidationError as error:
            raise ConfigError(f"run {experiment}/{method} of profile {self.profile_name}: {explain(error)}") from None


def load_config(path: Path | str = "params.yaml", profile: str = "quick") -> Config:
    """Read, check and return the settings.

    Args:
        path: the YAML file.
        profile: ``quick``, ``paper``, ``smoke`` or another that the file declares.

    Raises:
        ConfigError: if the file cannot be read or anything in it is wrong, naming file and key.
    """
    return parse_config(read_settings(path), profile, str(path))


@lru_cache(maxsize=8)
def _parse(text: str) -> tuple[Params, Any]:
    """The settings of a text, and what an older one says of tables; a report asks for several profiles of each."""
    data = read_yaml(text)
    if not isinstance(data, dict):
        raise ConfigError(f"wanted a mapping, got {type(data).__name__}")
    older = data.pop("tables", {})
    return Params.model_validate(data), older


@lru_cache(maxsize=8)
def _config(text: str, profile: str) -> Config:
    """A text under a profile; a report asks for the paper's, and for those of kept results, again and again."""
    params, older = _parse(text)
    config = Config(params, profile)
    check_older(older, config.needs)
    return config


def parse_config(text: str, profile: str, origin: str = "params.yaml") -> Config:
    """As :func:`load_config`, from a text."""
    try:
        return _config(text, profile)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {explain(error, setting_keys())}") from None
    except ConfigError as error:
        raise ConfigError(f"{origin}: {' '.join(str(error).split())}") from None


def workflow_options(given: Mapping[str, Any]) -> WorkflowOptions:
    """Check what came with ``snakemake --config``. Raises :class:`ConfigError` naming what is unknown or wrong."""
    words = {key: str(value) if key != "gpus" else value for key, value in given.items()}
    try:
        return WorkflowOptions.model_validate(words)
    except ValidationError as error:
        raise ConfigError(f"--config {explain(error, WorkflowOptions.model_fields)}") from None


__all__ = ["Config", "ConfigError", "RunSettings", "explain", "load_config", "parse_config", "workflow_options"]
