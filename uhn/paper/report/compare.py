"""Two sets of results cell by cell: what differs beyond the noise of the seeds, and what is on one side only."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from uhn.paper.report.arms import NOT_SETTINGS
from uhn.paper.report.book import Book, Evidence
from uhn.paper.report.evidence import results
from uhn.paper.report.intervals import interval
from uhn.paper.report.statistics import percent, printed, significant

Outcome = Literal["differs", "one seed", "within the noise", "the same", "only here", "only there"]
OUTCOMES: dict[Outcome, str] = {
    "differs": "the 95 % interval of the difference (Welch; RMSEs: of the ratio) leaves no room for none",
    "one seed": "the values differ, and one seed says nothing of its noise",
    "within the noise": "the interval holds no difference",
    "the same": "equal values",
    "only here": "the other side has no result",
    "only there": "this side has no result",
}
"""What comparing a cell comes to, and what that means."""


@dataclass(frozen=True)
class Row:
    """One cell of both sides.

    Args:
        settings: whether both sides' runs have the same settings, and read the same data.
    """

    table: str
    row: str
    column: str
    here: str
    there: str
    difference: str
    outcome: Outcome
    settings: str


def compare(here: Book, there: Book) -> list[Row]:
    """Every cell that one of the sides has a result of, in the order of the tables."""
    methods = {name: sorted({*here.methods.get(name, ()), *there.methods.get(name, ())}) for name in there.methods}
    both = here if set(here.methods) >= set(methods) else there
    found = []
    for cell in results(both):
        ours, theirs = here.evidence(cell.evidence.key), there.evidence(cell.evidence.key)
        if ours.values() or theirs.values():
            difference, outcome = _difference(ours, theirs)
            settings = _settings(ours, theirs)
            told = (_printed(ours), _printed(theirs), difference, outcome, settings)
            found.append(Row(cell.table, cell.row, cell.column, *told))
    return found


def _printed(evidence: Evidence) -> str:
    return printed(evidence.statistic, evidence.key.metric) if evidence.found else "–"


def _difference(ours: Evidence, theirs: Evidence) -> tuple[str, Outcome]:
    a, b, ratio = ours.values(), theirs.values(), ours.key.metric == "rmse"
    if not (a and b):
        return "–", "only here" if a else "only there"
    found = interval(a, b, ratio=ratio)
    form, none = (significant, 1.0) if ratio else (_points, 0.0)
    text = ("× " if ratio else "") + form(found.middle)
    if sorted(a) == sorted(b):
        return text, "the same"
    if not math.isfinite(found.high):
        return text, "one seed"
    text += f" [{form(found.low)}, {form(found.high)}]"
    return text, "within the noise" if found.low <= none <= found.high else "differs"


def _points(value: float) -> str:
    return f"{'+' if value > 0 else ''}{percent(value)}"


def _settings(ours: Evidence, theirs: Evidence) -> str:
    """Whether the runs of both sides have the same settings, names and seeds aside, and read the same data."""
    if not (ours.runs and theirs.runs):
        return "–"
    settings, data = [], []
    for side in (ours, theirs):
        kept = [{key: value for key, value in run.resolved.items() if key not in NOT_SETTINGS} for run in side.runs]
        settings.append({json.dumps(each, sort_keys=True) for each in kept})
        data.append({str(each["fingerprint"]) for run in side.runs for each in run["data"]})
    same = "same" if settings[0] == settings[1] else "other"
    return same if data[0] == data[1] else f"{same}, other data"


def to_text(rows: Sequence[Row], here: str, there: str) -> str:
    """A table for a terminal of what is not the same, and how many cells came to what."""
    shown = [row for row in rows if row.outcome != "the same"]
    lines = [("cell", here, there, "difference", "settings", "")]
    lines += [
        (f"{r.table} {r.row} {r.column}", r.here, r.there, r.difference, r.settings, r.outcome)
        for outcome in OUTCOMES
        for r in shown
        if r.outcome == outcome
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(6)]
    text = ["  ".join(f"{part:<{width}}" for part, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    counts = {outcome: sum(row.outcome == outcome for row in rows) for outcome in OUTCOMES}
    told = [f"{count} {outcome}: {OUTCOMES[outcome]}" for outcome, count in counts.items() if count]
    return "\n".join([*(text if shown else []), *told])


def to_csv(rows: Sequence[Row]) -> str:
    """A line per cell."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, rows))
    return buffer.getvalue()


def to_json(rows: Sequence[Row]) -> str:
    """An object per cell."""
    return json.dumps(list(map(asdict, rows)), indent=2, ensure_ascii=False)
