"""Rendering by name: the tables, the coverage list and the page of one profile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from uhn.reporting import coverage, page
from uhn.reporting.book import Book
from uhn.reporting.catalogue import tables, worth
from uhn.reporting.facts import load_facts, paper_selection
from uhn.reporting.files import write
from uhn.reporting.results import load_runs
from uhn.reporting.tables import FORMATS, build


def open_book(results: Path, profile: str, params: Path | None = None) -> Book:
    """The runs under ``results/<profile>`` beside the plan of ``params``; without ``params``, only what is found.

    Raises:
        ValueError: for broken results or settings.
    """
    if params is None:
        if not (results / profile).is_dir():
            raise ValueError(f"no results folder {results / profile}")
        return Book(profile, load_runs(results, profile), facts=load_facts(results, profile))
    from uhn.experiments.config import load_config
    from uhn.experiments.plan import Plan

    plan = Plan(load_config(params, profile))
    known = {f"{name}/{method}" for name, entry in plan.config.experiments.items() for method in entry.methods}
    planned: dict[str, list[str]] = {}
    for name in plan.runs:
        planned.setdefault(name.rpartition("/")[0], []).append(name)
    wanted = frozenset(name for name, table in plan.tables.items() if table.runs)
    facts = paper_selection(params) | load_facts(results, profile)
    return Book(profile, load_runs(results, profile), planned, frozenset(known), facts, tables=wanted)


def render_table(name: str, book: Book, results: Path) -> list[Path]:
    """Write ``tables/<name>.{md,csv,tex,provenance.json}``. Raises ``ValueError`` for an unknown table."""
    declared = tables(book.methods)
    if name not in declared:
        raise ValueError(f"no table {name!r}; tables: {', '.join(declared)}")
    table = build(declared[name], book)
    paths = []
    for ending, form in FORMATS.items():
        path = results / book.profile / "tables" / f"{name}.{ending}"
        write(path, form(table))
        paths.append(path)
    return paths


def render_coverage(book: Book, results: Path) -> list[Path]:
    """Write ``coverage.md``."""
    path = results / book.profile / "coverage.md"
    write(path, coverage.to_markdown(book))
    return [path]


def render_page(book: Book, results: Path) -> list[Path]:
    """Write ``report.html``."""
    path = results / book.profile / "report.html"
    write(path, page.to_html(book))
    return [path]


GROUPS = {"all": "tables with runs or facts, coverage, report", "descriptors": "Tables 6-9, from the code"}
"""Names that stand for several."""


def render(names: Iterable[str], book: Book, results: Path) -> list[Path]:
    """Write what ``names`` ask for and return the paths. ``all`` and ``descriptors`` stand for several, see ``GROUPS``.

    Raises:
        ValueError: for an unknown name, before anything is written.
    """
    declared = tables(book.methods)
    groups = {"all": [*worth(book), "coverage", "report"]}
    groups["descriptors"] = [spec.name for spec in declared.values() if spec.needs == "code"]
    wanted = list(dict.fromkeys(each for name in names for each in groups.get(name, [name])))
    known = [*declared, "coverage", "report"]
    if unknown := [name for name in wanted if name not in known]:
        there = ", ".join([*groups, *known])
        raise ValueError(f"cannot render {', '.join(map(repr, unknown))}; known: {there}")
    paths: list[Path] = []
    for name in wanted:
        if name == "coverage":
            paths += render_coverage(book, results)
        elif name == "report":
            paths += render_page(book, results)
        else:
            paths += render_table(name, book, results)
    return paths
