"""From the settings of a run to its tasks, specs, weight source and phases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from uhn.descriptors.ranges import Ranges
from uhn.experiments.settings import RunSettings
from uhn.models import zoo
from uhn.sources import SOURCES, Direct, UniversalHypernetwork, WeightSource
from uhn.sources.chain import Chain
from uhn.tasks import Limits, Task, load_task
from uhn.training.distributions import ManyTasks, OneModel, SpecDistribution
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
    specs = [zoo(task.model) for task in settings.tasks]
    if len(tasks) == 1:
        return OneModel(tasks[0], specs[0])
    probabilities = tuple(task.probability for task in settings.tasks)
    return ManyTasks(tuple(zip(tasks, specs, strict=True)), probabilities, settings.seed)


def build_source(settings: RunSettings, distribution: SpecDistribution) -> WeightSource:
    """Return the untrained weight source of the run, its initial values drawn from the run's seed."""
    specs = [spec for _, spec in distribution.members]
    if settings.method == "direct":
        if len(specs) > 1:
            raise ValueError(f"{settings.name}: direct training serves one model, got {len(specs)}")
        return Direct(specs[0], seed=settings.seed)
    if settings.method not in SOURCES:
        raise ValueError(f"{settings.name}: method must be one of {', '.join(SOURCES)}, got {settings.method!r}")
    generator = settings.generator
    assert generator is not None
    levels = [zoo("uhn-generated")] * settings.depth
    ranges = Ranges.declared([*levels[:1], *specs])
    root = UniversalHypernetwork(
        ranges,
        hidden=generator.hidden,
        blocks=generator.blocks,
        frequencies=generator.index_frequencies,
        structure=generator.structure,
        structure_frequencies=generator.structure_frequencies,
        encoding=generator.encoding,
        scale=generator.scale,
        seed=settings.seed,
    )
    return Chain(root, levels) if levels else root


def build_phases(settings: RunSettings, tasks: Sequence[Task]) -> list[Phase]:
    """Return the phases: initialisation (a hypernetwork's only), then training."""
    phases = []
    if settings.init.steps and settings.method != "direct":
        assert settings.init.lr is not None
        phases.append(Phase("init", settings.init.steps, settings.init.lr, settings.init.warmup))
    train = settings.train
    if train.steps is not None:
        steps, unit = train.steps, 1
    else:
        assert train.epochs is not None
        unit = tasks[0].steps_per_epoch
        steps = train.epochs * unit
    phases.append(Phase("train", steps, train.lr, train.warmup, unit, train.clip))
    return phases
