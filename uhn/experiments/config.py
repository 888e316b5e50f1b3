"""params.yaml read, checked and resolved: :func:`load_config`, and :meth:`Config.resolve` for one run."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from uhn.experiments.budget import DATASETS, train_steps
from uhn.experiments.params import ExperimentEntry, Params, ProfileEntry, TableEntry, lay_over
from uhn.experiments.settings import Method, PaperBudget, RunSettings

SOURCES_WITH_GENERATOR = ("uhn",)
WORDS = {"greater_than": "> {gt}", "greater_than_equal": ">= {ge}", "less_than": "< {lt}", "less_than_equal": "<= {le}"}
KINDS = {"int": "a whole number", "float": "a number", "string": "a text", "bool": "true or false", "dict": "a mapping"}


class ConfigError(ValueError):
    """params.yaml, a profile or a name is wrong; the message says where, what was wanted and what was got."""


class _Loader(yaml.SafeLoader):
    """YAML without duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if key in seen:
                raise ConfigError(f"line {line}: wanted every key once, got {key!r} again (first in line {seen[key]})")
            seen[key] = line
        return super().construct_mapping(node, deep)


def _say(error: Any) -> str:
    """One pydantic error as ``path: wanted …, got …``."""
    kind, context, got = error["type"], error.get("ctx", {}), error["input"]
    path = ".".join(
        str(part) for part in error["loc"] if not str(part).startswith(("function-", "literal[", "tuple[", "[key]"))
    )
    if kind == "extra_forbidden":
        return f"{path}: unknown key"
    if kind == "missing":
        return f"{path}: wanted a value, got none"
    if kind == "value_error":
        return f"{path}: {context['error']}" if path else str(context["error"])
    if kind in WORDS:
        return f"{path}: wanted {WORDS[kind].format(**context)}, got {got!r}"
    if kind == "literal_error":
        return f"{path}: wanted {context['expected']}, got {got!r}"
    if kind.endswith("_type") and kind[:-5] in KINDS:
        return f"{path}: wanted {KINDS[kind[:-5]]}, got {got!r}"
    return f"{path}: {error['msg'][0].lower()}{error['msg'][1:]}, got {got!r}"


def explain(error: ValidationError) -> str:
    """Return what is wrong, the first finding in full, with the number of the others."""
    found = error.errors(include_url=False)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return _say(found[0]) + more


