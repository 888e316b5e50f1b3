"""What holds between the names of params.yaml and between the settings of a run: the impossible is said at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from uhn.models.base_models import GENERATED, MODEL_SETS, MODELS, models_for
from uhn.paper.names import FOLDER, group_name, parse_group, told_apart
from uhn.paper.params import ExperimentEntry, Params
from uhn.paper.reading import ConfigError, near, shown
from uhn.paper.settings import RunSettings, serves_one
from uhn.paper.tables.catalogue import Needs
from uhn.sources import SOURCES
from uhn.tasks import DATASETS

TAKEN = {"experiments": (FOLDER,), "profiles": ("reference",)}
"""Names whose folders below the results hold something else: sweeps, and results that are kept."""

Experiments = Mapping[str, ExperimentEntry]


def known(where: str, what: str, name: str, names: Iterable[str]) -> None:
    """Raise :class:`ConfigError` unless ``name`` is one of ``names``."""
    if name not in (names := tuple(names)):
        raise ConfigError(f"{where}: no {what} {shown(name)}{near(name, names)}")


def check_names(params: Params, experiments: Experiments, needs: Mapping[str, Needs]) -> None:
    """Check every name in ``params``; ``experiments`` have what they inherit; ``needs`` are the tables'.

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
        check_tasks(f"experiments.{name}", entry)
    for profile, chosen in params.profiles.items():
        where = f"profiles.{profile}"
        for name, asked in chosen.tables.items():
            known(f"{where}.tables", "table", name, needs)
            for row in () if asked == "all" else asked:
                known(
                    f"{where}.tables.{name}", "row", row, [row for row in needs[name].experiments if row in experiments]
                )
        _check_patterns(f"{where}.overrides", chosen.overrides, experiments)
        _check_patterns(f"{where}.sweeps", chosen.sweeps, experiments)
    _check_patterns("sweeps", params.sweeps, experiments)


def check_shown(params: Params, needs: Mapping[str, Needs]) -> None:
    """Raise :class:`ConfigError` for an experiment, or a source of one, that no table shows: it would never run."""
    shown = {group for each in needs.values() for group in (*each.runs, *each.searches)}
    experiments = {parse_group(group)[0] for group in shown}
    wanted = "wanted a row in uhn/paper/tables/ (further.py takes what the paper does not have) that shows it, got none"
    for name, entry in params.experiments.items():
        for source in entry.methods if name in experiments else ():
            if group_name(name, source) not in shown:
                raise ConfigError(f"experiments.{name}.methods.{source}: {wanted}")
        if name not in experiments:
            raise ConfigError(f"experiments.{name}: {wanted}")


def check_older(section: Any, needs: Mapping[str, Needs]) -> None:
    """Check the section ``tables`` of a file from before the tables declared their rows.

    Raises:
        ConfigError: for a row that none declares.
    """
    for name, table in section.items() if isinstance(section, dict) else ():
        for row in table.get("rows", ()) if isinstance(table, dict) else ():
            if str(name) not in needs or row not in needs[name].experiments:
                where = "wanted no such section (tables declare their rows in uhn/paper/tables/)"
                raise ConfigError(f"tables.{name}.rows: {where}, or a row that is declared; got {shown(row)}")


def check_tasks(where: str, entry: ExperimentEntry) -> None:
    """Raise :class:`ConfigError` unless an experiment's datasets, models and model set exist and go together."""
    datasets = [task.dataset for task in entry.tasks]
    for number, task in enumerate(entry.tasks):
        place = f"{where}.tasks.{number}"
        known(f"{place}.dataset", "dataset", task.dataset, DATASETS)
        known(f"{place}.model", "model", task.model, MODELS)
        if task.model not in (fitting := models_for(task.dataset)):
            other = f"{task.model}, which is for {MODELS[task.model].dataset}"
            raise ConfigError(f"{place}.model: wanted a model for {task.dataset} ({', '.join(fitting)}), got {other}")
        if datasets.index(task.dataset) != number:
            raise ConfigError(f"{place}.dataset: wanted every dataset once, got {task.dataset} again")
    if entry.model_set is None:
        return
    known(f"{where}.model_set", "model set", entry.model_set, MODEL_SETS)
    wanted = MODEL_SETS[entry.model_set]
    if [DATASETS[name].models_of for name in datasets] != [wanted]:
        raise ConfigError(f"{where}.tasks: wanted one on {wanted} for {entry.model_set}, got {', '.join(datasets)}")


def check_run(run: RunSettings) -> RunSettings:
    """Return ``run``. Raises :class:`ConfigError` if its method, models and generator do not go together."""
    if problem := _impossible(run):
        raise ConfigError(f"run {run.name}: {problem}")
    return run


def _impossible(run: RunSettings) -> str | None:
    if serves_one(run.method) and (run.model_set or len(run.tasks) > 1):
        return f"method {run.method} serves one model, got {run.model_set or f'{len(run.tasks)} tasks'}"
    able = SOURCES[run.method].families
    for family, model in ((MODELS[task.model].family, task.model) for task in run.tasks if able is not None):
        if able is not None and family not in able:
            return f"method {run.method} serves models of family {', '.join(able)}, got {model} ({family})"
    if 0 < run.init.steps <= run.depth:
        return f"init.steps: wanted at least one for each of {run.depth + 1} levels, or none; got {run.init.steps}"
    if run.depth and (generator := run.generator):
        for key, value in ({**GENERATED, "structure": True, "encoding": "gff"}).items():
            if (got := getattr(generator, key)) != value:
                return f"generator.{key}: wanted {value} under a depth of {run.depth}, got {got}"
    return None


@lru_cache(maxsize=2**16)  # asked of the same patterns and runs for checks, seeds, settings and sweeps
def matches(pattern: str, name: str) -> bool:
    """Whether ``experiment`` or ``experiment/method``, with wildcards, fits the run."""
    return fnmatchcase(name if "/" in pattern else parse_group(name)[0], pattern)


def _check_patterns(where: str, patterns: Iterable[str], experiments: Experiments) -> None:
    names = [group_name(name, method) for name, entry in experiments.items() for method in entry.methods]
    for pattern in patterns:
        if not any(matches(pattern, name) for name in names):
            raise ConfigError(f"{where}.{pattern}: wanted a pattern that fits a run, got one that fits none")
