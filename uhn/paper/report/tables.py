"""A declared table and a book make a :class:`Table`: its cells, and what must be said of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from uhn.paper.report.book import Book
from uhn.paper.report.matrix import Matrix, matrix
from uhn.paper.report.unequal import SIGN, unequal
from uhn.paper.tables.columns import Cell, Column, Label, Row, TableSpec

LEGEND = {
    "±": "mean ± sample standard deviation (n - 1) over seeds.",
    "n=1": "one seed: its value, no deviation.",
    "reduced": "a smaller budget than the paper's; what was reduced, and what else is otherwise, is listed below.",
    "changed": "the paper's budget under other settings, which are listed below.",
    SIGN: "a comparison whose arms differ in steps, rate or size otherwise than the paper's arms, as listed below.",
    "not compared": "nothing says what the paper's settings are.",
    "subset": "trained and tested on a part of the real data.",
    "stand-in": "the real data were not at hand; generated data of the same shape took their place.",
    "not above the majority class": "no better than always answering one class: the 95 % interval (Wilson, over the "
    "rows of one evaluation) does not lie above the larger of 1/classes and the most frequent class's share of the "
    "rows that are scored.",
    "path only": "a few steps that show that the path works; what came out says nothing and stands in the csv.",
    "kept:": "the best number among the kept results (results/reference), with its own marks.",
    "majority unknown": "its interval lies above 1/classes; the most frequent class's share is not known.",
    "not trained": "an RMSE not below the targets' standard deviation, the RMSE of their mean.",
    "older code": "made by code that has changed since, and not accepted as it stands.",
    "other settings": "trained under settings that are not this profile's present ones; such seeds enter neither mean "
    "nor deviation.",
    "diverged": "seeds whose loss became infinite or undefined; they enter neither mean nor deviation.",
    "missing": "seeds that are planned and have no result.",
    "not run": "planned, no result.",
    "not in this profile": "another profile runs it.",
    "not built": "no profile can produce this yet.",
    "not measured": "no result of this profile says.",
    "not swept": "this profile does not sweep the setting; the captions of the tables of results say whose "
    "hyperparameters its runs have.",
    "our grid": "the paper's grid is lost; this one lies around its selected value.",
    "lost": "the paper prints a value that its surviving text does not hold.",
    "inferred": "the paper's value, taken from another place that most likely reports the same runs.",
    "read off": "the paper's value, measured in one of its figures.",
}
"""Every mark and what it means, in the order of printing."""

WHOSE = {
    "paper": "the paper's",
    "selected": "as this profile's own sweeps selected them",
    "assumed": "assumed, as this profile's own sweeps have selected none yet",
    "profile": "the profile's own",
}
"""Whose hyperparameters a run has, in words."""


@dataclass(frozen=True)
class Table:
    """Cells of a declared table, row by row."""

    spec: TableSpec
    profile: str
    cells: tuple[tuple[Cell, ...], ...]

    @cached_property
    def hyperparameters(self) -> str:
        """One sentence that says whose hyperparameters the runs have; empty where no run says."""
        places: dict[str, dict[str, None]] = {}
        for row, column, cell in self.places():
            if (evidence := cell.evidence) is None:
                continue
            for run in evidence.runs:
                if whose := evidence.whose(run):
                    places.setdefault(str(whose), {})[f"{row.key} {column.key}"] = None
        if not places:
            return ""
        words = WHOSE | {whose: f"{whose} (a word of other code)" for whose in places if whose not in WHOSE}
        if len(places) == 1:
            return f"Hyperparameters: {words[next(iter(places))]}."
        told = (f"{said}: {', '.join(places[whose])}" for whose, said in words.items() if whose in places)
        return f"Hyperparameters: {'; '.join(told)}."

    @cached_property
    def precision(self) -> str:
        """One sentence about the arithmetic of the runs beside the paper's; empty without runs."""
        found: dict[str, dict[str, None]] = {}
        for row, column, cell in self.places():
            for run in cell.evidence.runs if cell.evidence is not None else ():
                precision = str(run.settings.get("precision", "fp32"))
                found.setdefault(precision, {})[f"{row.key} {column.key}"] = None
        if not found:
            return ""
        common, *others = sorted(found, key=lambda precision: -len(found[precision]))
        told = [common, *(f"{precision} in {', '.join(found[precision])}" for precision in others)]
        return f"Arithmetic: {', '.join(told)}; the paper's program trained in fp16 with AMP."

    @property
    def about(self) -> str:
        """What is to be said of all runs of the table: whose hyperparameters they have, in which arithmetic."""
        return " ".join(filter(None, (self.hyperparameters, self.precision)))

    @cached_property
    def differences(self) -> Matrix:
        """Where the runs are not as the paper's."""
        return matrix(
            {
                (row.key, column.span or column.title): cell.evidence.differences
                for row, column, cell in self.places()
                if cell.evidence is not None and cell.evidence.runs
            }
        )

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Places of the columns that do not say the same in every row; those that name the rows are always there."""
        if len(self.cells) < 2:
            return tuple(range(len(self.spec.columns)))
        texts = [{shown(cells[place]) for cells in self.cells} for place in range(len(self.spec.columns))]
        columns = enumerate(self.spec.columns)
        return tuple(place for place, each in columns if len(texts[place]) > 1 or isinstance(each, Label))

    @cached_property
    def constant(self) -> tuple[str, ...]:
        """What stands in every row of the other columns, a sentence per text."""
        said: dict[str, list[str]] = {}
        for place, column in enumerate(self.spec.columns):
            if place not in self.columns:
                said.setdefault(shown(self.cells[0][place]), []).append(column.head)
        return tuple(f"{', '.join(heads)}: {text} in every row." for text, heads in said.items())

    @cached_property
    def unequal(self) -> tuple[str, ...]:
        """Comparisons whose arms differ in budget, rate or size otherwise than the paper's."""
        return tuple(dict.fromkeys(each for _, _, cell in self.places() for each in cell.unequal))

    def places(self) -> Iterator[tuple[Row, Column, Cell]]:
        """Every cell with its row and column."""
        for row, cells in zip(self.spec.rows, self.cells, strict=True):
            for column, cell in zip(self.spec.columns, cells, strict=True):
                yield row, column, cell

    @cached_property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """The marks that occur in this table with their meaning."""
        texts = " | ".join(f"{cell.text} {'; '.join(cell.marks)}" for cells in self.cells for cell in cells)
        return tuple((word, meaning) for word, meaning in LEGEND.items() if word in texts)

    def cell(self, row: str, column: str) -> Cell:
        """The cell at (row key, column key). Raises ``ValueError`` naming the keys there are."""
        rows = [r.key for r in self.spec.rows]
        columns = [c.key for c in self.spec.columns]
        for kind, key, keys in (("row", row, rows), ("column", column, columns)):
            if key not in keys:
                problem = f"has no {kind} {key!r}" if key else f"wants a {kind}"
                raise ValueError(f"{self.spec.name} {problem}; {kind}s: {', '.join(keys)}")
        return self.cells[rows.index(row)][columns.index(column)]


def build(spec: TableSpec, book: Book) -> Table:
    """Compute every cell of ``spec`` from the runs of ``book``."""
    cells = [[column.cell(row, book) for column in spec.columns] for row in spec.rows]
    signs = unequal((cell.evidence.key for line in cells for cell in line if cell.evidence is not None), book)

    def signed(cell: Cell) -> Cell:
        told = signs.get(cell.evidence.key) if cell.evidence is not None else None
        return cell.marked(SIGN, told) if told else cell

    return Table(spec, book.profile, tuple(tuple(map(signed, line)) for line in cells))


def shown(cell: Cell) -> str:
    """The cell's text with its marks."""
    return f"{cell.text} ({', '.join(cell.marks)})" if cell.marks else cell.text
