"""params.yaml read, checked and resolved: :func:`load_config`, and :meth:`Config.resolve` for one run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from uhn.paper.budget import train_steps
from uhn.paper.checks import check_names, known, matches
from uhn.paper.names import RunId, group_name
from uhn.paper.params import ExperimentEntry, Params, ProfileEntry, SweepEntry, TableEntry, lay_over
from uhn.paper.reading import ConfigError, explain, near, read_settings, read_yaml, shown
from uhn.paper.settings import Method, PaperBudget, RunSettings, WorkflowOptions, setting_keys, takes_generator
from uhn.paper.sweeps.stages import Sweep, Values, assumed, check_grid, grid_values

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
        check_names(params, self.experiments)
        for name, entry in self.experiments.items():
            for method in entry.methods:
                self.resolve(name, method, self.seeds(name)[0])
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
        return ExperimentEntry.model_validate(lay_over(parent, entry.model_dump(exclude_unset=True)))

    def entry(self, experiment: str) -> ExperimentEntry:
        """Return an experiment with what it inherits. Raises :class:`ConfigError` if there is none."""
        if experiment not in self.experiments:
            raise ConfigError(f"no experiment {shown(experiment)}{near(experiment, self.experiments)}")
        return self.experiments[experiment]

    def rows(self, table: str) -> tuple[str, ...]:
        """Return the rows of ``table`` that the profile runs, in the table's order."""
        chosen = self.profile.tables.get(table, ())
        rows = self.params.tables[table].rows
        return rows if chosen == "all" else tuple(row for row in rows if row in chosen)

    @property
    def tables(self) -> dict[str, TableEntry]:
        """All tables, run or not."""
        return self.params.tables

    def seeds(self, experiment: str) -> tuple[int, ...]:
        """Return the seeds of ``experiment`` in this profile."""
        entry = self.entry(experiment)
        number = self.profile.defaults.seeds or self.profile.seeds
        for pattern, overlay in self.profile.overrides.items():
            if overlay.seeds and any(matches(pattern, group_name(experiment, method)) for method in entry.methods):
                number = overlay.seeds
        return self.params.seeds[entry.seeds][:number]

    @cached_property
    def sweeps(self) -> dict[str, Sweep]:
        """Every sweep that a table of the profile asks for, by ``experiment/method``, in the tables' order."""
        found: dict[str, Sweep] = {}
        for name, table in self.params.tables.items():
            for row in self.rows(name) if table.sweeps else ():
                for method in table.methods or self.entry(row).methods:
                    key = group_name(row, method)
                    if method in self.entry(row).methods and key not in found:
                        found[key] = self._sweep(row, method)
        return found

    def _sweep(self, experiment: str, method: Method) -> Sweep:
        key, merged = group_name(experiment, method), dict[str, Any]()
        for patterns in (self.params.sweeps, self.profile.sweeps):
            for pattern, overlay in patterns.items():
                if matches(pattern, key):
                    merged |= overlay.written()
        if not merged:
            raise ConfigError(f"sweeps: wanted an entry that fits {key}, got none")
        settings = self._paper(experiment, method, self.seeds(experiment)[0])
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
        """Return the settings of one run: the experiment's, the method's, then the profile's, then what was selected.

        Args:
            experiment: its name.
            method: weight source.
            seed: run seed.
            selected: what a sweep has selected for it, or the values of a trial.
            trial: name of the run, if it is a trial: validated, and never scored on the test set.

        Raises:
            ConfigError: if there is no such experiment or method, or the settings contradict each other.
        """
        entry = self.entry(experiment)
        known(f"experiments.{experiment}.methods", "method", method, entry.methods)
        layers = [self.params.defaults.layer(), entry.layer(), entry.methods[method].layer()]
        paper = self._paper(experiment, method, seed)
        generator = paper.generator
        budget = PaperBudget(
            init_steps=paper.init.steps,
            train_steps_or_epochs=paper.train.steps or paper.train.epochs or 1,
            unit="steps" if paper.train.steps else "epochs",
            train_steps=train_steps(paper.tasks[0].dataset, paper.train, paper.data),
            batch_size=paper.train.batch_size,
            generator=generator,
            seeds=len(self.params.seeds[entry.seeds]),
        )
        layers.append(self.profile.defaults.layer())
        for pattern, overlay in self.profile.overrides.items():
            if matches(pattern, group_name(experiment, method)):
                layers.append(overlay.layer())
        if trial is not None and selected is not None:
            layers.append(selected.layer(self.sweeps[group_name(experiment, method)].unit))
            layers.append({"name": trial, "validate_split": True, "score": "validation"})
        elif (sweep := self.sweep_of(experiment, method)) is not None:
            layers.append((selected or sweep.assumed).layer(sweep.unit))
            layers += self._own(experiment, method, sweep.experiment)
            layers.append({"hyperparameters": "selected" if selected else "assumed"})
        found = self._settings(entry, layers, experiment, method, seed, paper=budget)
        chosen = found.hyperparameters != "paper" or trial is not None
        same = chosen or (found.init, found.train) == (paper.init, paper.train)
        return found if same else found.model_copy(update={"hyperparameters": "profile"})

    def _own(self, experiment: str, method: Method, owner: str) -> list[dict[str, Any]]:
        """What the experiments from below ``owner`` down to ``experiment`` say themselves of both phases."""
        found = []
        for name in reversed(self._line(experiment)[: self._line(experiment).index(owner)]):
            entry = self.params.experiments[name]
            for overlay in (entry, entry.methods.get(method)):
                layer = overlay.layer() if overlay else {}
                found.append({key: value for key, value in layer.items() if key in ("init", "train")})
        return found

    def _paper(self, experiment: str, method: Method, seed: int) -> RunSettings:
        """The settings without the profile's changes: the paper's."""
        entry = self.entry(experiment)
        layers = [self.params.defaults.layer(), entry.layer(), entry.methods[method].layer()]
        return self._settings(entry, layers, experiment, method, seed, paper=None)

    def _settings(
        self,
        entry: ExperimentEntry,
        layers: list[dict[str, Any]],
        experiment: str,
        method: Method,
        seed: int,
        paper: PaperBudget | None,
    ) -> RunSettings:
        data: dict[str, Any] = {}
        for layer in layers:
            data = lay_over(data, layer)
        if not takes_generator(method):
            data.pop("generator", None)
        placeholder = {"init_steps": 0, "train_steps_or_epochs": 1, "unit": "steps", "train_steps": 1, "batch_size": 1}
        data = {"name": str(RunId(experiment, method, seed))} | data
        data |= {
            "experiment": experiment,
            "method": method,
            "seed": seed,
            "tasks": entry.tasks,
            "model_set": entry.model_set,
            "depth": entry.depth if takes_generator(method) else 0,
            "paper": paper or placeholder | {"generator": None, "seeds": 1},
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


def parse_config(text: str, profile: str, origin: str = "params.yaml") -> Config:
    """As :func:`load_config`, from a text."""
    try:
        data = read_yaml(text)
        if not isinstance(data, dict):
            raise ConfigError(f"wanted a mapping, got {type(data).__name__}")
        return Config(Params.model_validate(data), profile)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {explain(error, setting_keys())}") from None
    except ConfigError as error:
        raise ConfigError(f"{origin}: {' '.join(str(error).split())}") from None


def workflow_options(given: Mapping[str, Any]) -> WorkflowOptions:
    """Check what came with ``snakemake --config``. Raises :class:`ConfigError` naming what is unknown or wrong."""
    words = {key: str(value) if key in ("profile", "params") else value for key, value in given.items()}
    try:
        return WorkflowOptions.model_validate(words)
    except ValidationError as error:
        raise ConfigError(f"--config {explain(error, WorkflowOptions.model_fields)}") from None


__all__ = ["Config", "ConfigError", "RunSettings", "explain", "load_config", "parse_config", "workflow_options"]
