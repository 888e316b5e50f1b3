"""What a classifier must beat to have learned anything: the best answer that is always the same class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uhn.paper.report.intervals import wilson
from uhn.tasks import DATASETS


@dataclass(frozen=True)
class Baseline:
    """The accuracy of always answering one class.

    Args:
        share: the larger of 1/classes and the share of the most frequent class among the rows that are scored.
        rows: rows of one evaluation; 0 if nobody says.
        known: whether the most frequent class's share is known; if not, ``share`` is 1/classes, which is no larger.
    """

    share: float
    rows: int
    known: bool

    def beaten_by(self, accuracy: float) -> bool:
        """Whether the accuracy's 95 % interval lies above. A mean over seeds has that of one evaluation: they all score
        the same rows, so that counting each row once for every seed would take them for more than they are."""
        return (wilson(accuracy, self.rows)[0] if self.rows else accuracy) > self.share

    def __str__(self) -> str:
        what = "the majority class's share" if self.known else "1/classes, the majority class's share is unknown"
        return f"{100 * self.share:.2f} % ({what}; {self.rows:,} rows scored)"


def baseline(record: Mapping[str, Any], data: Mapping[str, Any], chance: float | None) -> Baseline | None:
    """The baseline of one score; None for regression.

    Args:
        record: what the run says of the score: its metrics, or their part for the task.
        data: what it says of the data.
        chance: 1/classes, if known.
    """
    if chance is None:
        return None
    sizes = data.get("rows") or {}
    rows = int(record.get("scored_rows") or sizes.get("test") or 0)
    share = record.get("majority")
    if share is None:
        share = _published(str(data.get("name")), data, rows)
    return Baseline(max(chance, share or 0.0), rows, share is not None)


def _published(name: str, data: Mapping[str, Any], rows: int) -> float | None:
    """The share among the first ``rows`` of the published test rows, if that is what ``data`` says was scored: for
    records from before they held it."""
    known = DATASETS.get(name)
    if known is None or data.get("kind") == "stand-in" or rows not in (most := dict(known.majority)):
        return None
    cut = f"{rows:,} of {known.test_rows:,} test rows"
    return most[rows] / rows if rows == known.test_rows or cut in str(data.get("detail")) else None
