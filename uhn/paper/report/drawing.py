"""How figures look and how they are written: one style, a grid of panels, the same bytes each time."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from uhn.files import write_atomically

STYLE: Any = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "svg.hashsalt": "uhn",
    "svg.fonttype": "none",
    "path.simplify": False,
}
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v")


def check(frame: pd.DataFrame, *columns: str) -> None:
    """Raise ``ValueError`` unless the frame has rows and these columns."""
    if missing := [name for name in columns if name not in frame.columns]:
        raise ValueError(f"wanted the columns {', '.join(columns)}; missing {', '.join(missing)}")
    if frame.empty:
        raise ValueError(f"wanted rows with {', '.join(columns)}, got an empty frame")


def panels(number: int, *, columns: int, width: float = 4.2, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    """A figure with ``number`` panels in rows of ``columns``, sizes in inches."""
    rows = -(-number // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for spare in axes.flat[number:]:
        spare.set_visible(False)
    return figure, list(axes.flat[:number])


def nothing(why: str) -> Figure:
    """A figure that only says why there is none."""
    figure, (axis,) = panels(1, columns=1)
    axis.set_axis_off()
    axis.text(0.5, 0.5, why, ha="center", va="center", transform=axis.transAxes)
    return figure


def remark(figure: Figure, text: str) -> None:
    """Write what must not be overlooked below the panels."""
    figure.supxlabel(text, fontsize=8, color="#8a3b00")


def save(figure: Figure, stem: Path, data: pd.DataFrame) -> list[Path]:
    """Write ``stem.png`` and ``stem.svg`` without a date or a version in them, and ``stem.csv`` with what they show."""
    paths = []
    for ending, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        buffer = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            figure.savefig(buffer, format=ending, metadata=metadata)
        path = stem.with_name(f"{stem.name}.{ending}")
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    path = stem.with_name(f"{stem.name}.csv")
    write_atomically(path, data.to_csv(index=False, float_format="%.7g", lineterminator="\n"))
    return [*paths, path]


def numbers(frame: pd.DataFrame, column: str) -> np.ndarray:
    """A column as float64."""
    return frame[column].to_numpy(dtype=np.float64)
