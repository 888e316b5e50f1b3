"""The checks must notice planted defects: each of these makes the seam wrong in one way, and has to be noticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import checks
import pytest
import recorded
import yaml
from checks import STATIC
from paper_rows import ROWS
from planting import Patch, Plant, put, taken_for
from real_runs import LEFT, Made, check_record, make

from uhn.descriptors.ranges import Ranges
from uhn.paper.config import Config, ConfigError
from uhn.paper.params import Params
from uhn.paper.runs import build, execute
from uhn.paper.settings import RunSettings
from uhn.sources import UniversalHypernetwork
from uhn.sources.chain import Chain
from uhn.training.distributions import ManyTasks
from uhn.training.loop import Loop


def phases(change: Callable[[list[Any], RunSettings], list[Any]]) -> Plant:
    """Other phases than those that were asked for."""
    old = build.build_phases
    return lambda patch: put(patch, old, lambda run, tasks: change(old(run, tasks), run))


def each(kind: str, **changes: Any) -> Plant:
    """Some fields of every phase of a kind are wrong; a function is given the phase."""

    def change(found: list[Any], run: RunSettings) -> list[Any]:
        return [replace(p, **{k: v(p) for k, v in changes.items()}) if p.kind == kind else p for p in found]

    return phases(change)


def argument(cls: type, name: str, value: Any) -> Plant:
    """A class is given another argument than it should be."""
    old = cls.__init__

    def wrong(self: Any, *given: Any, **named: Any) -> None:
        old(self, *given, **(named | {name: value}))

    return lambda patch: patch.setattr(cls, "__init__", wrong)


def first_only(patch: Patch) -> None:
    old = Ranges.declared
    patch.setattr(Ranges, "declared", lambda specs: old(list(specs)[-1:]))


def one_level(patch: Patch) -> None:
    old = Chain.__init__
    patch.setattr(Chain, "__init__", lambda self, root, levels: old(self, root, levels[:1]))


def shifted(patch: Patch) -> None:
    old = ManyTasks.at
    patch.setattr(ManyTasks, "at", lambda self, step: old(self, step) if step % 3 else old(self, 0))


def splits(**names: str) -> Plant:
    """A model set gives one split for another."""

    def plant(patch: Patch) -> None:
        cls = type(build.sample_set("cnn-depth"))
        old = cls.split
        patch.setattr(cls, "split", lambda self, name: old(self, names.get(name, name)))

    return plant


def loaded(**changes: Any) -> Plant:
    """Tasks are asked for in another way."""

    def plant(patch: Patch) -> None:
        old = build.build_tasks

        def wrong(*given: Any) -> Any:
            found = old(*given)
            for task in found:
                task.asked |= changes
            return found

        put(patch, old, wrong)

    return plant


def stages(change: Callable[[Any], Any]) -> Plant:
    """A sweep's trials have other values than those of their stage."""

    def plant(patch: Patch) -> None:
        cls = type(checks.config().sweeps["mnist-mlp/uhn"])
        old = cls.values
        patch.setattr(cls, "values", lambda self, *given: change(old(self, *given)))

    return plant


