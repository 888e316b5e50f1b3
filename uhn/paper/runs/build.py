"""From the settings of a run to its tasks, specs, weight source and phases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from uhn.models import zoo
from uhn.models.sets import corner_specs, sample_set
from uhn.paper.settings import RunSettings, source_class
from uhn.sources import WeightSource
from uhn.tasks import Limits, Task, load_task
from uhn.training.distributions import ManyTasks, ModelSet, OneModel, SpecDistribution
from uhn.training.loop import Phase


def build_tasks(settings: RunSettings, data_root: Path, device: torch.device) -> list[Task]:
    """Load the run's tasks onto ``device``."""
    limits = Limits(settings.data.train_rows, settings.data.test_rows)
    return [
        load_task(
            task.dataset,
            root=data_root,
            seed=settings.seed,
            validate=settings.validate_split,
            stand_in=settings.data.stand_in,
            limits=limits,
            batch_size=settings.train.batch_size,
        ).to(device)
        for task in settings.tasks
    ]


def build_distribution(settings: RunSettings, tasks: Sequence[Task]) -> SpecDistribution:
    """Return what each step of training sees."""
    if settings.model_set is not None:
        split = "train_when_tuning" if settings.validate_split else "train"
        return ModelSet(tasks[0], sample_set(settings.model_set).split(split), settings.seed)
    specs = [zoo(task.model) for task in settings.tasks]
    if len(tasks) == 1:
        return OneModel(tasks[0], specs[0])
    probabilities = tuple(task.probability for task in settings.tasks)
    return ManyTasks(tuple(zip(tasks, specs, strict=True)), probabilities, settings.seed)


def build_source(settings: RunSettings, distribution: SpecDistribution) -> WeightSource:
    """Return the untrained weight source of the run, its initial values drawn from the run's seed."""
    specs = corner_specs(settings.model_set) if settings.model_set else [spec for _, spec in distribution.members]
    return source_class(settings).from_settings(specs, seed=settings.seed, **source_arguments(settings))


def source_arguments(settings: RunSettings) -> dict[str, Any]:
    """Keyword arguments of the run's weight source, the seed aside."""
    if (generator := settings.generator) is None:
        return dict(settings.options)
    arguments = generator.model_dump()
    arguments["frequencies"] = arguments.pop("index_frequencies")
    depth = {"depth": settings.depth} if settings.depth else {}
    return arguments | settings.compute.model_dump(include={"kernel", "cache_mib"}) | depth


def build_phases(settings: RunSettings, tasks: Sequence[Task]) -> list[Phase]:
    """Return the phases: initialisation (a hypernetwork's only; of a chain top-down, level by level), then training."""
    phases = []
    train = settings.train
    if settings.init.steps and source_class(settings).generates:
        assert settings.init.lr is not None
        order = [*range(1, settings.depth + 1), 0]
        shares = [settings.init.steps // len(order)] * len(order)
        shares[-1] += settings.init.steps - sum(shares)
        for number, (level, steps) in enumerate(zip(order, shares, strict=True)):
            rate = settings.init.lr * level_rate(settings.depth, number)
            clip = train.clip if settings.depth else None
            phases.append(Phase("init", steps, rate, settings.init.warmup, clip=clip, level=level))
    if train.steps is not None:
        steps, unit = train.steps, 1
    else:
        assert train.epochs is not None
        unit = tasks[0].steps_per_epoch
        steps = train.epochs * unit
    phases.append(Phase("train", steps, train.lr, train.warmup, unit, train.clip))
    return phases


def level_rate(depth: int, level: int) -> float:
    """Factor of the initialisation rate at ``level`` (0 is H_1) of a chain of ``depth`` (Eq 35): 1 up to depth 1."""
    if depth < 2:
        return 1.0
    return 1 / 5 if level <= 1 else 1 / 10 if level == 2 else 1 / 40
