"""Curves in a terminal, by block characters; where there is none, as a few numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
WIDTH, HEIGHT = 60, 6
"""Characters of a curve."""

Points = Sequence[tuple[float, float]]
"""Pairs of step and value."""


def draw(title: str, points: Points) -> list[str]:
    """A curve as lines of characters: each column is the mean of its share of the points.

    Args:
        title: what it shows.
        points: in order of step; those that are not finite are left out.
    """
    values = _thinned([value for _, value in points if math.isfinite(value)])
    if not values:
        return []
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > 100
    scale = [math.log(value) for value in values] if logarithmic else values
    base, span = min(scale), max(scale) - min(scale) or 1.0
    heights = [1 + round((each - base) / span * (8 * HEIGHT - 1)) for each in scale]
    lines = []
    for row in reversed(range(HEIGHT)):
        label = {HEIGHT - 1: f"{high:.4g}", 0: f"{low:.4g}"}.get(row, "")
        lines.append(f"{label:>9} │" + "".join(BLOCKS[min(8, max(0, each - 8 * row))] for each in heights).rstrip())
    first, last = f"{points[0][0]:,.0f}", f"{points[-1][0]:,.0f}"
    ruler = f"{first}{last:>{max(1, len(values) - len(first))}}"
    return [f"{'':>10} {title}{', logarithmic' * logarithmic}", *lines, f"{'step':>9}  {ruler}"]


def tell(title: str, points: Points) -> list[str]:
    """A curve as one line: its value at up to six steps from the first to the last."""
    known = [(step, value) for step, value in points if math.isfinite(value)]
    if not known:
        return []
    places = sorted({round(n * (len(known) - 1) / 5) for n in range(6)})
    return [f"{title}: " + ", ".join(f"{known[place][1]:.4g} at {known[place][0]:,.0f}" for place in places)]


def _thinned(values: Sequence[float]) -> list[float]:
    columns = min(WIDTH, len(values))
    edges = [round(n * len(values) / columns) for n in range(columns + 1)] if columns else []
    return [math.fsum(values[a:b]) / (b - a) for a, b in zip(edges, edges[1:], strict=False)]
