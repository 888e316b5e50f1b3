"""A flowchart in mermaid's language as SVG, so that the site needs no script from elsewhere to draw it."""

from __future__ import annotations

import re
from collections import defaultdict

WIDTH, HEIGHT, GAP, STEP = 190, 30, 60, 12


def svg(source: str) -> str:
    """Draw ``a --> b`` lines in columns from left to right: each box stands right of all that point to it."""
    edges = re.findall(r"^\s*(\w+) --> (\w+)", source, re.M)
    into: dict[str, set[str]] = defaultdict(set)
    for one, other in edges:
        into[other].add(one)
        into.setdefault(one, set())
    depth: dict[str, int] = {}

    def deep(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max(map(deep, into[name]), default=-1)
        return depth[name]

    columns: dict[int, list[str]] = defaultdict(list)
    for name in sorted(into):
        columns[deep(name)].append(name)
    tall = max(map(len, columns.values())) * (HEIGHT + STEP)
    place = {
        name: (column * (WIDTH + GAP), (tall - len(names) * (HEIGHT + STEP)) / 2 + number * (HEIGHT + STEP))
        for column, names in columns.items()
        for number, name in enumerate(names)
    }
    lines = []
    for one, other in edges:
        (x, y), (to_x, to_y) = place[one], place[other]
        x, y, to_y, half = x + WIDTH, y + HEIGHT / 2, to_y + HEIGHT / 2, (to_x - x - WIDTH) / 2
        lines.append(f'<path d="M{x} {y:g} C{x + half:g} {y:g} {to_x - half:g} {to_y:g} {to_x} {to_y:g}"/>')
    boxes = [
        f'<rect x="{x}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>'
        f'<text x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2 + 4:g}">{name.replace("_", " ")}</text>'
        for name, (x, y) in place.items()
    ]
    wide = len(columns) * (WIDTH + GAP) - GAP
    return (
        f'<div class="flowchart"><svg viewBox="-2 -2 {wide + 4} {tall + 4:g}" role="img" '
        f'aria-label="the jobs of the workflow">{"".join(lines + boxes)}</svg></div>'
    )
