"""How many steps a budget is: the sizes of the datasets, known before any of them is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

from uhn.paper.settings import DataSettings, RunSettings, TrainSettings
from uhn.tasks import DATASETS


def steps_per_epoch(dataset: str, data: DataSettings, batch_size: int, *, validate: bool = False) -> int:
    """Return the steps of one pass over ``dataset``. Raises ``KeyError`` for a dataset that does not exist."""
    known = DATASETS[dataset]
    if known.full_batch:
        return 1
    rows = known.rows(validate=validate)
    return ceil(min(rows, data.train_rows or rows) / batch_size)


def train_steps(dataset: str, train: TrainSettings, data: DataSettings, *, validate: bool = False) -> int:
    """Return the steps of the training phase, whichever unit its budget has."""
    if train.steps is not None:
        return train.steps
    assert train.epochs is not None
    return train.epochs * steps_per_epoch(dataset, data, train.batch_size, validate=validate)


@dataclass(frozen=True)
class PaperRun:
    """What the paper's run of the same experiment and source has.

    Args:
        settings: its settings, those of params.yaml that no profile has changed.
        seeds: how many seeds the paper has of it.
    """

    settings: RunSettings
    seeds: int

    @cached_property
    def written(self) -> dict[str, Any]:
        """Its settings as a record holds them."""
        return self.settings.model_dump(mode="json")

    @property
    def steps(self) -> int:
        """Steps of its training phase, on the whole dataset."""
        return train_steps(self.settings.tasks[0].dataset, self.settings.train, self.settings.data)


def run_steps(settings: RunSettings) -> int:
    """Return the steps of a run, initialisation and training together."""
    dataset = settings.tasks[0].dataset
    return settings.init.steps + train_steps(dataset, settings.train, settings.data, validate=settings.validate_split)