def _near(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"


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
            raise ConfigError(f"profile: wanted one of {', '.join(params.profiles)}, got {profile!r}")
        self.params = params
        self.profile_name = profile
        self.profile: ProfileEntry = params.profiles[profile]
        self.experiments = {name: self._inherit(name) for name in params.experiments}
        self._check_names()
        for name, entry in self.experiments.items():
            for method in entry.methods:
                self.resolve(name, method, self.seeds(name)[0])

    def _inherit(self, name: str, seen: tuple[str, ...] = ()) -> ExperimentEntry:
        if name in seen:
            raise ConfigError(f"experiments.{name}.like: wanted no circle, got {' -> '.join([*seen, name])}")
        entry = self.params.experiments[name]
        if entry.like is None:
            return entry
        if entry.like not in self.params.experiments:
            raise ConfigError(
                f"experiments.{name}.like: no experiment {entry.like!r}{_near(entry.like, self.params.experiments)}"
            )
        parent = self._inherit(entry.like, (*seen, name)).model_dump(exclude_unset=True)
        return ExperimentEntry.model_validate(lay_over(parent, entry.model_dump(exclude_unset=True)))

    def _check_names(self) -> None:
        params = self.params
        for name, entry in self.experiments.items():
            if "/" in name or name.strip(".") != name:
                raise ConfigError(f"experiments.{name}: wanted a name without a slash and outer dots, got {name!r}")
            if not entry.tasks:
                raise ConfigError(f"experiments.{name}.tasks: wanted at least one task, got none")
            if entry.seeds not in params.seeds:
                raise ConfigError(
                    f"experiments.{name}.seeds: no list {entry.seeds!r}{_near(entry.seeds, params.seeds)}"
                )
            for number, task in enumerate(entry.tasks):
                if task.dataset not in DATASETS:
                    near = _near(task.dataset, DATASETS)
                    raise ConfigError(f"experiments.{name}.tasks.{number}.dataset: no dataset {task.dataset!r}{near}")
        for name, table in params.tables.items():
            for row in table.rows:
                if row not in self.experiments:
                    raise ConfigError(f"tables.{name}.rows: no experiment {row!r}{_near(row, self.experiments)}")
        for profile, chosen in params.profiles.items():
            where = f"profiles.{profile}"
            for name, rows in chosen.tables.items():
                if name not in params.tables:
                    raise ConfigError(f"{where}.tables: no table {name!r}{_near(name, params.tables)}")
                for row in () if rows == "all" else rows:
                    if row not in params.tables[name].rows:
                        raise ConfigError(
                            f"{where}.tables.{name}: no row {row!r}{_near(row, params.tables[name].rows)}"
                        )
            names = [f"{name}/{method}" for name, entry in self.experiments.items() for method in entry.methods]
            for pattern in chosen.overrides:
                if not any(_matches(pattern, name) for name in names):
                    raise ConfigError(
                        f"{where}.overrides.{pattern}: wanted a pattern that fits a run, got one that fits none"
                    )

    def entry(self, experiment: str) -> ExperimentEntry:
        """Return an experiment with what it inherits. Raises :class:`ConfigError` if there is none."""
        if experiment not in self.experiments:
            raise ConfigError(f"no experiment {experiment!r}{_near(experiment, self.experiments)}")
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
            if overlay.seeds and any(_matches(pattern, f"{experiment}/{method}") for method in entry.methods):
                number = overlay.seeds
        return self.params.seeds[entry.seeds][:number]

    def resolve(self, experiment: str, method: Method, seed: int) -> RunSettings:
        """Return the settings of one run: the experiment's, the method's, then the profile's.

        Raises:
            ConfigError: if there is no such experiment or method, or the settings contradict each other.
        """
        entry = self.entry(experiment)
        if method not in entry.methods:
            raise ConfigError(
                f"experiments.{experiment}.methods: no method {method!r}{_near(method, tuple(entry.methods))}"
            )
        layers = [self.params.defaults.layer(), entry.layer(), entry.methods[method].layer()]
        paper = self._settings(entry, layers, experiment, method, seed, paper=None)
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
            if _matches(pattern, f"{experiment}/{method}"):
                layers.append(overlay.layer())
        return self._settings(entry, layers, experiment, method, seed, paper=budget)

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
        if method not in SOURCES_WITH_GENERATOR:
            data.pop("generator", None)
        placeholder = {"init_steps": 0, "train_steps_or_epochs": 1, "unit": "steps", "train_steps": 1, "batch_size": 1}
        data |= {
            "name": f"{experiment}/{method}/seed-{seed}",
            "experiment": experiment,
            "method": method,
            "seed": seed,
            "tasks": entry.tasks,
            "model_set": entry.model_set,
            "depth": entry.depth if method in SOURCES_WITH_GENERATOR else 0,
            "paper": paper or placeholder | {"generator": None, "seeds": 1},
        }
        try:
            return RunSettings.model_validate(data)
        except ValidationError as error:
            raise ConfigError(f"run {experiment}/{method} of profile {self.profile_name}: {explain(error)}") from None


def _matches(pattern: str, name: str) -> bool:
    """Whether ``experiment`` or ``experiment/method``, with wildcards, fits the run."""
    return fnmatchcase(name if "/" in pattern else name.partition("/")[0], pattern)


def load_config(path: Path | str = "params.yaml", profile: str = "quick") -> Config:
    """Read, check and return the settings.

    Args:
        path: the YAML file.
        profile: ``quick``, ``paper``, ``smoke`` or another that the file declares.

    Raises:
        ConfigError: if the file cannot be read or anything in it is wrong, naming file and key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: wanted a readable file, got: {error}") from None
    return parse_config(text, profile, str(path))


def parse_config(text: str, profile: str, origin: str = "params.yaml") -> Config:
    """As :func:`load_config`, from a text."""
    try:
        data = yaml.load(text, Loader=_Loader)
        if not isinstance(data, dict):
            raise ConfigError(f"wanted a mapping, got {type(data).__name__}")
        return Config(Params.model_validate(data), profile)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {explain(error)}") from None
    except (yaml.YAMLError, ConfigError) as error:
        raise ConfigError(f"{origin}: {' '.join(str(error).split())}") from None


__all__ = ["Config", "ConfigError", "RunSettings", "explain", "load_config", "parse_config"]