PLANTED: dict[str, tuple[Plant, str]] = {
    "the levels of a chain have one rate (Eq 35)": (
        lambda patch: patch.setattr(build, "level_rate", lambda depth, level: 1.0),
        "phases",
    ),
    "the levels of a chain are initialised bottom-up": (
        phases(lambda found, run: [*reversed(found[:-1]), found[-1]]),
        "phases",
    ),
    "every level has all the steps": (
        phases(lambda found, run: [*(replace(p, steps=run.init.steps) for p in found[:-1]), found[-1]]),
        "phases",
    ),
    "a chain's initialisation is not clipped": (each("init", clip=lambda p: None), "phases"),
    "an initialisation without a chain is clipped": (each("init", clip=lambda p: 0.05), "unlike"),
    "every training is clipped": (each("train", clip=lambda p: p.clip or 1.0), "phases"),
    "epochs are taken for steps": (each("train", steps=lambda p: p.steps // p.unit, unit=lambda p: 1), "phases"),
    "warm-up counts steps for epochs": (each("train", unit=lambda p: 1), "phases"),
    "initialisation warms up": (each("init", warmup=lambda p: p.warmup or 5), "phases"),
    "training comes first": (phases(lambda found, run: found[::-1]), "phases"),
    "direct training and baselines are initialised": (
        phases(lambda found, run: [*(() if run.generator else found[:1]), *found]),
        "phases",
    ),
    "initialisation is left out": (phases(lambda found, run: found[-1:]), "phases"),
    "what does not divide is lost": (
        phases(lambda found, run: [*(replace(p, steps=found[0].steps) for p in found[:-1]), found[-1]]),
        "unlike",
    ),
    "a source is given no seed": (argument(UniversalHypernetwork, "seed", 0), "seeds"),
    "a source is given no structure": (argument(UniversalHypernetwork, "structure", False), "unlike"),
    "a source is given no scale": (argument(UniversalHypernetwork, "scale", 100.0), "unlike"),
    "a source is given no encoding": (argument(UniversalHypernetwork, "encoding", "gff"), "sources"),
    "a source is given no bound of its cache": (argument(UniversalHypernetwork, "cache_mib", 448), "unlike"),
    "a source is given no kernel": (argument(UniversalHypernetwork, "kernel", "auto"), "unlike"),
    "a chain has one level": (one_level, "sources"),
    "ranges are those of one model": (first_only, "sources"),
    "a set trains on what is held out": (splits(train="unseen"), "distributions"),
    "held-in and held-out models are swapped": (splits(seen="unseen", unseen="seen"), "distributions"),
    "a trial trains on the models that it is scored on": (splits(train_when_tuning="train"), "searches"),
    "a trial is scored on held-out models": (splits(validation="unseen"), "searches"),
    "tasks are drawn in another order": (shifted, "distributions"),
    "batches are of 128 rows": (loaded(batch_size=128), "tasks"),
    "stand-ins are always taken": (loaded(stand_in=True), "tasks"),
    "a validation split is always kept back": (loaded(validate=True), "tasks"),
    "data come from elsewhere": (loaded(root=Path("elsewhere")), "tasks"),
    "one seed for all data": (loaded(seed=1), "tasks"),
    "trials have no initialisation": (stages(lambda v: replace(v, init_lr=0.0, init_steps=0)), "searches"),
    "trials have one rate": (stages(lambda v: replace(v, lr=1e-4)), "searches"),
    "trials have one budget": (stages(lambda v: replace(v, budget=100)), "searches"),
}


@pytest.mark.parametrize("defect", PLANTED)
def test_a_planted_defect_is_noticed(defect: str, monkeypatch: Patch) -> None:
    plant, check = PLANTED[defect]
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        STATIC[check]()


def scored_on_validation(patch: Patch) -> None:
    old = execute.Session._scores
    patch.setattr(execute.Session, "_scores", lambda self, split: old(self, "val"))


def scored_on_test(patch: Patch) -> None:
    old = execute.Session._scores
    patch.setattr(execute.Session, "_scores", lambda self, split: old(self, "test"))


def saved_untrained(patch: Patch) -> None:
    old = execute.Session.__init__

    def wrong(self: Any, settings: RunSettings, distribution: Any, *rest: Any) -> None:
        old(self, settings, distribution, *rest)
        self.trained = build.build_source(settings, distribution)

    patch.setattr(execute.Session, "__init__", wrong)


def never_evaluates(patch: Patch) -> None:
    patch.setattr(execute.Session, "_evaluates", lambda self, phase, step: False)


def other_threads(patch: Patch) -> None:
    old = execute.reproducible
    patch.setattr(execute, "reproducible", lambda threads: old(threads + 1))


IN_A_RUN: dict[str, tuple[Plant, str, str]] = {
    "the precision is ignored": (argument(Loop, "precision", "fp32"), "odd", "training"),
    "the loop has another seed": (argument(Loop, "seed", 0), "odd", "training"),
    "the value is the validation's": (scored_on_validation, "direct", "direct"),
    "untrained weights are saved": (saved_untrained, "direct", "direct"),
    "nothing is evaluated on the way": (never_evaluates, "trial", "trial"),
    "a trial is scored on test rows": (scored_on_test, "trial", "trial"),
    "the number of threads is ignored": (other_threads, "direct", "record"),
    "another task's points": (taken_for("seed", 8), "direct", "direct"),
}


@pytest.mark.parametrize("defect", IN_A_RUN)
def test_a_defect_in_a_run_is_noticed(defect: str, monkeypatch: Patch, tmp_path: Path) -> None:
    plant, kind, check = IN_A_RUN[defect]
    plant(monkeypatch)
    with pytest.raises((AssertionError, ValueError)):
        LEFT[check][0](make(kind, tmp_path))


def test_everything_that_a_record_leaves_out_is_noticed(made: Callable[[str], Made]) -> None:
    for kind in ("odd", "tasks"):
        one = made(kind)
        check_record(one)
        for key in one.metrics:
            with pytest.raises(AssertionError):
                check_record(one, {k: v for k, v in one.metrics.items() if k != key})


@pytest.mark.parametrize("key", ["chance", "majority", "scored_rows", "parameters", "budget", "metric", "resumed"])
def test_a_wrong_value_of_a_record_is_noticed(key: str, made: Callable[[str], Made]) -> None:
    one = made("odd")
    with pytest.raises(AssertionError):
        check_record(one, dict(one.metrics) | {key: None})


def test_a_member_without_its_chance_is_noticed(made: Callable[[str], Made]) -> None:
    one = made("tasks")
    values = {name: {k: v for k, v in said.items() if k != "chance"} for name, said in one.metrics["values"].items()}
    with pytest.raises(AssertionError):
        LEFT["values"][0](replace(one, metrics=dict(one.metrics) | {"values": values}))


def numbers(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], float]]:
    """Every number of a part of params.yaml, with its path."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in numbers(inner, (*path, key))]
    if isinstance(value, list):
        return [found for key, inner in enumerate(value) for found in numbers(inner, (*path, key))]
    return [(path, value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_a_number_of_params_yaml_that_is_another_one_is_noticed(monkeypatch: Patch) -> None:
    """Every twelfth number of the experiments is doubled."""
    data = yaml.safe_load(checks.PARAMS.read_text(encoding="utf-8"))
    planned = {row.experiment for row in ROWS}
    every = [one for one in numbers(data["experiments"]) if one[0][0] in planned]
    found = [one for one in every if one[0][-1] not in ("probability", "threads")]
    assert len(found) > 150
    for path, value in found[::12]:
        place = data["experiments"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value * 2 or 1
        rows = [row for row in ROWS if row.experiment == path[0]]
        with pytest.raises((AssertionError, ConfigError)):
            config = Config(Params.model_validate(data), "paper")
            monkeypatch.setattr(checks, "config", lambda config=config: config)
            checks.check_phases(rows)
            checks.check_sources(rows)
        place[path[-1]] = value


@pytest.mark.parametrize("key", ["chance", "target_std", "majority", "validation", "taken_from"])
def test_reports_are_tested_on_what_the_writer_leaves(key: str, monkeypatch: Patch) -> None:
    said = {name: value for name, value in json.loads(recorded._left()).items() if name != key}
    monkeypatch.setattr(recorded, "_left", lambda: json.dumps(said))
    with pytest.raises(KeyError, match=f"no run says {key}"):
        recorded.recorded("kan-kv/uhn/seed-1", **{key: None})
