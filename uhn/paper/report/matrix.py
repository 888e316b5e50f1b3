"""Where the runs of a table are not as the paper's, side by side: a line per row and source, a column per aspect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from uhn.paper.report.reductions import Aspect, Difference

TITLE = "Where the runs are not the paper's (ours / the paper's)"
"""Its heading."""

Place = tuple[str, str]
"""A row's key and a column's heading."""


@dataclass(frozen=True)
class Matrix:
    """The differences of a table's cells.

    Args:
        aspects: columns, those that differ from line to line.
        lines: by row, the columns of the table that it is true of, and a text per aspect, empty if nothing differs.
        common: a sentence per aspect and set of columns that differ from the paper in all of their rows alike.
    """

    aspects: tuple[str, ...]
    lines: tuple[tuple[str, str, tuple[str, ...]], ...]
    common: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.lines or self.common)


def matrix(found: Mapping[Place, Sequence[Difference]]) -> Matrix:
    """The matrix of the cells that have runs, each with where these are not as the paper's."""
    sorts: tuple[Aspect, ...] = get_args(Aspect)
    sorted_ = {
        place: {aspect: tuple(each for each in differences if each.aspect == aspect) for aspect in sorts}
        for place, differences in found.items()
    }
    columns: dict[str, list[Place]] = {}
    for place in sorted_:
        columns.setdefault(place[1], []).append(place)
    aspects, common = [], []
    for aspect in sorts:
        told = {column: {sorted_[place][aspect] for place in places} for column, places in columns.items()}
        if any(len(each) > 1 for each in told.values()):
            aspects.append(aspect)
            continue
        for same in dict.fromkeys(same for (same,) in told.values() if same):
            where = ", ".join(column for column, each in told.items() if same in each)
            common.append(f"{where}: {'; '.join(f'{each.what} {each.pair}' for each in same)}.")
    lines: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (row, column), by_aspect in sorted_.items():
        texts = tuple("; ".join(map(_below, by_aspect[aspect])) for aspect in aspects)
        if any(texts):
            lines.setdefault((row, texts), []).append(column)
    told_ = tuple((row, ", ".join(names), texts) for (row, texts), names in lines.items())
    return Matrix(tuple(aspects), told_, tuple(common))


def _below(difference: Difference) -> str:
    """A difference under the heading of its aspect."""
    name = difference.what.removesuffix(difference.aspect).strip()
    return f"{name} {difference.pair}".strip()
