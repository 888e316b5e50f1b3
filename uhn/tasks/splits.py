"""Which rows belong to which split, and what a task's data are called by: the fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import TensorDataset, random_split

from uhn.randomness import stream
from uhn.tasks.base import Limits, Split
from uhn.tasks.rows import Rows
from uhn.vocabulary import DatasetType

R = TypeVar("R", bound=Rows)

VALIDATION_PERCENT = {DatasetType.CIFAR10: 10}
"""Share of the training rows that validation takes; 20 % where nothing is said."""


def split_rows(rows: int, dataset_type: DatasetType) -> tuple[Tensor, Tensor]:
    """Return the rows to train on and those to validate on, int64; the same for every run (seed 42 + dataset code)."""
    held = rows * VALIDATION_PERCENT.get(dataset_type, 20) // 100
    if not 0 < held < rows:
        raise ValueError(f"cannot validate on a part of {rows} training rows")
    generator = torch.Generator().manual_seed(42 + int(dataset_type))
    train, val = random_split(TensorDataset(torch.arange(rows)), [rows - held, held], generator=generator)
    return torch.tensor(train.indices), torch.tensor(val.indices)


def enough_rows(limits: Limits, dataset_type: DatasetType, *, validate: bool) -> int:
    """Return how many training rows must exist for both limits (neither None) to be met once validation is cut off."""
    train, val = limits.train_rows or 0, limits.test_rows or 0
    if not validate:
        return train
    percent = VALIDATION_PERCENT.get(dataset_type, 20)
    return max(-(-100 * train // (100 - percent)) + 1, -(-100 * val // percent))


def arrange(
    train: R, test: R, name: str, dataset_type: DatasetType, *, validate: bool, limits: Limits
) -> tuple[dict[Split, R], list[str]]:
    """Cut validation rows off the training rows if asked for, then apply the limits to every split.

    A limit keeps the first rows of an order that is fixed by ``name`` and the split. Also returns one line for each
    split that a limit has made smaller, e.g. ``"4,000 of 60,000 training rows"``.
    """
    splits: dict[Split, R] = {"train": train}
    if validate:
        kept, held = split_rows(len(train), dataset_type)
        splits = {"train": train.select(kept), "val": train.select(held)}
    splits["test"] = test
    words: dict[Split, str] = {"train": "training", "val": "validation", "test": "test"}
    cuts = []
    for split, rows in splits.items():
        most = limits.train_rows if split == "train" else limits.test_rows
        if most is not None and most < len(rows):
            order = torch.randperm(len(rows), generator=stream(0, f"limits/{name}/{split}"))
            splits[split] = rows.select(order[:most])
            cuts.append(f"{most:,} of {len(rows):,} {words[split]} rows")
    return splits, cuts


def fingerprint(name: str, splits: Mapping[Split, Rows]) -> str:
    """Return the SHA-256 (hex) of the name and of every split's rows."""
    digest = hashlib.sha256(json.dumps([name, {split: len(rows) for split, rows in splits.items()}]).encode())
    for split, rows in splits.items():
        digest.update(split.encode())
        rows.update(digest)
    return digest.hexdigest()
