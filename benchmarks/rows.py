"""Rows of measurements as csv: written whole after each, read back to go on where a run was stopped."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from uhn.files import write_atomically
from uhn.paper.runs.digest import code_digest, package_digest
from uhn.paper.runs.record import hardware

Row = dict[str, Any]

CONDITIONS = ("processor", "cores", "threads", "torch", "code")
"""Columns that two rows must share to stand in one table."""

LIBRARY = ("layers", "models", "descriptors", "kernels", "sources", "training")
"""Packages that a step runs through."""


def conditions(threads: int) -> Row:
    """The machine, its threads, torch and the code that is measured (see :data:`CONDITIONS`)."""
    machine = hardware(torch.device("cpu"))
    named = {"processor": machine["processor"], "cores": machine["cores"]}
    return named | {"threads": threads, "torch": torch.__version__, "code": _code()}


@cache
def _code() -> str:
    """Digest of what a step runs through: comments and the scripts that only write do not change it."""
    here = Path(__file__).parent
    measured = code_digest(here / name for name in ("cases.py", "errors.py", "memory.py", "sides.py"))
    library = package_digest("vocabulary.py", "products.py", *LIBRARY)
    return f"{library[:8]}-{measured[:8]}"


def same_conditions(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether ``row`` was measured under ``wanted``."""
    return all(row.get(key) == wanted[key] for key in CONDITIONS)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``rows``, a column for every key, numbers to six digits."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.6g}" if isinstance(value, float) else value for key, value in row.items()})
    write_atomically(path, text.getvalue())


def read_csv(path: Path) -> list[Row]:
    """Read what :func:`write_csv` wrote, numbers as numbers, without what a row does not have; [] if there is none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: _value(text) for key, text in row.items() if text != ""} for row in csv.DictReader(file)]


def _value(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
