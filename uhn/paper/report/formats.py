"""The files that stand for a table: Markdown, CSV, LaTeX and its provenance."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from uhn.paper.report.latex import to_tex
from uhn.paper.report.matrix import TITLE
from uhn.paper.report.tables import Table, shown
from uhn.paper.runs.results import Run
from uhn.paper.tables.columns import MetricColumn


def to_markdown(table: Table) -> str:
    """GitHub Markdown: the table, what is the same in all rows, marks, notes, where the runs are not the paper's."""
    columns = [table.spec.columns[place] for place in table.columns]
    lines = [f"# Table {table.spec.number}. {table.spec.title}", "", f"Profile {table.profile}."]
    lines += ["", _line(c.head for c in columns), _line("---:" if c.numeric else "---" for c in columns)]
    lines += [_line(shown(cells[place]) for place in table.columns) for cells in table.cells]
    lines += ["", *(f"- {sentence}" for sentence in table.constant)]
    lines += [f"- {table.about}"] * bool(table.about)
    lines += [f"- *{word}*: {meaning}" for word, meaning in table.legend]
    lines += [f"- {note}" for note in table.spec.notes]
    if table.unequal:
        lines += ["", "## Comparisons on other terms than the paper's", "", *(f"- {each}" for each in table.unequal)]
    if table.differences:
        lines += ["", f"## {TITLE}", "", *(f"- {sentence}" for sentence in table.differences.common)]
        lines += [""] * bool(table.differences.common)
    if table.differences.lines:
        heads = [aspect.capitalize() for aspect in table.differences.aspects]
        lines += [_line(["Row", "Column", *heads]), _line(["---"] * (2 + len(heads)))]
        lines += [_line([row, column, *texts]) for row, column, texts in table.differences.lines]
    return "\n".join(lines).rstrip("\n") + "\n"


def _line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def to_csv(table: Table) -> str:
    """One line per row, keyed by ``row``; a measured column brings _mean, _std, _n, _diverged, _missing and _marks.

    Accuracies are percent, unrounded in ``_mean`` and ``_std``.
    """
    buffer = io.StringIO()
    lines = [
        {"row": row.key} | {key: value for cell in cells for key, value in cell.csv.items()}
        for row, cells in zip(table.spec.rows, table.cells, strict=True)
    ]
    writer = csv.DictWriter(buffer, fieldnames=list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return buffer.getvalue()


def origin(run: Run) -> dict[str, Any]:
    """Where one run's number comes from: identity, settings, data, code, machine. No date, no duration, no path."""
    machine = {k: v for k, v in run["hardware"].items() if k in ("machine", "processor", "cores", "threads", "device")}
    return {
        "name": run.name,
        "status": run["status"],
        "value": run["value"],
        "identity": run["identity"],
        "settings_hash": run["settings_hash"],
        "data": [{k: d.get(k) for k in ("name", "kind", "fingerprint", "detail", "rows")} for d in run["data"]],
        "code": dict(run["code"]),
        "accepted": run.accepted,
        "taken_from": run.get("taken_from"),
        "hardware": machine,
        "software": run.get("software", {}),
    }


def to_provenance(table: Table) -> str:
    """JSON: for each measured cell the runs it rests on, where they are not as the paper's, and its marks."""
    cells = []
    for row, column, cell in table.places():
        evidence = cell.evidence
        if not isinstance(column, MetricColumn) or evidence is None or not evidence.statistic.total:
            continue
        entry = {"row": row.key, "column": column.key, "text": cell.text, "marks": list(cell.marks)}
        entry |= {"runs": [run.name for run in evidence.runs], "missing": list(evidence.missing)}
        entry |= {"other_settings": [run.name for run in evidence.other]}
        cells.append(entry | {"differences": [difference.phrase for difference in evidence.differences]})
    used = {run.name: run for line in table.cells for cell in line if cell.evidence for run in cell.evidence.found}
    record = {"table": table.spec.name, "profile": table.profile, "cells": cells}
    record["runs"] = [origin(used[name]) for name in sorted(used)]
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


FORMATS = {"md": to_markdown, "csv": to_csv, "tex": to_tex, "provenance.json": to_provenance}
"""Each file that stands for a table, by its ending."""
