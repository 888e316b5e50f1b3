"""From the runs of a book to the data frames that figures are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from torch import no_grad

from uhn.models import zoo
from uhn.paper.report.book import Book
from uhn.paper.runs.results import Run, load_history
from uhn.paper.tables.catalogue import EARLY, MODEL, kernel_runs
from uhn.paper.tables.keys import CellKey
from uhn.paper.tables.several import FAMILIES
from uhn.paper.tables.single import SIZES
from uhn.sources.files import load_source
from uhn.training.precision import reproducible


def members(book: Book) -> pd.DataFrame:
    """Figure 3: members of the model sets of each family's first finished seed (the paper plots one run)."""
    rows: list[dict[str, Any]] = []
    for name, (title, *_) in FAMILIES.items():
        evidence = book.evidence(CellKey(name, "uhn", "seen"))
        if evidence.path_only:
            continue
        runs = [run for run in evidence.runs if run.finished and run.get("values")]
        for member, entry in (runs[0]["values"] if runs else {}).items():
            row = {"family": title, "member": member, "parameters": entry["parameters"]}
            guess = entry.get("majority") or entry.get("chance")
            rows.append(row | {"accuracy": entry["value"], "seen": bool(entry["seen"]), "majority": guess})
    return pd.DataFrame(rows, columns=["family", "member", "parameters", "accuracy", "seen", "majority"])


def early(book: Book) -> pd.DataFrame:
    """Figure 5: training loss by step of both experiments, all seeds; empty unless both have runs."""
    rows: list[dict[str, Any]] = []
    for experiment, option in zip(EARLY, ("with initialisation", "without initialisation"), strict=True):
        runs = book.evidence(CellKey(experiment, "uhn", "seen")).runs
        if not runs:
            return pd.DataFrame(columns=["option", "seed", "epoch", "loss"])
        for run in runs:
            for row in _steps(run):
                rows.append({"option": option, "seed": run["seed"], "epoch": row["epoch"], "loss": row["loss"]})
    return pd.DataFrame(rows, columns=["option", "seed", "epoch", "loss"]).dropna()


def early_unit(book: Book) -> str:
    """What the histories of Figure 5's runs count in: ``"step"`` where a budget is in steps, else ``"epoch"``."""
    runs = [run for experiment in EARLY for run in book.evidence(CellKey(experiment, "uhn", "seen")).runs]
    return "step" if any(run.settings["train"]["epochs"] is None for run in runs) else "epoch"


def kernels(book: Book) -> dict[str, np.ndarray]:
    """Figure 4: kernels ``[out, in, 3, 3]`` of the generated model's third convolution, by encoding.

    The weights are generated anew from each run's ``model.safetensors``, which imports torch.

    Raises:
        ValueError: if a file is not a whole weight source.
    """
    found = {}
    for title, run in kernel_runs(book).items():
        spec = zoo(run.settings["tasks"][0]["model"])
        third = [slot for slot in spec.layout if len(slot.shape) == 4][2]
        with reproducible(run.settings["compute"]["threads"]), no_grad():
            flat = load_source(run.folder / MODEL)(spec)
        found[title] = flat[third.span].view(third.shape).numpy()
    return found


def pixels(kernels: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The weights of Figure 4, one row each, with the place that they have in their tensor."""
    if not len(kernels):
        return pd.DataFrame(columns=["encoding", "output", "input", "row", "column", "weight"])
    axes = ("output", "input", "row", "column")
    parts = []
    for title, tensor in kernels.items():
        places = (index.ravel() for index in np.indices(tensor.shape))
        parts.append(
            pd.DataFrame({"encoding": title, **dict(zip(axes, places, strict=True)), "weight": tensor.ravel()})
        )
    return pd.concat(parts, ignore_index=True)


def sizes(book: Book) -> pd.DataFrame:
    """Parameters of every method of Table 2 that has runs, as run, by target."""
    rows: list[dict[str, Any]] = []
    for experiment, model in SIZES.items():
        for source in book.methods.get(experiment, ()):
            for run in book.evidence(CellKey(experiment, source)).runs[:1]:
                counts = run["parameters"]
                own = counts["trainable"] + counts["frozen"]
                rows.append({"model": model, "target": counts["target"], "method": source, "parameters": own})
    return pd.DataFrame(rows, columns=["model", "target", "method", "parameters"])


def curves(book: Book, experiment: str) -> pd.DataFrame:
    """Loss and metric by training step of all methods and seeds of an experiment."""
    rows: list[dict[str, Any]] = []
    for method in book.methods.get(experiment, ()):
        for run in book.evidence(CellKey(experiment, method)).runs:
            rows += [{"method": method, "seed": run["seed"], **row} for row in _steps(run)]
    return pd.DataFrame(rows, columns=["method", "seed", "step", "epoch", "loss", "metric"])


def _steps(run: Run) -> list[dict[str, float]]:
    """The training rows of a history as numbers; an empty field is not a number."""
    keys = ("step", "epoch", "loss", "metric")
    rows = [row for row in load_history(run) if row["phase"] == "train"]
    return [{key: float(row[key]) if row[key] else float("nan") for key in keys} for row in rows]
