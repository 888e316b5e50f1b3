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
from uhn.tasks.dataset import Dataset
from uhn.tasks.rows import Rows

R = TypeVar("R", bound=Rows)


def split_rows(rows: int, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Return the rows to train on and those to validate on, int64; the same for every run."""
    held = dataset.held(rows)
    if not 0 < held < rows:
        raise ValueError(f"cannot validate on a part of {rows} training rows")
    generator = torch.Generator().manual_seed(dataset.validation_seed)
    train, val = random_split(TensorDataset(torch.arange(rows)), [rows - held, held], generator=generator)
    return torch.tensor(train.indices), torch.tensor(val.indices)


def enough_rows(limits: Limits, dataset: Dataset, *, validate: bool) -> int:
    """Return how many training rows must exist for both limits (neither None) to be met once validation is cut off."""
    train, val, percent = limits.train_rows or 0, limits.test_rows or 0, dataset.validation_percent
    return max(-(-100 * train // (100 - percent)) + 1, -(-100 * val // percent)) if validate else train


def arrange(train: R, test: R, dataset: Dataset, *, validate: bool, limits: Limits) -> tuple[dict[Split, R], list[str]]:
    """Cut validation rows off the training rows if asked for, then apply the limits to every split.

    A limit keeps the first rows of an order that is fixed by the dataset's name and the split. Also returns one line
    per split that a limit has made smaller, e.g. ``"4,000 of 60,000 training rows"``.
    """
    splits: dict[Split, R] = {"train": train}
    if validate:
        kept, held = split_rows(len(train), dataset)
        splits = {"train": train.select(kept), "val": train.select(held)}
    splits["test"] = test
    words: dict[Split, str] = {"train": "training", "val": "validation", "test": "test"}
    cuts = []
    for split, rows in splits.items():
        most = limits.train_rows if split == "train" else limits.test_rows
        if most is not None and most < len(rows):
            order = torch.randperm(len(rows), generator=stream(0, f"limits/{dataset.name}/{split}"))
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
