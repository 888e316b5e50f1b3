"""``report.html``: one page that needs nothing but itself. A cell leads to its runs, a run to everything about it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from html import escape

from uhn.paper.names import FOLDER
from uhn.paper.report import coverage
from uhn.paper.report.book import Book, Evidence
from uhn.paper.report.matrix import TITLE
from uhn.paper.report.page_runs import anchor, group_section, told
from uhn.paper.report.style import STYLE
from uhn.paper.report.tables import Table, build
from uhn.paper.tables import published as paper
from uhn.paper.tables.catalogue import FIGURES, tables, worth
from uhn.paper.tables.columns import EMPTY, Cell

PARAMETERS = "Parameters against the target's size (Table 2)"


def to_html(book: Book, pictures: Mapping[str, bytes] | None = None) -> str:
    """The whole page as HTML5; ``pictures`` are figures as SVG, by name."""
    drawn = dict(pictures or {})
    declared = tables(book.methods)
    built = [build(declared[name], book) for name in worth(book)]
    groups: dict[str, Evidence] = {}
    for table in built:
        for cells in table.cells:
            for cell in cells:
                if cell.evidence is not None and cell.evidence.found:
                    groups.setdefault(cell.evidence.key.group, cell.evidence)
    rests: dict[str, list[str]] = {}
    for table in built:
        names = {cell.evidence.key.group for cells in table.cells for cell in cells if cell.evidence}
        for name in names:
            rests.setdefault(name, []).append(table.spec.name)
    title = f"uhn: results of profile {book.profile}"
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f'<h1 id="top">{escape(title)}</h1>',
        '<p class="small">A number leads to the runs behind it; a run shows its settings, data, code and curve. '
        "Hover over a number for its seeds.</p>",
        _banner(book.stand_ins()),
        _contents(built, drawn, groups, bool(book.reasons)),
        *(_table(table) for table in built),
        *(_figure(name, picture) for name, picture in drawn.items()),
        "<h2>Runs</h2>" if groups else "",
        *(group_section(name, evidence, rests.get(name, [])) for name, evidence in groups.items()),
        _sweeps(book),
        _coverage(book),
        "</body></html>\n",
    ]
    return "".join(parts)


def _banner(stand_ins: Iterable[str]) -> str:
    """What nobody may overlook: which datasets were not at hand."""
    names = ", ".join(paper.label(name) for name in stand_ins)
    if not names:
        return ""
    return (
        f'<p class="banner" role="alert"><strong>Stand-in data: {escape(names)}.</strong> The real data were not at '
        "hand, and generated data of the same shape took their place. What rests on them is marked stand-in, and says "
        "nothing of the real data.</p>"
    )


def _contents(built: Iterable[Table], drawn: Iterable[str], groups: Iterable[str], searched: bool) -> str:
    links = [f'<li><a href="#{t.spec.name}">Table {t.spec.number}</a></li>' for t in built]
    links += [f'<li><a href="#{escape(name)}">{escape(_titled(name)[0])}</a></li>' for name in drawn]
    links += ['<li><a href="#sweeps">Sweeps</a></li>'] * searched
    links += ['<li><a href="#coverage">Coverage</a></li>']
    runs = [f'<li><a href="#{anchor(group)}">{escape(group)}</a></li>' for group in groups]
    return f"<nav><ul>{''.join(links)}</ul><details><summary>Runs</summary><ul>{''.join(runs)}</ul></details></nav>"


def _table(table: Table) -> str:
    spec = table.spec
    heads = "".join(f'<th scope="col"{_side(c.numeric)}>{escape(c.head)}</th>' for c in spec.columns)
    body = []
    for row, cells in zip(spec.rows, table.cells, strict=True):
        line = [
            f'<td{_side(column.numeric, cell.text)} id="{escape(f"{spec.name}-{row.key}-{column.key}")}" '
            f'data-head="{escape(column.head)}"><div>{_cell(cell)}</div></td>'
            for column, cell in zip(spec.columns, cells, strict=True)
        ]
        body.append(f"<tr>{''.join(line)}</tr>")
    found = table.differences
    heads_ = "".join(f"<th>{escape(text)}</th>" for text in ("row", "column", *found.aspects))
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in (row, column, *texts))}</tr>"
        for row, column, texts in found.lines
    )
    matrix = (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{heads_}</tr></thead><tbody>{lines}</tbody></table></div>'
    )
    said = [*table.constant, *table.unequal, *([f"{TITLE}:"] if found else []), *found.common]
    notes = [f"<li><b>{escape(word)}</b>: {escape(meaning)}</li>" for word, meaning in table.legend]
    notes += [f"<li>{escape(note)}</li>" for note in spec.notes]
    return (
        f'<section id="{spec.name}"><h2>Table {spec.number}. {escape(spec.title)}</h2>'
        + (f'<p class="small">{escape(table.about)}</p>' if table.about else "")
        + f'<div class="scroll" tabindex="0"><table class="cards"><thead><tr>{heads}</tr></thead>'
        + f'<tbody>{"".join(body)}</tbody></table></div><ul class="legend">{"".join(notes)}</ul>'
        + "".join(f'<p class="small">{escape(text)}</p>' for text in said)
        + (matrix if found.lines else "")
        + "</section>"
    )


def _titled(name: str) -> tuple[str, str]:
    """A figure's short name and its heading."""
    for figure in FIGURES:
        if figure.name == name:
            return f"Figure {figure.number}", f"Figure {figure.number}. {figure.title}"
    return name.capitalize(), PARAMETERS


