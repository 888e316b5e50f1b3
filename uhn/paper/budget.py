"""How many steps a budget is: the sizes of the datasets, known before any of them is loaded."""

from __future__ import annotations

from math import ceil

from uhn.basemodels import CITATION, FUNCTIONS
from uhn.paper.settings import DataSettings, RunSettings, TrainSettings

FULL_BATCH = (*CITATION, *FUNCTIONS)
"""Datasets whose every step sees all training rows: an epoch is one step."""

TRAIN_ROWS = {
    "mnist": (60_000, 48_000),
    "cifar10": (50_000, 45_000),
    "ag_news": (120_000, 96_000),
    "ag_news_30k": (30_027, 24_022),
    "imdb": (25_000, 20_000),
}
"""Training rows of the mini-batch datasets: all, and what is left when a validation split is kept back."""

DATASETS = (*TRAIN_ROWS, *FULL_BATCH)


def steps_per_epoch(dataset: str, data: DataSettings, batch_size: int, *, validate: bool = False) -> int:
    """Return the steps of one pass over ``dataset``. Raises ``KeyError`` for a dataset that does not exist."""
    if dataset in FULL_BATCH:
        return 1
    rows = TRAIN_ROWS[dataset][validate]
    return ceil(min(rows, data.train_rows or rows) / batch_size)


def train_steps(dataset: str, train: TrainSettings, data: DataSettings, *, validate: bool = False) -> int:
    """Return the steps of the training phase, whichever unit its budget has."""
    if train.steps is not None:
        return train.steps
    assert train.epochs is not None
    return train.epochs * steps_per_epoch(dataset, data, train.batch_size, validate=validate)


def run_steps(settings: RunSettings) -> int:
    """Return the steps of a run, initialisation and training together."""
    dataset = settings.tasks[0].dataset
    return settings.init.steps + train_steps(dataset, settings.train, settings.data, validate=settings.validate_split)
