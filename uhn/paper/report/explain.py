"""The way from one cell of a table to everything behind it, as text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from uhn.paper.budget import PaperRun
from uhn.paper.names import group_name
from uhn.paper.report import terminal
from uhn.paper.report.book import Book
from uhn.paper.report.coverage import status
from uhn.paper.report.evidence import Shelf
from uhn.paper.report.tables import build, shown
from uhn.paper.runs.archive import HISTORIES, RECORDS
from uhn.paper.runs.checkout import in_words
from uhn.paper.runs.results import Run, load_history
from uhn.paper.tables import published
from uhn.paper.tables.catalogue import tables
from uhn.paper.tables.columns import Fact, TableSpec
from uhn.paper.tables.keys import CellKey

Curve = Callable[[str, terminal.Points], list[str]]


def explain(
    book: Book,
    table: str,
    row: str,
    column: str,
    *,
    root: Path | None = None,
    curve: Curve = terminal.tell,
    others: Callable[[], Shelf | None] = lambda: None,
) -> str:
    """What stands in a cell, beside the paper's value, why, and where its runs, settings, data, code and curves are.

    Args:
        book: the runs.
        table: e.g. ``table01``.
        row: key of the row, e.g. ``mnist-mlp``.
        column: key of the column, e.g. ``uhn``.
        root: folder that paths are shown relative to.
        curve: how curves are shown, by their title and points.
        others: every profile's results, asked for a cell that has none here.

    Raises:
        ValueError: for a table, row or column that does not exist, naming those that do.
    """
    declared = tables(book.methods)
    if table not in declared:
        raise ValueError(f"no table {table!r}; tables: {', '.join(declared)}")
    built = build(declared[table], book)
    cell = built.cell(row, column)
    lines = [f"{table} / {row} / {column}: {shown(cell)}"]
    evidence = cell.evidence
    if evidence is None:
        key = group_name(row, _method(declared[table], column))
        return "\n".join([*lines, "rests on no run", *(f"\n{text.rstrip()}" for text in book.reasons.get(key, ()))])
    lines.append(f"paper      {_papers(evidence.key)}")
    lines.append(f"status     {status(evidence, book)}")
    lines += [f"unequal    {each}" for each in cell.unequal]
    lines += [f"differs    {difference.phrase}" for difference in evidence.differences]
    if evidence.baseline is not None:
        lines.append(f"baseline   {evidence.baseline}")
    lines += [f"missing    {name}" for name in evidence.missing]
    if evidence.found:
        lines.append(f"seeds      {', '.join(str(run['seed']) for run in evidence.found)}")
        machines = Counter(f"{r['hardware'].get('processor')} ({r['hardware'].get('device')})" for r in evidence.found)
        lines.append(f"hardware   {', '.join(f'{name}: {count}' for name, count in machines.items())}")
    elif (shelf := others()) and (best := shelf.origins.get(evidence.key.group)) and best.found:
        found = shown(build(declared[table], best).cell(row, column))
        again = f"uhn explain {table} {row} {column} --profile {best.profile}"
        lines.append(f"elsewhere  {found} in {best.label}: {again} --results {(shelf.folder or Path()) / best.place}")
    for run in evidence.found:
        lines += ["", *_run(run, evidence.paper, root), *_curves(run, curve)]
        lines += ["other      settings than the plan's: no number rests on it"] * (run in evidence.other)
    return "\n".join(lines)


def _papers(key: CellKey) -> str:
    """The paper's value with where it stands."""
    value, source = published.result(key).partition(" (")[0], published.source(key)
    return f"{value} ({source})" if source else "lost: its surviving text does not hold the value"


def _curves(run: Run, curve: Curve) -> list[str]:
    """The run's losses, each phase by itself, and its metric."""
    rows = load_history(run)
    lines = []
    for phase, word in (("init", "initialisation"), ("train", "training")):
        points = [(float(row["step"]), float(row["loss"] or "nan")) for row in rows if row["phase"] == phase]
        lines += curve(f"{word} loss", points) if points else []
    known = [row for row in rows if row["phase"] == "train" and row["metric"] and " " not in row["metric"]]
    factor, unit = (100, "%") if run["metric"] == "accuracy" else (1, "")
    points = [(float(row["step"]), factor * float(row["metric"])) for row in known]
    return lines + (curve(f"{run['metric']} {unit}".strip() + " while training", points) if points else [])


def _method(spec: TableSpec, column: str) -> str:
    """The method whose grid or selection a column shows, empty for another column."""
    topics = (c.topic for c in spec.columns if c.key == column and isinstance(c, Fact))
    return next((topic.partition("-")[2] for topic in topics), "")


def _run(run: Run, paper: PaperRun | None, root: Path | None) -> list[str]:
    folder = run.folder.relative_to(root) if root and run.folder.is_relative_to(root) else run.folder
    code, budget = run["code"], run["budget"]
    of = f" of the paper's {paper.steps:,}" if paper else ""
    machine = ", ".join(f"{k} {v}" for k, v in run["hardware"].items())
    lines = [
        f"run        {run.name}",
        f"result     {run.outcome}",
        f"steps      {budget.get('init_steps', 0):,} initialisation, {budget.get('train_steps', 0):,}{of} training",
        f"identity   {run['identity']}",
        f"settings   {run['settings_hash']}",
        *(f"           {line}" for line in _settings(run)),
    ]
    for data in run["data"]:
        lines.append(
            f"data       {data.get('name')}: {data.get('kind')}, {data.get('detail')}, rows {data.get('rows')}"
        )
        lines.append(f"           sha256 {data.get('fingerprint')}")
    lines.append(f"code       {in_words(code)}, digest {code.get('digest')}")
    if note := run.accepted:
        lines.append(f"accepted   for code {note.get('digest')}: {note.get('why')}")
    if run.get("taken_from"):
        lines.append(f"taken from {run['taken_from']}")
    lines.append(f"machine    {machine}, kernel {run.get('kernel', 'eager')}")
    if run.archived is not None:
        profile = folder.parents[len(Path(run.name).parts)]
        return [*lines, f"metrics    {profile / RECORDS}", f"curve      {profile / HISTORIES}"]
    lines.append(f"metrics    {folder / 'metrics.json'}")
    if (run.folder / "history.csv").is_file():
        lines.append(f"curve      {folder / 'history.csv'}")
    if (run.folder / "model.safetensors").is_file():
        lines.append(f"weights    {folder / 'model.safetensors'}")
    return lines


def _settings(run: Run) -> list[str]:
    """Settings, one group per line, without what the run's name says already."""
    known = ("name", "experiment", "method", "seed")
    return [f"{key}: {json.dumps(value)}" for key, value in sorted(run.settings.items()) if key not in known]
