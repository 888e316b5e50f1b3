"""The scaling plot: time and memory of a step against the number of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

SIDES = (("ours", "ours", "#0072B2", "o"), ("plain", "straightforward", "#D55E00", "s"))


def scaling_plot(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write ``scaling.png`` and ``scaling.svg``: two panels, both axes logarithmic."""
    with matplotlib.rc_context({"svg.hashsalt": "uhn", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7.5, 3.2), layout="constrained")
        panels = figure.subplots(1, 2)
        for axis, unit, label in zip(panels, ("s", "mib"), ("time of a step (s)", "peak memory (MiB)"), strict=True):
            for side, name, colour, marker in SIDES:
                points = [(row["weights"], row[f"{side}_{unit}"]) for row in rows if f"{side}_{unit}" in row]
                axis.plot(*zip(*points, strict=True), color=colour, marker=marker, label=name, markersize=4)
            axis.set(xscale="log", yscale="log", xlabel="generated weights", ylabel=label)
            axis.grid(alpha=0.3)
            axis.legend()
        figure.savefig(folder / "scaling.png", dpi=150, metadata={"Software": None})
        figure.savefig(folder / "scaling.svg", metadata={"Date": None})