def _figure(name: str, picture: bytes) -> str:
    title = escape(_titled(name)[1])
    source = f"data:image/svg+xml;base64,{b64encode(picture).decode()}"
    return f'<section id="{escape(name)}"><h2>{title}</h2><img alt="{title}" src="{source}"></section>'


SHORT = 16
"""Letters of a name that is not broken at its hyphens."""


def _side(numeric: bool, text: str = "") -> str:
    if numeric:
        return ' class="number"'
    return ' class="short"' if 0 < len(text) <= SHORT else ""


def _cell(cell: Cell) -> str:
    marks = f'<span class="marks">{escape(", ".join(cell.marks))}</span>' if cell.marks else ""
    if cell.evidence is None or not cell.evidence.found:
        quiet = cell.text in ("lost", "not run", "not built", "not in this profile", EMPTY)
        return (f'<span class="absent">{escape(cell.text)}</span>' if quiet else escape(cell.text)) + marks
    hover = "; ".join(told(run) for run in cell.evidence.found)
    if cell.evidence.differences:
        hover += ". Not as in the paper: " + "; ".join(each.phrase for each in cell.evidence.differences)
    return f'<a href="#{anchor(cell.evidence.key.group)}" title="{escape(hover)}">{escape(cell.text)}</a>{marks}'


def _sweeps(book: Book) -> str:
    """Why each stage of each sweep chose what it did."""
    if not book.reasons:
        return ""
    parts = []
    for key, texts in book.reasons.items():
        stages = "".join(f"<pre>{escape(text)}</pre>" for text in texts)
        parts.append(f'<details id="{anchor(f"{FOLDER}/{key}")}"><summary>{escape(key)}</summary>{stages}</details>')
    return (
        '<section id="sweeps"><h2>Sweeps</h2><p class="small">Pool, ranks, ties and guardrails of every stage. '
        f"Trials see validation rows only.</p>{''.join(parts)}</section>"
    )


def _coverage(book: Book) -> str:
    rows = "".join(
        f"<tr><td>{escape(title)}</td><td>{escape(text)}</td></tr>" for title, text in coverage.summary(book)
    )
    return (
        '<section id="coverage"><h2>Coverage</h2><p class="small">Every table and figure of the paper; '
        "coverage.md lists each cell.</p>"
        f'<div class="scroll" tabindex="0"><table><tbody>{rows}</tbody></table></div></section>'
    )
