"""What a table is declared of: rows, kinds of columns, cells. One mechanism for every table of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

from uhn.paper.report.statistics import Statistic
from uhn.paper.tables import published as paper
from uhn.paper.tables.keys import CellKey

if TYPE_CHECKING:
    from uhn.paper.report.book import Book, Evidence

EMPTY = "–"
NOT_SWEPT = "not swept in this profile"
LAST = 28
"""Number of the paper's last table."""


@dataclass(frozen=True)
class Row:
    """One row: texts by column key, and what its numbers are by column key."""

    key: str
    labels: Mapping[str, str] = field(default_factory=dict)
    cells: Mapping[str, CellKey] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table.

    Args:
        text: as printed.
        csv: its machine-readable columns.
        marks: words beside it.
        evidence: the runs that it rests on.
        unequal: comparisons with others that are not on the paper's terms, a sentence each.
    """

    text: str
    csv: Mapping[str, str]
    marks: tuple[str, ...] = ()
    evidence: Evidence | None = None
    unequal: tuple[str, ...] = ()

    def marked(self, mark: str, unequal: tuple[str, ...]) -> Cell:
        """The cell with a further mark, for comparisons that are not on the paper's terms."""
        marks = (*self.marks, mark)
        csv = {key: "; ".join(marks) if key.endswith("_marks") else text for key, text in self.csv.items()}
        return replace(self, csv=csv, marks=marks, unequal=unequal)


class Column(Protocol):
    """A column computes its cells from a row and the book."""

    @property
    def key(self) -> str:
        """Its name in csv files and on the command line."""

    @property
    def title(self) -> str:
        """Its heading below the span."""

    @property
    def span(self) -> str:
        """Heading that it shares with the columns beside it, empty for none."""

    @property
    def head(self) -> str:
        """Its whole heading."""

    @property
    def numeric(self) -> bool:
        """Whether it is set flush right."""

    def cell(self, row: Row, book: Book) -> Cell:
        """The cell of this column in ``row``."""


@dataclass(frozen=True)
class Headed:
    """A column's key and headings."""

    key: str
    title: str
    span: str = field(default="", kw_only=True)

    @property
    def head(self) -> str:
        """The title with the span, for a heading of one line."""
        return f"{self.title} ({self.span})" if self.span else self.title


@dataclass(frozen=True)
class Label(Headed):
    """A text of the row."""

    numeric: bool = False

    def cell(self, row: Row, book: Book) -> Cell:
        """The row's own text, or a dash."""
        text = row.labels.get(self.key, EMPTY)
        return Cell(text, {self.key: text})


@dataclass(frozen=True)
class ParamCount(Headed):
    """A number of parameters behind the cell of column ``of``, frozen tensors included.

    Args:
        of: key of the column whose runs are counted.
        which: ``paper``: the paper's; ``run``: of the runs, nothing without runs; ``checked``: of the runs, marked
            where it is not the paper's, and the paper's without runs.
        target: count the weights of the model itself instead of its source's.
    """

    of: str
    which: Literal["paper", "run", "checked"] = "paper"
    target: bool = False
    numeric: bool = True

    def cell(self, row: Row, book: Book) -> Cell:
        """The count."""
        key = row.cells.get(self.of)
        wanted = None if key is None else paper.number(key.group, "params")
        own = [] if key is None or self.which == "paper" else self._own(key, book)
        counts = own or ([wanted] if wanted is not None and self.which != "run" else [])
        differs = self.which == "checked" and wanted is not None and counts != [wanted]
        text = " / ".join(f"{count:,}" for count in counts) or EMPTY
        marks = (f"paper {wanted:,}",) if differs else ()
        return Cell(text, {self.key: str(counts[0]) if len(counts) == 1 else ""}, marks)

    def _own(self, key: CellKey, book: Book) -> list[int]:
        counts = [run["parameters"] for run in book.evidence(key).runs]
        return sorted({c["target"] if self.target else c["trainable"] + c["frozen"] for c in counts})


