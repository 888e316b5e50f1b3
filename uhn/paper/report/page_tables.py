"""What the page shows of a table: columns under spanners, numbers with what stands behind them, what was reduced."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from uhn.paper.report.book import Book
from uhn.paper.report.coverage import of_budget
from uhn.paper.report.evidence import share_of, standing
from uhn.paper.report.page_runs import anchor, told
from uhn.paper.report.statistics import percent, significant
from uhn.paper.report.tables import LEGEND, Table
from uhn.paper.report.unequal import SIGN
from uhn.paper.tables import published as paper
from uhn.paper.tables.columns import EMPTY, Cell, MetricColumn, PublishedValue
from uhn.paper.tables.keys import CellKey

SHORT: Final = {
    "not above the majority class": "≤ majority",
    "majority unknown": "majority ?",
    "not trained": "≤ mean",
    "stand-in": "stand-in",
    "subset": "subset",
    "older code": "older code",
    "not compared": "not compared",
    "changed": "changed",
}
"""Marks as they stand beside a number; ``reduced`` is its bar."""

QUIET: Final = ("lost", "not run", "not built", "not in this profile", EMPTY)
MOST_MARKS: Final = 3


@dataclass(frozen=True)
class Head:
    """A column of the page: the heading above it, its own, and whether it holds numbers."""

    above: str
    text: str
    numeric: bool = False


@dataclass
class View:
    """One cell of the page. ``whole`` and ``rest`` are a number's letters before and from its decimal point."""

    whole: str = ""
    rest: str = ""
    quiet: bool = False
    href: str = ""
    hover: str = ""
    marks: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


def percent_of(part: float | None) -> str:
    """A share of a budget in a few characters."""
    if part is None:
        return ""
    return of_budget(part) if part >= 1e-4 else "< 0.01 %"


def split(text: str) -> tuple[str, str]:
    """A number's text before and from its decimal point; of any other text all and nothing."""
    found = re.fullmatch(r"([+−-]?[\d,]+)(\.\d+(e-?\d+)?)", text)
    return (found[1], found[2]) if found else (text, "")


def cite(table: str, row: str, column: str, book: Book) -> str:
    """The command that says what stands behind a cell."""
    results = " --results results/reference" if book.place else ""
    return f"uhn explain {table} {row} {column} --profile {book.profile}{results}"


def view(table: Table) -> dict[str, Any]:
    """The table as the template wants it."""
    spec = table.spec
    shown: list[Head] = []
    rows: list[list[View]] = [[] for _ in spec.rows]
    papers = {column.of for column in spec.columns if isinstance(column, PublishedValue)}
    for place in table.columns:
        column, cells = spec.columns[place], [line[place] for line in table.cells]
        if isinstance(column, PublishedValue):
            continue
        if not isinstance(column, MetricColumn):
            shown.append(Head(column.span, column.title, column.numeric))
            for row, cell in zip(rows, cells, strict=True):
                row.append(_plain(cell, column.numeric))
            continue
        keys = [row.cells.get(column.key) for row in spec.rows]
        known = column.key in papers and any(paper.result(key) != paper.LOST for key in keys if key)
        spread = any(cell.evidence and cell.evidence.statistic.std is not None for cell in cells)
        parts = [column.title, *(["±"] if spread else []), "n", *(["paper", "diff."] if known else [])]
        shown += [Head(column.span, part, True) for part in parts]
        for declared, row, key, cell in zip(spec.rows, rows, keys, cells, strict=True):
            value, std, number, papers_, difference = _measured(cell, key, f"{spec.name}-{declared.key}-{column.key}")
            if cell.evidence and cell.evidence.found:
                value.more["cite"] = cite(spec.name, declared.key, column.key, cell.evidence.book)
                value.more["origin"] = cell.evidence.book.profile
            row += [value, *([std] if spread else []), number, *([papers_, difference] if known else [])]
    measured = sum(bool(cell.evidence and cell.evidence.runs) for _, _, cell in table.places())
    less = sum(bool(cell.evidence and cell.evidence.differences) for _, _, cell in table.places())
    return {
        "id": spec.name,
        "number": spec.number,
        "title": spec.title,
        "about": table.about,
        "spanners": [(above, len([*group])) for above, group in groupby(shown, key=lambda head: head.above)],
        "spanned": any(head.above for head in shown),
        "heads": shown,
        "widths": [max((len(row[n].rest) for row in rows), default=0) for n in range(len(shown))],
        "rows": list(zip(spec.rows, rows, strict=True)),
        "constant": table.constant,
        "legend": _legend(table),
        "notes": spec.notes,
        "matrix": table.differences,
        "less": f"{less} of {measured}",
        "unequal": table.unequal,
    }


def _plain(cell: Cell, numeric: bool) -> View:
    whole, rest = split(cell.text) if numeric else (cell.text, "")
    return View(whole, rest, cell.text in QUIET or cell.text.startswith("not "), marks=cell.marks[:MOST_MARKS])


def _measured(cell: Cell, key: CellKey | None, id_: str) -> list[View]:
    """Value, deviation, number of seeds, the paper's value and the difference."""
    evidence = cell.evidence
    printed = paper.result(key) if key else EMPTY
    papers = View(*split(printed.partition(" (")[0].removeprefix("about ")), quiet=printed in QUIET)
    papers.marks = tuple(word for word in ("about", "inferred", "read off") if word in printed)
    if key is None or evidence is None or not evidence.found:
        return [View(cell.text, quiet=True, more={"id": id_}), View(), View(), papers, View()]
    if evidence.path_only:
        tried: dict[str, Any] = {"id": id_, "part": None, "share": "", "standing": "absent"}
        instead = (evidence.instead,) if evidence.instead else ()
        return [View(evidence.told, href=anchor(key.group), marks=instead, more=tried), View(), View(), papers, View()]
    statistic = evidence.statistic
    form = percent if key.metric == "accuracy" else significant
    part = share_of(evidence)
    counts = [f"{n} {word}" for n, word in ((statistic.diverged, "diverged"), (statistic.missing, "missing")) if n]
    marks = [*counts * (statistic.mean is not None), *(SHORT[mark] for mark in evidence.status if mark in SHORT)]
    marks = [SIGN] * bool(cell.unequal) + marks
    more = {"id": id_, "part": part, "share": percent_of(part), "standing": standing(evidence)}
    text = cell.text if statistic.mean is None else form(statistic.mean)
    hover = ". ".join(["; ".join(told(run) for run in evidence.found), *cell.unequal])
    value = View(*split(text), href=anchor(key.group), hover=hover, marks=tuple(marks[:MOST_MARKS]), more=more)
    std = View() if statistic.std is None else View(*split(form(statistic.std)))
    known = re.search(r"\d+(\.\d+)?", printed)
    difference = View()
    if known and statistic.mean is not None:
        gap = statistic.mean * (100 if key.metric == "accuracy" else 1) - float(known[0])
        difference = View(*split("0.00" if abs(gap) < 0.005 else f"{gap:+.2f}".replace("-", "−")))
    return [value, std, View(f"{statistic.n}"), papers, difference]


def _legend(table: Table) -> list[tuple[str, str]]:
    """The short marks that occur, with their meaning."""
    words = dict(LEGEND)
    marks = {mark for line in table.cells for cell in line if cell.evidence for mark in cell.evidence.status}
    found = [(short, words[mark]) for mark, short in SHORT.items() if mark in marks]
    other = {mark for line in table.cells for cell in line if not cell.evidence for mark in cell.marks}
    signs = [(SIGN, words[SIGN])] * bool(table.unequal)
    return signs + found + [(mark, words[mark]) for mark in words if mark in other]
