"""What the paper prints: ``published.csv``, each value with where it stands; and the datasets that it uses.

A line says ``of`` what (a group of runs, a model set, a graph), ``what`` it is, its ``value`` and its ``source``: a
table, or where else it was found. Most of the paper's results did not survive in the text this project worked from and
are in no line; they are shown as "lost".
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Final

from uhn.paper.tables.keys import CellKey
from uhn.tasks import DATASETS, planetoid
from uhn.tasks.dataset import Dataset

FILE: Final = Path(__file__).with_name("published.csv")
LOST: Final = "lost"

MARKED: Final = ("inferred", "read off")
"""First words of sources that a printed result is marked with: taken over by reasoning, measured in a figure."""


@cache
def entries() -> dict[tuple[str, str], tuple[str, str]]:
    """Every value with its source, by what it is of and what it is."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return {(row["of"], row["what"]): (row["value"], row["source"]) for row in csv.DictReader(file)}


def text(of: str, what: str) -> str:
    """A value as it stands. Raises ``KeyError`` if the paper has none."""
    return entries()[of, what][0]


def number(of: str, what: str) -> int | None:
    """A whole number, None if the paper does not print one."""
    return int(entries()[of, what][0]) if (of, what) in entries() else None


def printed(of: str, *what: str) -> dict[str, str]:
    """Labels ``<what>_paper`` of a row, as the paper prints them."""
    return {f"{each}_paper": f"{value:,}" for each in what if (value := number(of, each)) is not None}


def result(key: CellKey) -> str:
    """The paper's printed result of a cell (accuracies in percent), marked if it stands elsewhere; or ``"lost"``."""
    if (key.group, key.pick) not in entries():
        return LOST
    value, source = entries()[key.group, key.pick]
    return value + "".join(f" ({mark})" for mark in MARKED if source.startswith(mark))


def source(key: CellKey) -> str:
    """Where the paper's result of a cell stands; empty if it is lost."""
    return entries().get((key.group, key.pick), ("", ""))[1]


GRAPHS: Final = tuple(known.name for known in planetoid.DATASETS)


def dataset(name: str) -> Dataset | None:
    """The dataset that the paper has where a run reads ``name``: itself, or the whole of which it is a part."""
    return DATASETS[DATASETS[name].models_of] if name in DATASETS else None


def label(name: str) -> str:
    """A dataset's printed name."""
    return DATASETS[name].label if name in DATASETS else name
