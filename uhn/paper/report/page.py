"""``report.html``: one page that needs nothing but itself. A cell leads to its runs, a run to everything about it.

The same page serves one profile and all of them (a :class:`~uhn.paper.report.evidence.Shelf`). What it shows is
gathered here and in the modules ``page_*``; how it looks stands in ``templates/``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from uhn.paper.names import FOLDER
from uhn.paper.report import coverage
from uhn.paper.report.book import Book, Evidence
from uhn.paper.report.evidence import Shelf
from uhn.paper.report.formats import FORMATS
from uhn.paper.report.page_first import data, first
from uhn.paper.report.page_runs import anchor, experiments
from uhn.paper.report.page_tables import view
from uhn.paper.report.rest import Rest
from uhn.paper.report.tables import Table, build
from uhn.paper.tables.catalogue import FIGURES, FigureSpec, tables, worth
from uhn.paper.tables.keys import CellKey

TEMPLATES: Final = Path(__file__).with_name("templates")
PAPER: Final = ("Universal Hypernetworks for Arbitrary Models", "https://arxiv.org/abs/2604.02215")
PARAMETERS: Final = "Parameters against the target's size (Table 2)"
PAGE: Final = "report.html"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def to_html(book: Book, pictures: Mapping[str, bytes] | None = None, rest: Rest | None = None) -> str:
    """The whole page as HTML5.

    Args:
        book: the runs of one profile, or a shelf with those of several.
        pictures: figures as SVG, by name.
        rest: what the paper's budget still asks for.
    """
    shelf = isinstance(book, Shelf)
    declared = tables(book.methods)
    built = [build(declared[name], book) for name in worth(book)]
    groups, places = _groups(built, book)
    addresses = _Addresses(book, groups)
    views = [view(table) | {"files": addresses.files(table)} for table in built]
    figures = [_figure(name, picture, addresses) for name, picture in (pictures or {}).items()]
    told = experiments(book, groups, places)
    sets = data(book)
    sweeps = [{"id": anchor(f"{FOLDER}/{key}"), "name": key, "texts": texts} for key, texts in book.reasons.items()]
    contents = _contents(views, figures, told, bool(sweeps), rest, bool(sets))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title="uhn: what was reproduced" if shelf else f"uhn: results of profile {book.profile}",
            heading="What was reproduced" if shelf else f"What was reproduced in profile {book.profile}",
            paper_name=PAPER[0],
            paper_url=PAPER[1],
            css=Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
            script=Markup(
                "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("uplot.min.js", "page.js"))
            ),
            shelf=shelf,
            switch=addresses.switch(),
            contents=contents,
            ids={id_ for _, links in contents for id_, _ in links},
            first=first(book, addresses.runs),
            tables=views,
            figures=figures,
            rest=rest,
            data=sets,
            experiments=told,
            sweeps=sweeps,
            coverage=coverage.summary(book),
        )
    )


def _groups(built: Iterable[Table], book: Book) -> tuple[dict[str, Evidence], dict[str, list[tuple[str, str, str]]]]:
    """The evidence of every group of runs, those of tables before others, and the cells that rest on each."""
    groups: dict[str, Evidence] = {}
    places: dict[str, list[tuple[str, str, str]]] = {}
    for table in built:
        for row, cells in zip(table.spec.rows, table.cells, strict=True):
            for column, cell in zip(table.spec.columns, cells, strict=True):
                if cell.evidence is not None and cell.evidence.found:
                    name = cell.evidence.key.group
                    groups.setdefault(name, cell.evidence)
                    places.setdefault(name, []).append((table.spec.name, row.key, column.key))
    for name in book.found:
        if name not in groups and (evidence := book.evidence(CellKey(*name.split("/", 1)))).found:
            groups[name] = evidence
    return groups, places


class _Addresses:
    """Where things are, as seen from the page."""

    def __init__(self, book: Book, groups: Mapping[str, Evidence]) -> None:
        self.book = book
        self.groups = groups
        self.books = book.books if isinstance(book, Shelf) else (book,)
        self.here = book.folder
        self.worth = {each.label: worth(each) for each in self.books}

    def to(self, book: Book, name: str) -> str:
        """A file of a book, relative to the page's folder; empty where no folder is known."""
        if self.here is None or book.folder is None:
            return ""
        return Path(os.path.relpath(book.folder / name, self.here)).as_posix()

    def runs(self, book: Book, group: str) -> str:
        """A group of runs as a book has it: on this page, or on that book's."""
        shown = self.groups.get(group)
        if shown is not None and shown.book is book:
            return f"#{anchor(group)}"
        return f"{self.to(book, PAGE)}#{anchor(group)}"

    def switch(self) -> list[tuple[str, str]]:
        """This page and the others: text and address, none for the page itself."""
        if isinstance(self.book, Shelf):
            kept = all(book.place for book in self.books)
            names = [(book.profile if kept else book.label, self.to(book, PAGE)) for book in self.books]
            return [("best of all kept" if kept else "best of all", ""), *names]
        return [("best of all", f"../{PAGE}"), (self.book.label, "")]

    def files(self, table: Table) -> list[tuple[str, list[tuple[str, str]]]]:
        """The files of a table, by the profile of each book that has it."""
        name = table.spec.name
        return [
            (book.profile, [(ending, self.to(book, f"tables/{name}.{ending}")) for ending in FORMATS])
            for book in self.books
            if book.folder is not None and name in self.worth[book.label]
        ]