@dataclass(frozen=True)
class MetricColumn(Headed):
    """A result: mean ± deviation over the seeds of the row's cell of this column."""

    numeric: bool = True

    def cell(self, row: Row, book: Book) -> Cell:
        """The result with its marks; or why there is none."""
        key = row.cells.get(self.key)
        if key is None:
            return Cell(EMPTY, self._csv(EMPTY, Statistic(None, None, 0), 1, ()))
        evidence = book.evidence(key)
        text = evidence.told if evidence.statistic.total else book.absence(key)
        factor = 100 if key.metric == "accuracy" else 1
        marks = (*evidence.marks, *filter(None, [evidence.instead]))
        return Cell(text, self._csv(text, evidence.statistic, factor, marks), marks, evidence)

    def _csv(self, text: str, statistic: Statistic, factor: int, marks: Sequence[str]) -> dict[str, str]:
        def number(value: float | None) -> str:
            return "" if value is None else format(factor * value, ".10g")

        return {
            self.key: text,
            f"{self.key}_mean": number(statistic.mean),
            f"{self.key}_std": number(statistic.std),
            f"{self.key}_n": str(statistic.n),
            f"{self.key}_diverged": str(statistic.diverged),
            f"{self.key}_missing": str(statistic.missing),
            f"{self.key}_marks": "; ".join(marks),
        }


@dataclass(frozen=True)
class PublishedValue(Headed):
    """The paper's printed result for the cell of column ``of``, or "lost"."""

    of: str
    numeric: bool = True

    def cell(self, row: Row, book: Book) -> Cell:
        """The paper's value."""
        key = row.cells.get(self.of)
        text = paper.result(key) if key else EMPTY
        return Cell(text, {self.key: text})


@dataclass(frozen=True)
class Fact(Headed):
    """Something measured that is no run's result: ``facts/<topic>.json`` of the profile, ``{row: {column: value}}``.

    Args:
        field: key of the value, this column's own if empty.
        transposed: look up ``{column: {row: value}}`` instead.
        absent: what is printed where there is nothing.
        compare: mark a value that is not the paper's, the row's label ``<key>_paper``.
    """

    topic: str
    field: str = ""
    transposed: bool = False
    absent: str = "not measured"
    compare: bool = True
    numeric: bool = True

    def cell(self, row: Row, book: Book) -> Cell:
        """The value as printed."""
        first, second = row.key, self.field or self.key
        if self.transposed:
            first, second = second, first
        record = book.facts.get(self.topic, {}).get(first, {})
        value, kind = record.get(second), record.get("kind", "real")
        kinds = [str(each) for each in (kind if isinstance(kind, list) else [kind]) if each != "real"]
        if self.topic == "citation" and "stand-in" in kinds:  # generated in the shape that would be measured
            text = f"{self.absent}: stand-in"
            return Cell(text, {self.key: text, f"{self.key}_marks": ""})
        text = self.absent if value is None else shown_value(value)
        wanted = row.labels.get(f"{self.key}_paper")
        differs = self.compare and wanted is not None and text != wanted
        marks = [f"paper {wanted}"] * differs + kinds
        if value is None:
            return Cell(text, {self.key: text, f"{self.key}_marks": ""})
        return Cell(text, {self.key: text, f"{self.key}_marks": "; ".join(marks)}, tuple(marks))


def shown_value(value: Any) -> str:
    """A fact as text: lists as ``a, b``, whole numbers with separators, small numbers short."""
    if isinstance(value, list | tuple):
        return "{" + ", ".join(shown_value(entry) for entry in value) + "}"
    if isinstance(value, bool) or value is None:
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:g}".replace("e-0", "e-")
    return str(value)


@dataclass(frozen=True)
class TableSpec:
    """A declared table of the paper.

    Args:
        needs: what it is made from: runs, the code itself, or measured facts.
        searches: the searches, by group of runs, whose grids or outcomes it shows.
    """

    number: int
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    needs: Literal["runs", "code", "facts"] = "runs"
    searches: tuple[str, ...] = ()

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups of runs whose results it shows, in the order of its rows."""
        shown = [column.key for column in self.columns if isinstance(column, MetricColumn)]
        return tuple(dict.fromkeys(row.cells[key].group for row in self.rows for key in shown if key in row.cells))

    @property
    def topics(self) -> tuple[str, ...]:
        """Facts it rests on."""
        return tuple(dict.fromkeys(column.topic for column in self.columns if isinstance(column, Fact)))

    @property
    def name(self) -> str:
        """File stem, e.g. ``table01``."""
        return f"table{self.number:02d}"
