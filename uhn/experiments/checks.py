"""What holds between the names of params.yaml: each exists where it is used, and says what was meant if it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from uhn.experiments.budget import DATASETS
from uhn.experiments.names import told_apart
from uhn.experiments.params import ExperimentEntry, Params
from uhn.experiments.reading import ConfigError, near, shown
from uhn.experiments.sweeps import FOLDER

TAKEN = {"experiments": (FOLDER,), "profiles": ("reference",)}
"""Names whose folders below the results hold something else: sweeps, and results that are kept."""

Experiments = Mapping[str, ExperimentEntry]


def known(where: str, what: str, name: str, names: Iterable[str]) -> None:
    """Raise :class:`ConfigError` unless ``name`` is one of ``names``."""
    if name not in (names := tuple(names)):
        raise ConfigError(f"{where}: no {what} {shown(name)}{near(name, names)}")


def check_names(params: Params, experiments: Experiments) -> None:
    """Check every name in ``params``; ``experiments`` have what they inherit.

    Raises:
        ConfigError: for one that does not exist, with its path and the nearest that does.
    """
    for section, taken in TAKEN.items():
        for name in getattr(params, section):
            if name in taken:
                raise ConfigError(f"{section}.{name}: wanted another name, this one's folder is taken")
    told_apart("profiles", params.profiles)
    told_apart("experiments", experiments)
    told_apart("experiments.*.job", (entry.job or name for name, entry in experiments.items()))
    for name, entry in experiments.items():
        if not entry.tasks:
            raise ConfigError(f"experiments.{name}.tasks: wanted at least one task, got none")
        known(f"experiments.{name}.seeds", "list", entry.seeds, params.seeds)
        for number, task in enumerate(entry.tasks):
            known(f"experiments.{name}.tasks.{number}.dataset", "dataset", task.dataset, DATASETS)
    for name, table in params.tables.items():
        for row in table.rows:
            known(f"tables.{name}.rows", "experiment", row, experiments)
    for profile, chosen in params.profiles.items():
        where = f"profiles.{profile}"
        for name, rows in chosen.tables.items():
            known(f"{where}.tables", "table", name, params.tables)
            for row in () if rows == "all" else rows:
                known(f"{where}.tables.{name}", "row", row, params.tables[name].rows)
        _check_patterns(f"{where}.overrides", chosen.overrides, experiments)
        _check_patterns(f"{where}.sweeps", chosen.sweeps, experiments)
    _check_patterns("sweeps", params.sweeps, experiments)


def matches(pattern: str, name: str) -> bool:
    """Whether ``experiment`` or ``experiment/method``, with wildcards, fits the run."""
    return fnmatchcase(name if "/" in pattern else name.partition("/")[0], pattern)


def _check_patterns(where: str, patterns: Iterable[str], experiments: Experiments) -> None:
    names = [f"{name}/{method}" for name, entry in experiments.items() for method in entry.methods]
    for pattern in patterns:
        if not any(matches(pattern, name) for name in names):
            raise ConfigError(f"{where}.{pattern}: wanted a pattern that fits a run, got one that fits none")
