"""What a table is declared of: rows, kinds of columns, cells. One mechanism for every table of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from uhn.reporting import paper
from uhn.reporting.book import Book, Evidence, Source
from uhn.reporting.statistics import Statistic, printed

EMPTY = "–"


@dataclass(frozen=True)
class Row:
    """One row: texts by column key, sources by column key, and the paper's counts by column key."""

    key: str
    labels: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table; ``csv`` holds its machine-readable columns."""

    text: str
    csv: Mapping[str, str]
    marks: tuple[str, ...] = ()
    evidence: Evidence | None = None


class Column(Protocol):
    """A column computes its cells from a row and the book."""

    @property
    def key(self) -> str:
        """Its name in csv files and on the command line."""

    @property
    def head(self) -> str:
        """Its printed heading."""

    @property
    def numeric(self) -> bool:
        """Whether it is set flush right."""

    def cell(self, row: Row, book: Book) -> Cell:
        """The cell of this column in ``row``."""


@dataclass(frozen=True)
class Label:
    """A text of the row."""

    key: str
    head: str
    numeric: bool = False

    def cell(self, row: Row, book: Book) -> Cell:
        """The row's own text, or a dash."""
        text = row.labels.get(self.key, EMPTY)
        return Cell(text, {self.key: text})


@dataclass(frozen=True)
class Count:
    """A number of parameters: the paper's (``own=False``) or of the runs behind column ``of`` (``own=True``).

    ``target`` counts the weights of the model itself instead of its source's.
    """

    key: str
    head: str
    of: str
    own: bool = False
    target: bool = False
    numeric: bool = True

    def cell(self, row: Row, book: Book) -> Cell:
        """The count, marked if the model that ran is not the paper's."""
        wanted = row.counts.get(self.of)
        counts = self._measured(row, book) if self.own or self.target else []
        if self.target and counts and wanted is not None and counts != [wanted]:
            return self._cell(counts, (f"paper {wanted:,}",))
        if self.target and not counts:
            counts = [] if wanted is None else [wanted]
        return self._cell(counts if self.own or self.target else [wanted] if wanted else [])

    def _measured(self, row: Row, book: Book) -> list[int]:
        if self.of not in row.sources:
            return []
        runs = book.evidence(row.sources[self.of]).runs
        own = [run["parameters"] for run in runs]
        return sorted({p["target"] if self.target else p["trainable"] + p["frozen"] for p in own})

    def _cell(self, counts: Sequence[int], marks: tuple[str, ...] = ()) -> Cell:
        text = " / ".join(f"{count:,}" for count in counts) or EMPTY
        return Cell(text, {self.key: str(counts[0]) if len(counts) == 1 else ""}, marks)


@dataclass(frozen=True)
class Measure:
    """A result: mean ± deviation over the seeds of the row's source under this column's key."""

    key: str
    head: str
    numeric: bool = True

    def cell(self, row: Row, book: Book) -> Cell:
        """The result with its marks; or why there is none."""
        source = row.sources.get(self.key)
        if source is None:
            return Cell(EMPTY, self._csv(EMPTY, Statistic(None, None, 0), 1, ()))
        evidence = book.evidence(source)
        text = printed(evidence.statistic, source.metric)
        if not evidence.runs and not evidence.missing:
            text = book.absence(source)
        factor = 100 if source.metric == "accuracy" else 1
        return Cell(text, self._csv(text, evidence.statistic, factor, evidence.marks), evidence.marks, evidence)

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
class Known:
    """The paper's printed result for the source of column ``of``, or "lost"."""

    key: str
    head: str
    of: str
    numeric: bool = True

    def cell(self, row: Row, book: Book) -> Cell:
        """The paper's value."""
        source = row.sources.get(self.of)
        text = paper.result(source.experiment, source.method, source.pick) if source else EMPTY
        return Cell(text, {self.key: text})


@dataclass(frozen=True)
class TableSpec:
    """A declared table of the paper."""

    number: int
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """File stem, e.g. ``table01``."""
        return f"table{self.number:02d}"
