"""What DVC shows: a small file per cell, which `dvc metrics` prints as a row each, and a picture of losses per
experiment, which `dvc plots` shows without a network."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from uhn.files import write_atomically
from uhn.paper.report.book import Book
from uhn.paper.report.curves import COLOURS
from uhn.paper.report.drawing import DASHES, STYLE, panels
from uhn.paper.report.evidence import results
from uhn.paper.report.statistics import Statistic
from uhn.paper.runs.results import Run, load_history
from uhn.paper.tables.keys import CellKey


def cells(book: Book) -> dict[str, dict[str, Any]]:
    """By file, the numbers of every cell that has runs: accuracies in percent. A group of runs that no table of the
    paper shows has one under ``other``."""
    found, shown = {}, set()
    for each in results(book):
        shown.add(each.evidence.key.group)
        if each.evidence.runs:
            found[f"{each.table}/{each.row}.{each.column}.json"] = _numbers(each.evidence.statistic, each.evidence.key)
    for group, runs in book.found.items():
        if group not in shown:
            key = CellKey(runs[0].id.experiment, runs[0].id.source, metric=str(runs[0]["metric"]))
            if all(run["value"] is not None or not run.finished for run in runs):
                found[f"other/{group.replace('/', '.')}.json"] = _numbers(book.evidence(key).statistic, key)
    return found


def _numbers(statistic: Statistic, key: CellKey) -> dict[str, Any]:
    factor, numbers = (100 if key.metric == "accuracy" else 1), {"mean": statistic.mean, "std": statistic.std}
    told: dict[str, Any] = {name: float(f"{factor * v:.6g}") for name, v in numbers.items() if v is not None}
    return told | {"seeds": statistic.n} | ({"diverged": statistic.diverged} if statistic.diverged else {})


def write_cells(book: Book, folder: Path) -> list[Path]:
    """Write :func:`cells` below ``folder``; files of cells that are no more are removed."""
    found = {folder / name: json.dumps(numbers) + "\n" for name, numbers in cells(book).items()}
    for path in {*folder.glob("table*/*.json"), *folder.glob("other/*.json")} - {*found}:
        path.unlink()
    for path, text in found.items():
        write_atomically(path, text)
    return list(found)


def write_curves(book: Book, folder: Path) -> list[Path]:
    """Draw the losses of the first seed of every source of each experiment, and return the files."""
    experiments: dict[str, dict[str, Run]] = {}
    for runs in book.found.values():
        experiments.setdefault(runs[0].id.experiment, {})[runs[0].id.source] = runs[0]
    paths = []
    for name, sources in experiments.items():
        lines = {source: _phases(run) for source, run in sources.items()}
        if any(lines.values()):
            buffer = io.BytesIO()
            with matplotlib.rc_context(STYLE):
                losses(lines, name).savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
            paths.append(folder / f"{name}.svg")
            write_atomically(paths[-1], buffer.getvalue())
    return paths


Losses = dict[str, tuple[list[int], list[float]]]
"""Steps and losses by phase."""


def _phases(run: Run) -> Losses:
    """The losses of a run; of a chain each level is initialised by itself and counts its own steps."""
    found: Losses = {}
    level, before = 1, 0
    for row in load_history(run):
        step = int(float(row["step"]))
        level += row["phase"] == "init" and step <= before
        before = step
        word = "training" if row["phase"] == "train" else f"initialisation, level {level}"
        if row["loss"]:
            steps, values = found.setdefault(word, ([], []))
            steps.append(step)
            values.append(float(row["loss"]))
    return found


def losses(sources: dict[str, Losses], title: str) -> Figure:
    """A panel per phase, each with an axis of its own, a line per source."""
    phases = sorted({phase for found in sources.values() for phase in found})
    figure, axes = panels(len(phases), columns=len(phases))
    for axis, phase in zip(axes, phases, strict=True):
        for number, (source, found) in enumerate(sources.items()):
            if phase in found:
                style = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
                axis.plot(*found[phase], label=source, **style)
        name = phase.removesuffix(", level 1") if "initialisation, level 2" not in phases else phase
        axis.set(title=f"{title}: {name}", xlabel="step", ylabel="loss", yscale="log")
        axis.legend(loc="best")
    return figure