def _figure(name: str, picture: bytes, addresses: _Addresses) -> dict[str, Any]:
    spec = next((each for each in FIGURES if each.name == name), None)
    cells = [addresses.book.evidence(key) for key in spec.cells] if spec else []
    found = [evidence for evidence in cells if evidence.found]
    owner = found[0].book if found else addresses.book
    return {
        "id": name,
        "title": f"Figure {spec.number}. {spec.title}" if spec else PARAMETERS if name == "parameters" else name,
        "source": _inline(picture),
        "caption": _caption(spec, found),
        "runs": [
            (each, addresses.runs(addresses.groups[each].book, each))
            for each in dict.fromkeys(evidence.key.group for evidence in found)
            if each in addresses.groups
        ],
        "files": [
            (f"{name}.{ending}", href)
            for ending in ("svg", "png", "csv")
            if (href := addresses.to(owner, f"figures/{name}.{ending}"))
        ],
    }


def _inline(picture: bytes) -> Markup:
    """An SVG as an address, for an attribute in double quotes: half as long as in base 64, coordinates being cut."""
    text = re.sub(
        r"<\?xml.*?\?>|<!DOCTYPE[^>]*>|<metadata>.*?</metadata>", "", picture.decode("utf-8", "replace"), flags=re.S
    )
    text = re.sub(r"(\d\d\.\d)\d+", r"\1", re.sub(r">\s+<", "><", text))
    for letter, code in (("%", "%25"), ("#", "%23"), ('"', "%22"), ("&", "%26"), ("\n", "%0A")):
        text = text.replace(letter, code)
    return Markup(f"data:image/svg+xml,{text}")


def _caption(spec: FigureSpec | None, found: Sequence[Evidence]) -> str:
    """What a figure rests on: the marks of its runs, their seeds, and what guessing gives."""
    parts = []
    for evidence in found:
        pick = "" if evidence.key.pick == "value" else f" ({evidence.key.pick})"
        marks = f", {', '.join(evidence.marks)}" if evidence.marks else ""
        parts.append(f"{evidence.key.experiment}{pick}: n = {evidence.statistic.n}{marks}")
    shares = dict.fromkeys(f"{100 * each.baseline.share:.1f} %" for each in found if each.baseline)
    if shares:
        parts.append(f"always answering the most frequent class gives {' and '.join(shares)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _contents(
    views: Sequence[Mapping[str, Any]],
    figures: Sequence[Mapping[str, Any]],
    told: Sequence[Mapping[str, Any]],
    sweeps: bool,
    rest: Rest | None,
    sets: bool,
) -> list[tuple[str, list[tuple[str, str]]]]:
    top = [("top", "What was reproduced"), ("claims-told", "The claims one by one")]
    top += [("rest", "What the rest would cost")] * (rest is not None) + [("data", "Data")] * sets
    top += [("coverage", "Coverage")] + [("sweeps", "Sweeps")] * sweeps
    found = [("Overview", top), ("Tables", [(v["id"], f"{v['number']}. {v['title']}") for v in views])]
    found += [("Figures", [(f["id"], f["title"]) for f in figures])] if figures else []
    return found + ([("Runs and curves", [(e["id"], e["title"]) for e in told])] if told else [])
