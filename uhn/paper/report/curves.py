"""Training curves by seed as small inline SVG, drawn here so that a page needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from uhn.paper.runs.results import Run, load_history

COLOURS = ("#0072b2", "#c04f00", "#007a5a", "#a0487a", "#000000")
"""Told apart by the colour-blind, each at least 4.5 : 1 against white."""

DASHES = ("", "6 3", "2 2")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 440, 230, 58, 10, 12, 40
MOST = 200


@dataclass(frozen=True)
class Curve:
    """One line: its label and (x, y) points."""

    label: str
    points: tuple[tuple[float, float], ...]


def history_curves(runs: Sequence[Run], phase: str, column: str, part: int = 0, level: int = 0) -> list[Curve]:
    """One curve per run from its history; rows without a finite value are left out, long ones averaged in bins.

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
            curves.append(Curve(f"seed {run['seed']}", thinned(points)))
    return curves


def thinned(points: Sequence[tuple[float, float]], most: int = MOST) -> tuple[tuple[float, float], ...]:
    """At most ``most`` points: means of equal runs of points."""
    size = math.ceil(len(points) / most)
    bins = [points[i : i + size] for i in range(0, len(points), size)]
    return tuple((math.fsum(x for x, _ in b) / len(b), math.fsum(y for _, y in b) / len(b)) for b in bins)


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


def svg(curves: Sequence[Curve], *, title: str, x_label: str, y_label: str, log: bool = False) -> str:
    """An ``<svg>`` element with axes, one polyline per curve and a title for screen readers; empty without points."""
    ys = [y for curve in curves for _, y in curve.points]
    xs = [x for curve in curves for x, _ in curve.points]
    if not ys:
        return ""
    log = log and min(ys) > 0
    scale = math.log10 if log else float
    low, high = scale(min(ys)), scale(max(ys))
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    left, right = min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (x - left) / (right - left)

    def up(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
    ]
    for value in log_ticks(low, high) if log else ticks(low, high):
        label = f"{10**value:.3g}" if log else f"{value:.4g}"
        y = up(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for value in ticks(left, right, least=1.0):
        label = f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}"
        parts.append(f'<text x="{across(value):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{label}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    turn = f'transform="rotate(-90 13 {middle:.0f})"'
    parts.append(f'<text x="13" y="{middle:.0f}" text-anchor="middle" {turn}>{escape(y_label)}</text>')
    for number, curve in enumerate(curves):
        line = " ".join(f"{across(x):.1f},{up(scale(y)):.1f}" for x, y in curve.points)
        if len(curve.points) == 1:
            x, y = curve.points[0]
            parts.append(f'<circle cx="{across(x):.1f}" cy="{up(scale(y)):.1f}" r="3" fill="{colour(number)}"/>')
        parts.append(
            f'<polyline points="{line}" stroke="{colour(number)}" stroke-dasharray="{dash(number)}">'
            f"<title>{escape(curve.label)}</title></polyline>"
        )
    return "".join([*parts, "</svg>"])


def colour(number: int) -> str:
    """Colour of the ``number``-th curve."""
    return COLOURS[number % len(COLOURS)]


def dash(number: int) -> str:
    """Dash pattern of the ``number``-th curve: another one each time the colours start again."""
    return DASHES[number // len(COLOURS) % len(DASHES)]


def legend(labels: Sequence[str]) -> str:
    """An HTML list of labels, each behind a sample of its line."""
    items = []
    for number, label in enumerate(labels):
        sample = f'<line x1="0" x2="26" y1="5" y2="5" stroke="{colour(number)}" stroke-dasharray="{dash(number)}"/>'
        items.append(f'<li><svg class="key" viewBox="0 0 26 10" aria-hidden="true">{sample}</svg>{escape(label)}</li>')
    return f'<ul class="keys">{"".join(items)}</ul>'
