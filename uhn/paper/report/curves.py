"""Training curves as small inline SVG, drawn here so that a page needs nothing else: a line and a band per source.

The SVG is the data too: coordinates are whole numbers in a fine grid, and the page's script reads them back for the
values under the pointer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from uhn.paper.runs.results import Run, load_history

COLOURS = ("#0072b2", "#c04f00", "#007a5a", "#a0487a", "#000000")
"""Told apart by the colour-blind, each at least 4.5 : 1 against white."""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 4400, 2200, 580, 100, 120, 400
MOST = 40
"""Points of a line."""

FAR = 10
"""Lines of which one is so many times as long as another stand on a logarithmic axis."""


@dataclass(frozen=True)
class Curve:
    """One line: its label and (x, y) points."""

    label: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Band:
    """The seeds of one source: their mean, smallest and largest value by x; ``level`` is what they reach in the end."""

    label: str
    points: tuple[tuple[float, float, float, float], ...]
    level: float | None = None


def band(label: str, curves: Sequence[Curve], level: float | None = None, factor: float = 1.0) -> Band:
    """Put the curves of several seeds together, at the steps that any of them has; ``factor`` changes the unit."""
    rows: dict[float, list[float]] = {}
    for curve in curves:
        for x, y in curve.points:
            rows.setdefault(x, []).append(factor * y)
    points = [(x, math.fsum(ys) / len(ys), min(ys), max(ys)) for x, ys in sorted(rows.items())]
    size = math.ceil(len(points) / MOST) or 1
    bins = [points[i : i + size] for i in range(0, len(points), size)]
    thin = [(_mean(p[0] for p in b), _mean(p[1] for p in b), min(p[2] for p in b), max(p[3] for p in b)) for b in bins]
    return Band(label, tuple(thin), level)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)


def history_curves(runs: Sequence[Run], phase: str, column: str, part: int = 0, level: int = 0) -> list[Curve]:
    """One curve per run from its history; rows without a finite value are left out.

    ``part`` picks one of the values of a cell that holds several: those of tasks with different metrics, in order.
    ``level`` picks one of the initialisation phases of a chain: each is of another model, and counts its own steps.
    """
    curves = []
    for run in runs:
        points, number, before = [], 0, -1
        for row in load_history(run):
            if row["phase"] != phase:
                continue
            step = int(row["step"])
            number, before = number + (phase == "init" and step <= before), step
            if number == level and row[column] not in ("", None):
                x, y = float(row["step"]), float(row[column].split()[part])
                if math.isfinite(x) and math.isfinite(y):
                    points.append((x, y))
        if points:
            curves.append(Curve(f"seed {run['seed']}", tuple(points)))
    return curves


def ticks(low: float, high: float, number: int = 4, least: float = 0.0) -> list[float]:
    """Round values in [low, high], about ``number`` of them, at least ``least`` apart."""
    span = high - low
    if span <= 0:
        return [low]
    raw = max(span / number, least)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Exponents of 1, 2 and 5 times powers of ten between ``10**low`` and ``10**high``; fewer over many decades."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    every = max(1, math.ceil(len(powers) / most))
    found: list[float] = []
    for factors in ((1, 2, 5), (1,)):
        values = [power + math.log10(factor) for power in powers if power % every == 0 for factor in factors]
        found = [value for value in values if low - 1e-9 <= value <= high + 1e-9]
        if len(found) <= most:
            break
    return found


def svg(
    bands: Sequence[Band], *, title: str, x_label: str, y_label: str, log: bool = False, paper: float = math.nan
) -> str:
    """An ``<svg>`` element with axes, a line and a band per source, a line at each level that is to be reached (dashed)
    and one at the paper's value (dotted), and a title for screen readers; empty without points."""
    ys = [y for each in bands for point in each.points for y in point[1:]]
    if not ys:
        return ""
    levels = [] if log else [each.level for each in bands if each.level is not None]
    levels += [] if log or math.isnan(paper) else [paper]
    xs = [point[0] for each in bands for point in each.points]
    log = log and min(ys) > 0
    scale = math.log10 if log else float
    low, high = scale(min(*ys, *levels, ys[0])), scale(max(*ys, *levels, ys[0]))
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    ends = [each.points[-1][0] for each in bands if each.points]
    far = min(xs) > 0 and max(ends) > FAR * min(ends)  # else the shorter line would be a dot
    along = math.log10 if far else float
    left, right = along(min(xs)), along(max(xs)) if max(xs) > min(xs) else along(min(xs)) + 1

    def across(x: float) -> int:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (along(x) - left) / (right - left))

    def up(value: float) -> int:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low))

    def path(points: Iterable[tuple[float, float]]) -> str:
        """Whole numbers, each relative to the point before: a third of the letters of absolute ones."""
        places = [(across(x), up(scale(y))) for x, y in points]
        steps = (f"{x - a} {y - b}" for (a, b), (x, y) in zip(places, places[1:], strict=False))
        return f"M{places[0][0]} {places[0][1]}" + ("l" + " ".join(steps) if len(places) > 1 else "h9")

    across_all = f"h{WIDTH - LEFT - RIGHT}"
    rows = [(up(v), f"{10**v:.3g}" if log else f"{v:.4g}") for v in (log_ticks if log else ticks)(low, high)]
    marks = [10**v for v in log_ticks(left, right)] if far else ticks(left, right, least=1.0)
    columns = [(across(v), f"{v:,.4g}" if v < 1e4 else f"{v:,.0f}") for v in marks]
    extent = " ".join(f"{value:.6g}" for value in (left, right, low, high))
    middle = (TOP + HEIGHT - BOTTOM) // 2
    turn = f'transform="rotate(-90 110 {middle})"'
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" data-extent="{extent}"'
        f'{" data-log" * log}{" data-far" * far} data-x="{escape(x_label)}" data-y="{escape(y_label)}">',
        f'<path class="grid" d="{"".join(f"M{LEFT} {y}{across_all}" for y, _ in rows)}"/>',
        *(f'<text class="y" x="{LEFT - 50}" y="{y + 40}">{label}</text>' for y, label in rows),
        *(f'<text x="{x}" y="{HEIGHT - BOTTOM + 160}">{label}</text>' for x, label in columns),
        f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>',
        f'<text x="{(LEFT + WIDTH) // 2}" y="{HEIGHT - 60}">{escape(x_label)}</text>',
        f'<text x="110" y="{middle}" {turn}>{escape(y_label)}</text>',
    ]
    for number, each in enumerate(bands):
        kind = number % len(COLOURS)
        if not each.points:
            continue
        if any(least < most for *_, least, most in each.points):
            there = path((x, most) for x, _, _, most in each.points)
            back = path((x, least) for x, _, least, _ in reversed(each.points))
            parts.append(f'<path class="band s{kind}" d="{there}L{back[1:]}z"/>')
        line = path((x, mean) for x, mean, _, _ in each.points)
        parts.append(f'<path class="line s{kind}" data-label="{escape(each.label)}" d="{line}"/>')
        if each.level is not None and not log:
            parts.append(f'<path class="level s{kind}" d="M{LEFT} {up(each.level)}{across_all}"/>')
    if levels and not math.isnan(paper):
        parts.append(f'<path class="papers" d="M{LEFT} {up(paper)}{across_all}"/>')
    return "".join([*parts, "</svg>"])


def legend(labels: Sequence[str], *, levels: bool = False, paper: bool = False) -> str:
    """An HTML list of labels, each behind a sample of its line, which the style sheet draws."""
    samples = [(f"s{number % len(COLOURS)}", label) for number, label in enumerate(labels)]
    samples += [("final", "final test score")] * levels + [("papers", "the paper's value")] * paper
    items = (f'<li class="{kind}">{escape(label)}</li>' for kind, label in samples)
    return f'<ul class="keys">{"".join(items)}</ul>'
